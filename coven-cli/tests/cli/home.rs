//! A throw-away home and project, and `coven` in them.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

pub(crate) use crate::eventually::{PATIENCE, eventually};
use crate::{leftovers, power_cut};

/// A script that says it has begun, and goes on until it is killed.
pub(crate) const ENDLESS: &str = "echo begun; tail -f /dev/null";

/// A home with one harness, `sh`, whose prompt is a script. The daemon that somebody started in
/// it is stopped when this is dropped, and its sessions are ended.
pub(crate) struct Home {
    root: TempDir,
    program: PathBuf,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::of(env!("CARGO_BIN_EXE_coven"))
    }

    /// One for this `coven`.
    pub(crate) fn of(program: impl Into<PathBuf>) -> Self {
        Self::within(&std::env::temp_dir(), program)
    }

    /// One in this directory.
    pub(crate) fn within(directory: &Path, program: impl Into<PathBuf>) -> Self {
        let program = program.into();
        let root = tempfile::Builder::new()
            .prefix("cli")
            .tempdir_in(directory)
            .unwrap();
        let home = Self { root, program };
        leftovers::home(&home.dir());
        fs::create_dir(home.project()).unwrap();
        home.declare(
            "sh",
            "[\"-c\", \"eval \\\"$1\\\"\", \"--\", \"{prompt}\"]",
            "/bin/sh",
        );
        home
    }

    /// Declares a harness.
    pub(crate) fn declare(&self, id: &str, args: &str, executable: &str) {
        let folder = self.dir().join("harnesses");
        fs::create_dir_all(&folder).unwrap();
        restrict(&self.dir());
        restrict(&folder);
        let manifest = format!(
            "id = \"{id}\"\nexecutable = \"{executable}\"\ninstall_hint = \"install {id} first\"\n\
             [interactive]\nargs = {args}\n[non_interactive]\nargs = {args}\n"
        );
        fs::write(folder.join(format!("{id}.toml")), manifest).unwrap();
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.path().join("home")
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.root.path().join("project")
    }

    /// `coven` with these arguments, in the project, knowing nothing of who runs the tests.
    pub(crate) fn coven<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.root.path())
            .env("COVEN_HOME", self.dir())
            .env("TERM", "xterm-256color")
            .envs([leftovers::mark()])
            .current_dir(self.project())
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn output<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Output {
        self.coven(args).output().unwrap()
    }

    /// Runs it, expects success, and gives its stdout.
    pub(crate) fn text<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> String {
        let args: Vec<&str> = args.into_iter().collect();
        let output = self.output(args.iter().copied());
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs it, expects success, and gives its stdout as JSON.
    pub(crate) fn json<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Value {
        serde_json::from_str(&self.text(args)).unwrap()
    }

    /// Runs it, expects this exit status, and gives its stderr.
    pub(crate) fn refused<'a>(
        &self,
        status: i32,
        args: impl IntoIterator<Item = &'a str>,
    ) -> String {
        let args: Vec<&str> = args.into_iter().collect();
        let output = self.output(args.iter().copied());
        assert_eq!(output.status.code(), Some(status), "{args:?}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("coven: "), "{args:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{args:?}: {said}");
        said
    }

    /// Launches a script in a terminal of its own and leaves it running; gives its id.
    pub(crate) fn launch(&self, script: &str) -> String {
        let id = self.text(["run", "--mode", "interactive", "--detach", "sh", script]);
        id.trim_end().to_owned()
    }

    /// A session's record.
    pub(crate) fn record(&self, id: &str) -> Value {
        self.json(["show", "--json", id])
    }

    /// Waits until a session has ended, by following it: one of which nothing is told for a while is
    /// taken to hang.
    pub(crate) fn wait_for_end(&self, id: &str) {
        let follow = Running::start(self.coven(["events", "--follow", id]));
        let (code, said) = follow.ends_in_time(id);
        assert_eq!(code, 0, "{id}: {said}");
    }

    /// Waits until a session's output holds `text`, by following it.
    pub(crate) fn wait_for_output(&self, id: &str, text: &str) {
        let mut follow = Running::start(self.coven(["log", "--follow", id]));
        follow.wait_for(text);
    }

    /// Ends the daemon where it stands, and waits until it is gone.
    pub(crate) fn kill_daemon(&self) {
        end_at_once(self.daemon_pid().expect("a daemon runs"));
    }

    /// The process that holds a session's terminal: its shim, the parent of its agent.
    pub(crate) fn shim_of(&self, id: &str) -> u64 {
        parent_of(self.record(id)["pid"].as_u64().expect("it runs"))
    }

    /// Ends a session's shim where it stands, and waits until its session is told to be lost.
    pub(crate) fn lose(&self, id: &str) {
        end_at_once(self.shim_of(id));
        self.wait_for_end(id);
    }

    /// Ends the daemon and all that came of it at once, as the end of the machine does: nobody is
    /// left to record how anything ended.
    pub(crate) fn power_cut(&self) {
        power_cut::end_all_of(&self.dir());
    }

    /// The process that serves it, as it says itself.
    pub(crate) fn daemon_pid(&self) -> Option<u64> {
        let text = fs::read_to_string(self.dir().join("daemon.json")).ok()?;
        let daemon: Value = serde_json::from_str(&text).ok()?;
        daemon["pid"].as_u64()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let stopped = self.output(["daemon", "stop", "--kill"]);
        if !stopped.status.success() && !std::thread::panicking() {
            panic!("the daemon did not stop: {stopped:?}");
        }
    }
}

/// A command that runs, and what it has written to stdout.
pub(crate) struct Running {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
    seen: String,
    /// What was read of its stderr.
    said: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = std::sync::mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            use std::io::BufRead;
            for line in std::io::BufReader::new(stdout).lines() {
                let Ok(line) = line else { return };
                if sender.send(line + "\n").is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            seen: String::new(),
            said: String::new(),
        }
    }

    /// Waits until stdout holds `text`, a line at a time.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.seen.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen += &line,
                Err(error) => panic!("{text:?} did not come ({error}): {:?}", self.seen),
            }
        }
    }

    /// Waits until stderr holds `text`.
    pub(crate) fn wait_for_stderr(&mut self, text: &str) {
        use std::io::Read;
        let stderr = self.child.stderr.as_mut().unwrap();
        let mut byte = [0];
        while !self.said.contains(text) {
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{:?}", self.said);
            self.said.push(char::from(byte[0]));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_alive(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        !stat
            .rsplit(')')
            .next()
            .unwrap()
            .trim_start()
            .starts_with('Z')
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end, as [`end`](Self::end), but for no line of `what` longer than a while.
    pub(crate) fn ends_in_time(self, what: &str) -> (i32, String) {
        use std::sync::mpsc::RecvTimeoutError;
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return self.end(),
                Err(RecvTimeoutError::Timeout) => panic!("{what} does not end"),
            }
        }
    }

    /// Waits for its end: its exit status as a shell tells it, and its stderr.
    pub(crate) fn end(mut self) -> (i32, String) {
        use std::io::Read;
        let mut said = std::mem::take(&mut self.said);
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        let status = self.child.wait().unwrap();
        let code = status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap());
        (code, said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, where `end` was called.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process that started this one, or has taken it over.
pub(crate) fn parent_of(pid: u64) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let parent = after_name.split_whitespace().nth(1).unwrap();
    parent.parse().unwrap()
}

/// Ends a process of ours where it stands, and waits until it is gone.
pub(crate) fn end_at_once(pid: u64) {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    pidfd_send_signal(&process, Signal::KILL).unwrap();
    poll(&mut [PollFd::new(&process, PollFlags::IN)], None).unwrap();
}

fn restrict(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
}
