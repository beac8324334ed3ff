//! Spawning a process: its streams, its directory, and what it inherits.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::Stdio;

use bytes::Bytes;
use coven_core::{ProcessFacts, TermSize};
use rustix::fs::{AtFlags, Mode, fstat, statat};
use rustix::process::{Resource, Rlimit, getrlimit};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use super::{ExitWatch, Input, Output, Terminal, facts};
use crate::environment::Environment;
use crate::pty::{self, Inherited};

/// What to run, and where. There is no shell anywhere: `args` arrive as they are.
pub struct Spawn {
    /// The executable, an absolute path.
    pub program: PathBuf,
    /// Its arguments, without its own name. One argument is at most 131,071 bytes.
    pub args: Vec<OsString>,
    /// All of its environment: nothing is inherited.
    pub environment: Environment,
    /// The directory it starts in. It is entered by this descriptor, so whatever happens to its
    /// path after it was opened and checked changes nothing.
    pub directory: OwnedFd,
    /// What its standard streams are.
    pub wiring: Wiring,
    /// Its limit of open files. [`open_files_limit`], asked before this program raised its own.
    pub open_files: Rlimit,
}

/// What a process's standard streams are. In each case it leads a session of its own.
pub enum Wiring {
    /// A terminal for all three.
    Terminal {
        /// Its size at the start.
        size: TermSize,
    },
    /// A terminal for output and as the controlling terminal, and something else as stdin.
    TerminalOutput {
        /// Its size at the start.
        size: TermSize,
        /// What it reads.
        stdin: Stdin,
    },
    /// Three pipes, and no terminal.
    Pipes,
}

/// The stdin of a process that only writes to its terminal. `Debug` shows only how much it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Stdin {
    /// `/dev/null`.
    Null,
    /// A pipe that holds this and then ends.
    Bytes(Bytes),
}

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
        }
    }
}

/// A running process, in parts that go to different tasks.
#[derive(Debug)]
pub struct Child {
    /// Which process.
    pub facts: ProcessFacts,
    /// What it writes.
    pub output: Output,
    /// What it reads; none with [`Wiring::TerminalOutput`].
    pub input: Option<Input>,
    /// Its terminal; none with [`Wiring::Pipes`].
    pub terminal: Option<Terminal>,
    /// Its end.
    pub exit: ExitWatch,
}

/// Why a process does not run. In every case none is left behind.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// There is no such file. Install it, or correct the path.
    #[error("{} does not exist", program.display())]
    MissingExecutable {
        /// The path asked for.
        program: PathBuf,
    },
    /// The file is there, and the program named in its first line (`#!`) is not.
    #[error("{} names an interpreter that does not exist", program.display())]
    MissingInterpreter {
        /// The path asked for.
        program: PathBuf,
    },
    /// The file is not executable: its mode, a directory, or a format of another machine.
    #[error("{} cannot be executed: {source}", program.display())]
    NotExecutable {
        /// The path asked for.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An argument is over 131,071 bytes, or arguments and environment together are over the
    /// system's limit (about 2 MiB).
    #[error("the arguments or the environment are too long")]
    TooLong,
    /// An argument or a variable holds a NUL byte, which no process can be given.
    #[error("an argument or an environment variable holds a NUL byte")]
    Nul,
    /// The directory was removed, or may not be entered.
    #[error("the working directory cannot be entered: {source}")]
    Directory {
        /// What the system says.
        source: io::Error,
    },
    /// No terminal could be opened: too many are, or too many files.
    #[error("no terminal can be opened: {source}")]
    Terminal {
        /// What the system says.
        source: io::Error,
    },
    /// The system refused for another reason: too many processes or files, no memory.
    #[error("the process cannot be started: {source}")]
    System {
        /// What the system says.
        source: io::Error,
    },
}

/// This program's limit of open files as it is now. Ask before raising it.
pub fn open_files_limit() -> Rlimit {
    getrlimit(Resource::Nofile)
}

/// Runs a program as the leader of a session of its own, with default signals, nothing open but
/// its three standard streams, and no zombie left when it ends.
///
/// Must be called within a tokio runtime, which from then on handles SIGCHLD. Blocks for a fork and
/// an exec, a millisecond or so; it returns once the exec has succeeded.
///
/// # Errors
/// [`SpawnError`] says what to mend. No process of this call is left running.
pub fn spawn(spawn: Spawn) -> Result<Child, SpawnError> {
    hear_of_ends().map_err(|source| SpawnError::System { source })?;
    let prepared = prepare(spawn, None)?;
    let held = prepared.terminal.map(hold);
    let held = held
        .transpose()
        .map_err(|source| SpawnError::Terminal { source })?;
    let explain = |error| explain(prepared.program, error);
    let mut child = Command::from(prepared.command).spawn().map_err(explain)?;
    let Some((master, ours)) = held else {
        let stdin = child.stdin.take().expect("stdin is a pipe");
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let (output, input) = (Output::pipes(stdout, stderr), Input::pipe(stdin));
        return assemble(child, output, Some(input), None);
    };
    if let (Some(bytes), Some(pipe)) = (prepared.feed, child.stdin.take()) {
        feed(pipe, bytes);
    }
    let (reader, writer) = master.into_split();
    let input = match prepared.keyboard {
        Keyboard::Terminal => Some(Input::terminal(writer)),
        Keyboard::None => None,
    };
    assemble(child, Output::terminal(reader), input, Some(ours))
}

