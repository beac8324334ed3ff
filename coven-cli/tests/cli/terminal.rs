//! A terminal with a program in it, as a person at one has it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Action, Termios, Winsize, tcflow, tcgetattr, tcsetwinsize};

use crate::eventually::{PATIENCE, eventually};

/// A terminal whose foreground program is the leader of its session.
pub(crate) struct Terminal {
    master: File,
    slave: OwnedFd,
    child: Child,
    screen: Arc<Screen>,
}

#[derive(Default)]
struct Screen {
    output: Mutex<Vec<u8>>,
    changed: Condvar,
    /// Whether it is left unread.
    unread: Mutex<bool>,
    read_on: Condvar,
}

impl Terminal {
    /// Runs a command in a terminal of 80 × 24.
    pub(crate) fn run(command: &Command) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap();
        let mut terminal = Command::new("setsid");
        terminal
            .arg("--ctty")
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::from(slave.try_clone().unwrap()))
            .stdout(Stdio::from(slave.try_clone().unwrap()))
            .stderr(Stdio::from(slave.try_clone().unwrap()));
        if let Some(directory) = command.get_current_dir() {
            terminal.current_dir(directory);
        }
        let master = File::from(master);
        resize(&master, 80, 24);
        let screen = Arc::new(Screen::default());
        watch(master.try_clone().unwrap(), screen.clone());
        Self {
            child: terminal.spawn().unwrap(),
            master,
            slave,
            screen,
        }
    }

    /// Types bytes.
    pub(crate) fn press(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }

    /// Waits until what was written since the start holds `text`, and forgets up to there.
    pub(crate) fn wait_for(&self, text: &str) {
        self.up_to(text);
    }

    /// The same; gives what came before it.
    pub(crate) fn shown_up_to(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.up_to(text)).into_owned()
    }

    /// Waits for the rest of a line, and forgets it.
    pub(crate) fn line(&self) -> String {
        String::from_utf8(self.up_to("\r\n")).unwrap()
    }

    /// Waits for `text`; forgets it, and gives what came before it.
    fn up_to(&self, text: &str) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        let mut output = self.screen.output.lock().unwrap();
        loop {
            let text = text.as_bytes();
            let found = output.windows(text.len()).position(|part| part == text);
            if let Some(at) = found {
                let mut found: Vec<u8> = output.drain(..at + text.len()).collect();
                found.truncate(at);
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let (held, waited) = self.screen.changed.wait_timeout(output, left).unwrap();
            output = held;
            if waited.timed_out() {
                let shown = String::from_utf8_lossy(&output).into_owned();
                drop(output);
                panic!(
                    "{:?} did not come: {shown:?}",
                    String::from_utf8_lossy(text)
                );
            }
        }
    }

    /// Reads nothing more of what is written, until [`Self::read_on`], and fills the terminal.
    /// What writes to it would not do that alone: the kernel wakes no writer for little room.
    pub(crate) fn fill(&self) {
        *self.screen.unread.lock().unwrap() = true;
        let again = format!("/proc/self/fd/{}", self.slave.as_raw_fd());
        let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let slave = rustix::fs::open(again, flags, Mode::empty()).unwrap();
        eventually("a full terminal", || {
            match rustix::io::write(&slave, &[b'.'; 4096]) {
                Err(Errno::AGAIN) => Some(()),
                written => {
                    written.unwrap();
                    None
                }
            }
        });
    }

    /// Takes nothing more, as with Ctrl-S where that stops a terminal.
    pub(crate) fn stop(&self) {
        tcflow(&self.slave, Action::OOff).unwrap();
    }

    /// Reads again what is written.
    pub(crate) fn read_on(&self) {
        *self.screen.unread.lock().unwrap() = false;
        self.screen.read_on.notify_all();
    }

    /// Its settings.
    pub(crate) fn settings(&self) -> Termios {
        tcgetattr(&self.slave).unwrap()
    }

    /// The window becomes this large.
    pub(crate) fn resize(&self, cols: u16, rows: u16) {
        resize(&self.master, cols, rows);
    }

    /// The program's process id.
    pub(crate) fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    /// Waits for the program's end; its exit status as a shell tells it.
    pub(crate) fn end(&mut self) -> i32 {
        let status = self.child.wait().unwrap();
        status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Ended already, where `end` was called.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether two terminals are set alike.
pub(crate) fn same_settings(a: &Termios, b: &Termios) -> bool {
    a.input_modes == b.input_modes
        && a.output_modes == b.output_modes
        && a.local_modes == b.local_modes
        && a.control_modes == b.control_modes
}

fn resize(terminal: impl AsFd, cols: u16, rows: u16) {
    let size = Winsize {
        ws_col: cols,
        ws_row: rows,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}

fn watch(mut master: File, screen: Arc<Screen>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            let unread = screen.unread.lock().unwrap();
            drop(screen.read_on.wait_while(unread, |unread| *unread).unwrap());
            let Ok(len @ 1..) = master.read(&mut buffer) else {
                return;
            };
            screen
                .output
                .lock()
                .unwrap()
                .extend_from_slice(&buffer[..len]);
            screen.changed.notify_all();
        }
    });
}
