//! Ends what a test program leaves running, however it ends. Included by path: tests of several
//! crates start agents and daemons.
//!
//! A program that is killed drops nothing: its daemons go on, and so do agents that ignore the
//! hangup of their terminals. So each process that a test starts carries a mark in its
//! environment, and a guard outside of the test program kills whoever has it once that is gone.
//! Shims have no environment to speak of: they are known by what they have open in their home, of
//! which the guard is told.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

/// Not one of ours, which no session inherits.
pub(crate) const VARIABLE: &str = "LEFT_BY_TEST_PROGRAM";

/// `$0` is the mark, and lines of the input are homes. Its end is the end of the test program.
const GUARD: &str = r#"
    homes=$(cat)
    marked() {
        grep -lsaF -e "$0" /proc/[0-9]*/environ
        printf '%s\n' "$homes" | while read -r home && [ "$home" ]; do
            find /proc/[0-9]*/fd -lname "$home/*" 2>/dev/null
        done
    }
    while marked=$(marked | cut -d / -f 3 | sort -u) && [ "$marked" ]; do
        kill -KILL $marked
    done"#;

struct Guard {
    mark: String,
    /// With its input, which is held to the end: the kernel closes it, whatever else does not
    /// happen then.
    shell: Mutex<Child>,
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
        shell: Mutex::new(shell),
    }
});

/// The variable to set in the environment of a process that may outlive this program, and which
/// those that it starts inherit.
pub(crate) fn mark() -> (&'static str, &'static str) {
    (VARIABLE, &GUARD_OF_THIS_PROGRAM.mark)
}

/// A home, in which shims may outlive this program: an absolute path.
#[allow(dead_code)] // not all tests that include this have homes
pub(crate) fn home(path: &Path) {
    let shell = &GUARD_OF_THIS_PROGRAM.shell;
    let shell = shell.lock().unwrap_or_else(PoisonError::into_inner);
    let mut input = shell.stdin.as_ref().expect("it is piped");
    writeln!(input, "{}", path.display()).expect("the guard waits for the end of this program");
}
