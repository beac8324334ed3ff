//! Starting a shim with its session.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use bytes::Bytes;
use coven_core::{SessionId, TermSize};

use super::{AdoptError, Child, Lost};
use crate::environment::{Environment, NO_SESSION, SESSION_VARIABLE};
use crate::process::{Spawn, SpawnError, Stdin, Wiring};
use crate::shim::WORD;
use crate::shim::folder::NewFolder;
use crate::shim::frame::MAX_PAYLOAD_BYTES;
use crate::shim::protocol::{LaunchFailure, LaunchSpec, Record, ToShim, WiringSpec};

/// The program that shims are, and what it needs to run.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its path. It calls [`run_if_invoked`](crate::shim::run_if_invoked).
    pub path: PathBuf,
    /// What follows [`WORD`] among its arguments, for whoever reads lists of processes.
    pub args: Vec<OsString>,
    /// Its own environment, which has nothing to do with that of the session.
    pub environment: Environment,
}

impl Program {
    /// The program that this is, whatever becomes of its file.
    pub fn this() -> Self {
        Self {
            path: PathBuf::from("/proc/self/exe"),
            args: Vec::new(),
            environment: Environment::default(),
        }
    }
}

/// A session to launch.
pub struct Launch<'a> {
    /// Which program holds it.
    pub program: &'a Program,
    /// Where its shim keeps it.
    pub folder: NewFolder,
    /// Which session.
    pub session: &'a SessionId,
    /// What to run.
    pub spawn: Spawn,
    /// What the record of its start says of the executable.
    pub executable: String,
    /// What the record of its start says of its arguments.
    pub argv: Vec<String>,
    /// How many bytes its spool may take; see [`Control::set_limit`](super::Control::set_limit).
    pub limit_bytes: u64,
}

/// Why no session was launched.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Its process does not run, and nothing is left of it.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// What is to be in its folder cannot be made. Nothing is left.
    #[error("the session's folder cannot be used ({step}): {source}")]
    Folder {
        /// What was to be done.
        step: String,
        /// What the system says.
        source: io::Error,
    },
    /// The program cannot be run. Nothing is left.
    #[error("{} cannot be run to hold a session: {source}", program.display())]
    Program {
        /// Its path.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The shim ended before it said what became of the launch: look at the folder.
    #[error("the session's shim was lost at its start: {source}")]
    Lost {
        /// How that showed.
        source: AdoptError,
    },
}

/// Where whoever launches a session is on the way, for tests that end it there.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchStep {
    /// The shim is started, and not told what to run.
    ShimStarted,
    /// The shim has greeted; it has been told what to run, or just is.
    ShimGreeted,
}

/// Starts a shim and has it run a process as [`spawn`](crate::process::spawn) would; returns once
/// that runs; where it does not, the folder is removed. Must be called within a tokio runtime, whose
/// threads that may block make the shim.
///
/// Dropped meanwhile, it leaves a session that may run, to be found by its folder. The first
/// record, [`Record::Started`], is still to come from the records.
///
/// # Errors
/// [`LaunchError`] says what to mend, and what is left.
pub async fn launch(launch: Launch<'_>) -> Result<Child, LaunchError> {
    launch_with(launch, &|_| {}).await
}

/// [`launch`] by who tells where it is on its way.
///
/// # Errors
/// Those of [`launch`].
#[doc(hidden)]
pub async fn launch_with(
    launch: Launch<'_>,
    on_the_way: &(dyn Fn(LaunchStep) + Sync),
) -> Result<Child, LaunchError> {
    let Launch {
        program,
        folder,
        session,
        spawn,
        executable,
        argv,
        limit_bytes,
    } = launch;
    let executed = spawn.program.clone();
    let specified = specify(spawn, session, executable, argv, limit_bytes);
    let in_folder = |step: &str, source| LaunchError::Folder {
        step: step.to_owned(),
        source,
    };
    let program = program.clone();
    let started = apart(move || {
        let started = match specified {
            Ok((spec, directory)) => {
                start(&program, directory, &folder.held).map(|stream| (stream, spec))
            }
            Err(error) => Err(error.into()),
        };
        started.inspect_err(|_| {
            // Empty; what cannot be removed is found by a scan.
            let _ = folder.remove();
        })
    });
    let (stream, spec) = started
        .await
        .map_err(|error| in_folder("start the shim", error))??;
    on_the_way(LaunchStep::ShimStarted);
    let mut child = Child::over(stream, &[ToShim::Launch(Box::new(spec))]);
    let lost = |source: AdoptError| match source {
        AdoptError::Unreachable { source } => in_folder("set it up", source),
        source => LaunchError::Lost { source },
    };
    child.welcome().await.map_err(lost)?;
    on_the_way(LaunchStep::ShimGreeted);
    child.ask_from(1).await.map_err(lost)?;
    let first = child
        .records
        .peek()
        .await
        .map_err(|error| lost(error.into()))?;
    match &first.record {
        Record::Started { process, .. } => child.facts = Some(process.clone()),
        Record::LaunchFailed { reason } => {
            let error = reason.of(executed);
            child.control.ack(first.number);
            // All of it is acknowledged. Lost now, it leaves a folder that says the same.
            let _ = child.control.close().await;
            return Err(error.into());
        }
        _ => return Err(lost(Lost::Nonsense.into())),
    }
    Ok(child)
}

