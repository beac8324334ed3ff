//! A tool that its daemon may not signal, as `sudo` makes them. Included by path.
//!
//! Root may signal everybody, so the test runs itself once more as another user, with a program
//! that makes root of whoever runs it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::not_run::not_run;

/// Nobody, on every system.
const STRANGER: u32 = 65_534;

/// Set for the second run: what it has there.
const PLACE: &str = "UNKILLABLE_TOOL_OF_A_TEST";

/// Where the second run has its tool and its temporary files.
pub(crate) struct Unkillable {
    dir: PathBuf,
}

impl Unkillable {
    /// In the run of another user. In the other: makes that run, of the test of this name, with
    /// `programs` beside it in its directory, and gives `None`.
    pub(crate) fn of_its_own(test: &str, programs: &[&Path]) -> Option<Self> {
        if let Some(dir) = std::env::var_os(PLACE) {
            return Some(Self { dir: dir.into() });
        }
        if !rustix::process::geteuid().is_root() {
            not_run("only root can become another user");
            return None;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let unkillable = Self {
            dir: dir.path().to_owned(),
        };
        chown(dir.path(), Some(STRANGER), Some(STRANGER)).expect("root may");
        let this = std::env::current_exe().expect("this program");
        let program = unkillable.dir.join("test");
        install("755", &this, &program);
        for program in programs {
            let name = program.file_name().expect("a program");
            install("755", program, &unkillable.dir.join(name));
        }
        install(
            "4755",
            Path::new("/usr/bin/setpriv"),
            &unkillable.become_root(),
        );
        let fifo = Command::new("mkfifo").arg(unkillable.fifo()).status();
        assert!(fifo.expect("mkfifo runs").success());
        let anybody = fs::Permissions::from_mode(0o666);
        fs::set_permissions(unkillable.fifo(), anybody).expect("root may");
        let as_stranger = |program: &Path, args: &[&str]| {
            Command::new(program)
                .args(args)
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .env("HOME", dir.path())
                .env("TMPDIR", dir.path())
                .env(PLACE, dir.path())
                .current_dir(dir.path())
                .stdin(Stdio::null())
                .gid(STRANGER)
                .uid(STRANGER)
                .output()
                .expect("it runs")
        };
        let who = as_stranger(&unkillable.become_root(), &["--reuid=0", "id", "-u"]);
        if who.stdout != b"0\n" {
            not_run("nobody is made another user by a program here");
            return None;
        }
        let run = as_stranger(&program, &["--exact", test, "--nocapture"]);
        unkillable.end();
        let said = String::from_utf8_lossy(&run.stdout);
        let told = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{said}{told}");
        assert!(said.contains("1 passed"), "{said}");
        None
    }

    /// A script of an agent that has such a tool, tells its id as `tool 123`, and waits. Only that
    /// its parent is the agent shows whose the tool is: it is in a session of its own, and hides
    /// its environment.
    pub(crate) fn script(&self) -> String {
        let (become_root, fifo) = (self.become_root(), self.fifo());
        let (become_root, fifo) = (become_root.display(), fifo.display());
        format!(
            "setsid {become_root} --reuid=0 --regid=0 --clear-groups \
              sh -c 'echo $$ >tool; read line <{fifo}' </dev/null >/dev/null 2>&1 & \
             until [ -s tool ]; do sleep 0.01; done; echo tool $(cat tool); read line"
        )
    }

    /// A script of an agent that becomes such a tool itself, which minds no hangup, and then says `ready`.
    #[allow(dead_code)] // what other tests need of it
    pub(crate) fn script_of_itself(&self) -> String {
        let (become_root, fifo) = (self.become_root(), self.fifo());
        let (become_root, fifo) = (become_root.display(), fifo.display());
        format!(
            "trap '' HUP; exec {become_root} --reuid=0 --regid=0 --clear-groups \
              sh -c 'echo ready; read line <{fifo}'"
        )
    }

    /// Has the tool end, if it waits.
    pub(crate) fn end(&self) {
        let mut fifo = fs::OpenOptions::new();
        let fifo = fifo
            .write(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        // Without a tool there is nobody to read.
        if let Ok(mut fifo) = fifo.open(self.fifo()) {
            fifo.write_all(b"\n").expect("somebody reads");
        }
    }

    /// A file that is beside the tool.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn become_root(&self) -> PathBuf {
        self.path("become-root")
    }

    fn fifo(&self) -> PathBuf {
        self.path("fifo")
    }
}

/// By another process: a child that is forked meanwhile would hold a file of ours open for
/// writing, and such a file cannot be executed.
fn install(mode: &str, from: &Path, to: &Path) {
    let made = Command::new("install")
        .args(["-m", mode])
        .arg(from)
        .arg(to)
        .status();
    assert!(made.expect("install runs").success());
}
