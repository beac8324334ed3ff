//! Starting a daemon that outlives its caller.

use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use coven::environment::{NO_SESSION, SESSION_VARIABLE};

use crate::config::Config;
use crate::daemon::ready::Report;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;

/// What became of a daemon that was started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Spawned {
    /// It serves.
    Ready,
    /// Another process holds the home.
    HomeIsTaken {
        /// What it said.
        reason: String,
    },
    /// It ended without a word, as one does that is killed.
    IsGone {
        /// What is known, in a sentence.
        reason: String,
    },
}

/// Starts a daemon for `home` from the program that this is, and waits until it serves or has
/// failed: it says so over a pipe, which is its stdout and the only thing it inherits. Blocks.
///
/// The daemon is nobody's child and of nobody's session: an agent may be the one that runs
/// `coven`, and the daemon must not die with it.
///
/// # Errors
/// [`Exit::Unreachable`] when it says why it does not start; the message has it. [`Exit::Usage`] when a
/// setting is wrong: it has the same as we do.
pub(crate) fn spawn(home: &Home) -> Result<Spawned, Failure> {
    Config::load(home)?;
    let told = |reason: String| format!("the daemon could not be started: {reason}");
    let failed = |reason: String| Failure::new(Exit::Unreachable, told(reason));
    // What a shell left open for us (`exec 9>lock`) must not stay open for as long as a daemon
    // lives.
    close_fds::set_fds_cloexec(3, &[]);
    let mut parent = serve_command(home, "--orphaned")
        .env(SESSION_VARIABLE, NO_SESSION)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut said = String::new();
    if let Some(mut pipe) = parent.stdout.take() {
        // A pipe that breaks has said all it will.
        let _ = pipe.read_to_string(&mut said);
    }
    // It has ended by now, and how is in what was said.
    let _ = parent.wait();
    match Report::parse(&said) {
        Some(Report::Ready) => Ok(Spawned::Ready),
        Some(Report::HomeIsTaken { reason }) => Ok(Spawned::HomeIsTaken { reason }),
        Some(Report::Failed { reason }) => Err(failed(reason)),
        None => {
            let log = home.daemon_log();
            let reason = told(format!("it ended without a word; see {}", log.display()));
            Ok(Spawned::IsGone { reason })
        }
    }
}

/// Starts the daemon and does not wait for it. Who does only this and then ends leaves an orphan.
///
/// # Errors
/// When the program cannot be run.
pub(super) fn spawn_and_leave(home: &Home) -> io::Result<()> {
    serve_command(home, "--detached").spawn().map(|_| ())
}

/// `coven daemon start` for `home`.
pub(crate) fn start_command(home: &Home) -> Command {
    let mut command = own_command(home);
    command.args(["daemon", "start"]);
    command
}

fn serve_command(home: &Home, how: &str) -> Command {
    let mut command = own_command(home);
    command.args(["daemon", "serve", how]).stderr(Stdio::null());
    command
}

fn own_command(home: &Home) -> Command {
    let mut command = Command::new(own_program());
    command.arg("--home").arg(home.dir()).stdin(Stdio::null());
    command
}

/// The program that this is: by its path, so that process lists show its name, unless the file
/// was replaced or removed since.
fn own_program() -> PathBuf {
    std::env::current_exe()
        .ok()
        .filter(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from("/proc/self/exe"))
}