/// Does what waits for the disk or for a fork where that keeps nobody else waiting.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other)
}

/// Starts the program with what it is to have: the socket, the directory and the folder as its
/// standard streams, and nothing else.
fn start(
    program: &Program,
    directory: OwnedFd,
    folder: &OwnedFd,
) -> Result<tokio::net::UnixStream, LaunchError> {
    let failed = |source| LaunchError::Program {
        program: program.path.clone(),
        source,
    };
    let folder = folder.try_clone().map_err(failed)?;
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    ours.set_nonblocking(true).map_err(failed)?;
    let mut command = Command::new(&program.path);
    if let Some(own) = std::env::args_os().next() {
        // Whoever reads a list of processes knows it by that; the path may be that of any.
        command.arg0(own);
    }
    command
        .arg(WORD)
        .args(&program.args)
        .env_clear()
        .envs(program.environment.iter())
        .env(SESSION_VARIABLE, NO_SESSION)
        .stdin(OwnedFd::from(theirs))
        .stdout(directory)
        .stderr(folder);
    // The runtime reaps it, should it end before this program does.
    tokio::process::Command::from(command)
        .spawn()
        .map_err(failed)?;
    tokio::net::UnixStream::from_std(ours).map_err(failed)
}

fn specify(
    spawn: Spawn,
    session: &SessionId,
    executable: String,
    argv: Vec<String>,
    limit_bytes: u64,
) -> Result<(LaunchSpec, OwnedFd), SpawnError> {
    let bytes = |text: OsString| Bytes::from(text.into_vec());
    let environment = spawn.environment.iter();
    let spec = LaunchSpec {
        session: session.as_str().to_owned(),
        program: bytes(spawn.program.into_os_string()),
        args: spawn.args.into_iter().map(bytes).collect(),
        environment: environment
            .map(|(name, value)| (bytes(name.to_owned()), bytes(value.to_owned())))
            .collect(),
        wiring: wiring(spawn.wiring),
        open_files: (spawn.open_files.current, spawn.open_files.maximum),
        executable,
        argv,
        limit_bytes,
    };
    if len_bytes(&spec) > MAX_PAYLOAD_BYTES {
        return Err(SpawnError::TooLong);
    }
    Ok((spec, spawn.directory))
}

fn wiring(wiring: Wiring) -> WiringSpec {
    let sides = |size: TermSize| (size.cols(), size.rows());
    match wiring {
        Wiring::Terminal { size } => {
            let (cols, rows) = sides(size);
            WiringSpec::Terminal { cols, rows }
        }
        Wiring::TerminalOutput { size, stdin } => {
            let (cols, rows) = sides(size);
            let stdin = match stdin {
                Stdin::Null => None,
                Stdin::Bytes(bytes) => Some(bytes),
            };
            WiringSpec::TerminalOutput { cols, rows, stdin }
        }
        Wiring::Pipes => WiringSpec::Pipes,
    }
}

/// No less than what its payload has.
fn len_bytes(spec: &LaunchSpec) -> usize {
    /// Lengths and numbers, of which each takes ten bytes at most.
    const EACH: usize = 10;
    let stdin = match &spec.wiring {
        WiringSpec::TerminalOutput { stdin, .. } => stdin.as_ref().map_or(0, Bytes::len),
        WiringSpec::Terminal { .. } | WiringSpec::Pipes => 0,
    };
    let variables = spec.environment.iter();
    let pieces = (spec.args.iter().map(Bytes::len))
        .chain(variables.map(|(name, value)| name.len() + value.len() + EACH))
        .chain(spec.argv.iter().map(String::len))
        .chain([spec.program.len(), spec.executable.len(), stdin]);
    pieces.map(|len_bytes| len_bytes + EACH).sum::<usize>() + 1024
}

impl LaunchFailure {
    /// The failure to run `program` that this was.
    pub fn of(self, program: PathBuf) -> SpawnError {
        let system = io::Error::from_raw_os_error;
        match self {
            Self::MissingExecutable => SpawnError::MissingExecutable { program },
            Self::MissingInterpreter => SpawnError::MissingInterpreter { program },
            Self::NotExecutable { errno } => SpawnError::NotExecutable {
                program,
                source: system(errno),
            },
            Self::TooLong => SpawnError::TooLong,
            Self::Nul => SpawnError::Nul,
            Self::Directory { errno } => SpawnError::Directory {
                source: system(errno),
            },
            Self::Terminal { errno } => SpawnError::Terminal {
                source: system(errno),
            },
            Self::System { errno } => SpawnError::System {
                source: system(errno),
            },
        }
    }
}