/// A terminal's master for reading and writing, and for all else once more with the other end.
fn hold(pair: pty::Pair) -> io::Result<(pty_process::Pty, (OwnedFd, OwnedFd))> {
    let control = pair.master.try_clone()?;
    Ok((pty::within_runtime(pair.master)?, (control, pair.slave)))
}

/// A command that is ready to be spawned, by whatever means.
pub(crate) struct Prepared {
    pub(crate) command: std::process::Command,
    pub(crate) program: PathBuf,
    /// Its terminal, to be held until it has ended. Without one its streams are three pipes.
    pub(crate) terminal: Option<pty::Pair>,
    pub(crate) keyboard: Keyboard,
    /// What its stdin gives it, where that is a pipe beside a terminal.
    pub(crate) feed: Option<Bytes>,
}

/// Whether a process with a terminal reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyboard {
    Terminal,
    None,
}

/// All of [`spawn`] but the fork and the exec. With a `umask`, the process gets that one.
pub(crate) fn prepare(spawn: Spawn, umask: Option<Mode>) -> Result<Prepared, SpawnError> {
    let Spawn {
        program,
        args,
        environment,
        directory,
        wiring,
        open_files,
    } = spawn;
    check_directory(&directory).map_err(|source| SpawnError::Directory { source })?;
    let mut command = std::process::Command::new(&program);
    command.args(args).env_clear().envs(environment.iter());
    let inherited = Inherited { open_files, umask };
    let (size, keyboard, stdin) = match wiring {
        Wiring::Pipes => {
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            pty::lead_session(&mut command, None, directory, inherited);
            return Ok(Prepared {
                command,
                program,
                terminal: None,
                keyboard: Keyboard::None,
                feed: None,
            });
        }
        Wiring::Terminal { size } => (size, Keyboard::Terminal, None),
        Wiring::TerminalOutput { size, stdin } => (size, Keyboard::None, Some(stdin)),
    };
    let terminal = |source| SpawnError::Terminal { source };
    let pair = pty::open(size).map_err(terminal)?;
    let slave = || pair.slave.try_clone().map_err(terminal);
    let (stdin, feed) = match stdin {
        None => (slave()?.into(), None),
        Some(Stdin::Null) => (Stdio::null(), None),
        Some(Stdin::Bytes(bytes)) => (Stdio::piped(), Some(bytes)),
    };
    command.stdin(stdin).stdout(slave()?).stderr(slave()?);
    pty::lead_session(&mut command, Some(slave()?), directory, inherited);
    Ok(Prepared {
        command,
        program,
        terminal: Some(pair),
        keyboard,
        feed,
    })
}

/// Where SIGCHLD is ignored, as it may be by whoever started this program, the kernel forgets
/// children as they end, and how they ended with them. A handler, once set, stays.
fn hear_of_ends() -> io::Result<()> {
    signal(SignalKind::child()).map(drop)
}

fn assemble(
    mut child: tokio::process::Child,
    output: Output,
    input: Option<Input>,
    control_and_hold: Option<(OwnedFd, OwnedFd)>,
) -> Result<Child, SpawnError> {
    let pid = child
        .id()
        .expect("a child that was never waited for has its pid");
    let facts = facts::of(pid).map_err(|source| {
        // Without its facts it could not be told from another process later.
        let _ = child.start_kill();
        SpawnError::System { source }
    })?;
    let (control, hold) = control_and_hold.unzip();
    let (terminal, exit) = (control.map(Terminal::new), ExitWatch::new(child, hold));
    Ok(Child {
        facts,
        output,
        input,
        terminal,
        exit,
    })
}

/// Writes `bytes` and closes the pipe, beside everything else: the process may read late, or end
/// without having read.
fn feed(mut pipe: tokio::process::ChildStdin, bytes: Bytes) {
    tokio::spawn(async move {
        // A process that does not want all of it has ended or closed its end: its business.
        let _ = pipe.write_all(&bytes).await;
    });
}

/// Whether a child could enter `directory`: entering a removed one succeeds, and what then fails
/// is the program's first look around.
fn check_directory(directory: impl AsFd) -> io::Result<()> {
    if fstat(&directory)?.st_nlink == 0 {
        return Err(io::ErrorKind::NotFound.into());
    }
    statat(&directory, ".", AtFlags::empty())?;
    Ok(())
}

/// What a failed exec means. The directory has been checked, so ENOENT and EACCES are about the
/// program.
pub(crate) fn explain(program: PathBuf, source: io::Error) -> SpawnError {
    match source.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) if program.exists() => {
            SpawnError::MissingInterpreter { program }
        }
        Some(libc::ENOENT | libc::ENOTDIR) => SpawnError::MissingExecutable { program },
        Some(libc::EACCES | libc::ENOEXEC | libc::EISDIR | libc::ELOOP) => {
            SpawnError::NotExecutable { program, source }
        }
        Some(libc::E2BIG) => SpawnError::TooLong,
        _ if source.kind() == io::ErrorKind::InvalidInput => SpawnError::Nul,
        _ => SpawnError::System { source },
    }
}
