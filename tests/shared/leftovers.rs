//! Ends what a test program leaves running, however it ends. Included by path: tests of several
//! crates start agents and daemons.
//!
//! A program that is killed drops nothing: its daemons go on, and so do agents that ignore the
//! hangup of their terminals. So each process that a test starts carries a mark in its
//! environment, and a guard outside of the test program kills whoever has it once that is gone.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::SystemTime;

/// Not one of ours, which no session inherits.
const VARIABLE: &str = "LEFT_BY_TEST_PROGRAM";

/// `$0` is the mark. The end of the input is the end of the test program.
const GUARD: &str = r#"
    cat
    while marked=$(grep -lsaF -e "$0" /proc/[0-9]*/environ | cut -d / -f 3) && [ "$marked" ]; do
        kill -KILL $marked
    done"#;

struct Guard {
    mark: String,
    /// With its input, which is held to the end: the kernel closes it, whatever else does not
    /// happen then.
    _shell: Child,
}

static GUARD_OF_THIS_PROGRAM: LazyLock<Guard> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let mark = format!(
        "{}-{}",
        std::process::id(),
        now.expect("it is later").as_nanos()
    );
    let shell = Command::new("/bin/sh")
        .args(["-c", GUARD])
        .arg(format!("{VARIABLE}={mark}"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Out of reach of what is sent to the test program's group.
        .process_group(0)
        .spawn()
        .expect("a shell runs");
    Guard {
        mark,
        _shell: shell,
    }
});

/// The variable to set in the environment of a process that may outlive this program, and which
/// those that it starts inherit.
pub(crate) fn mark() -> (&'static str, &'static str) {
    (VARIABLE, &GUARD_OF_THIS_PROGRAM.mark)
}
