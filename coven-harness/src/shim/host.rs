//! The shim itself: from the start of its `main` to the poll loop.

mod child;
mod connection;
mod door;
mod ending;
mod serve;
mod session;
mod typist;

use std::ffi::OsString;
use std::fs::Permissions;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::ExitCode;

use bytes::Bytes;
use coven_core::{TermSize, Timestamp};
use rustix::fs::{Mode, OFlags};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::Rlimit;

use super::folder;
use super::frame::Decoder;
use super::protocol::{
    FromShim, Hello, LaunchFailure, LaunchSpec, PartHead, Record, Refused, ToShim, VERSION,
    Welcome, WiringSpec, common_version,
};
use super::spool::Spool;
use crate::environment::Environment;
use crate::process::{Spawn, SpawnError, Stdin, Wiring, facts};
use crate::pty;
use child::NoChild;
use door::Door;
use session::Session;

/// Where a shim is on its way, for tests that end it there, or wait for it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waypoint {
    Begun,
    Locked,
    SpoolMade,
    Listening,
    /// Its process is made, and not held yet.
    Made,
    Spawned,
    Started,
    /// It does not read its process, for want of room.
    Full,
    ExitSeen,
    ExitRecorded,
}

/// What a shim is started with.
struct Start {
    socket: UnixStream,
    directory: OwnedFd,
    folder: OwnedFd,
    umask: Mode,
}

/// Is the shim of one session, to its end.
pub(super) fn run(on_the_way: &dyn Fn(Waypoint)) -> ExitCode {
    match begin() {
        Ok(start) => drive(start, on_the_way).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Sets this process apart from whoever started it.
fn begin() -> io::Result<Start> {
    pty::close_inherited();
    let take = |fd| fcntl_dupfd_cloexec(fd, 3);
    let socket = take(rustix::stdio::stdin())?;
    let directory = take(rustix::stdio::stdout())?;
    let folder = take(rustix::stdio::stderr())?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    pty::ignore_what_ends_others();
    // It fails for who leads a group already, and then leads its session, too.
    let _ = rustix::process::setsid();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let umask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    // A name for lists of processes: that of the file may be `exe`.
    let _ = rustix::thread::set_name(c"coven-shim");
    Ok(Start {
        socket: socket.into(),
        directory,
        folder,
        umask,
    })
}

/// `None` when there is no session: nothing is left of it, or nobody can say whether something is.
fn drive(start: Start, on_the_way: &dyn Fn(Waypoint)) -> Option<()> {
    let mut decoder = Decoder::default();
    let spec = hear_launch(&start.socket, &mut decoder)?;
    on_the_way(Waypoint::Begun);
    let limit_bytes = spec.limit_bytes;
    let made = make(&start.folder, &spec.session, limit_bytes, on_the_way);
    let (lock, spool, listener) = match made {
        Ok(made) => made,
        Err((step, error)) => {
            refuse(&start.socket, step, &error);
            return None;
        }
    };
    let signals = pty::Signals::watched().ok()?;
    let (executable, argv, session) = (
        spec.executable.clone(),
        spec.argv.clone(),
        spec.session.clone(),
    );
    let made = || on_the_way(Waypoint::Made);
    let child = match child::spawn(asked(*spec, start.directory), start.umask, made) {
        Ok(child) => Ok(child),
        Err(NoChild::NeverRan(error)) => Err(error),
        // It is not to be told that it never ran. Who looks at the folder finds that nothing was said of
        // it, and ends who bears its mark.
        Err(NoChild::NotHeld) => return None,
    };
    on_the_way(Waypoint::Spawned);
    let record = match &child {
        Ok(child) => Record::Started {
            process: child.facts.clone(),
            executable,
            argv,
        },
        Err(error) => Record::LaunchFailed {
            reason: failure(error),
        },
    };
    start.socket.set_nonblocking(true).ok()?;
    let rim = serve::Rim {
        folder: start.folder,
        lock,
        door: Door::new(listener.into()),
        signals,
    };
    let mut session = Session::new(session, spool, child.ok());
    session.record(&record);
    on_the_way(Waypoint::Started);
    // A removed directory of somebody else must not stay for our sake.
    let _ = rustix::process::chdir("/");
    serve::serve(rim, session, start.socket.into(), decoder, on_the_way);
    Some(())
}

/// The launch, which an engine says first. It waits for it: without, there is nothing to do.
fn hear_launch(socket: &UnixStream, decoder: &mut Decoder) -> Option<Box<LaunchSpec>> {
    let mut is_greeted = false;
    loop {
        while let Some(frame) = decoder.next_frame().ok()? {
            match ToShim::decode(&frame).ok()? {
                Some(ToShim::Hello(hello)) => {
                    let greeting = greet(&hello, "", 1, 1);
                    is_greeted = matches!(greeting, FromShim::Welcome(_));
                    tell(socket, &greeting);
                }
                Some(ToShim::Launch(spec)) if is_greeted => return Some(spec),
                Some(_) => return None,
                None => {}
            }
        }
        let mut buffer = [0; 16 * 1024];
        match (&*socket).read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(len_bytes) => decoder.buffer().extend_from_slice(&buffer[..len_bytes]),
        }
    }
}

/// The answer to a hello.
fn greet(hello: &Hello, session: &str, first: u64, next: u64) -> FromShim {
    match common_version(hello) {
        Some(version) => FromShim::Welcome(Welcome {
            version,
            features: 0,
            session: session.to_owned(),
            shim_pid: std::process::id(),
            first,
            next,
        }),
        None => FromShim::Refused(Refused::Version {
            min: VERSION,
            max: VERSION,
        }),
    }
}

fn tell(mut socket: &UnixStream, answer: &FromShim) {
    let mut bytes = Vec::new();
    answer.encode(&mut bytes);
    // Who does not hear it has gone, which shows soon enough.
    let _ = io::Write::write_all(&mut socket, &bytes);
}

fn refuse(socket: &UnixStream, step: &str, error: &io::Error) {
    let refused = Refused::Folder {
        step: step.to_owned(),
        errno: folder::errno(error),
    };
    tell(socket, &FromShim::Refused(refused));
}

type Made = (OwnedFd, Spool, UnixListener);

/// Makes what is in a session's folder; if that fails, takes away what was made.
fn make<'a>(
    folder: &OwnedFd,
    session: &str,
    limit_bytes: u64,
    on_the_way: &dyn Fn(Waypoint),
) -> Result<Made, (&'a str, io::Error)> {
    let lock = folder::lock_new(folder).map_err(|error| ("take the lock", error))?;
    on_the_way(Waypoint::Locked);
    let made = make_spool(folder, session, limit_bytes)
        .map_err(|error| ("make the spool", error))
        .and_then(|spool| {
            on_the_way(Waypoint::SpoolMade);
            match listen(folder) {
                Ok(listener) => Ok((spool, listener)),
                Err(error) => {
                    spool.remove();
                    Err(("listen", error))
                }
            }
        });
    match made {
        Ok((spool, listener)) => {
            on_the_way(Waypoint::Listening);
            Ok((lock, spool, listener))
        }
        Err(failed) => {
            folder::remove(folder);
            Err(failed)
        }
    }
}

fn make_spool(folder: &OwnedFd, session: &str, limit_bytes: u64) -> io::Result<Spool> {
    let own = facts::of(std::process::id())?;
    let head = PartHead {
        version: VERSION,
        session: session.to_owned(),
        boot_id: own.boot_id,
        shim_pid: own.pid,
        shim_start_time: own.start_time,
        first: 1,
        offset: 0,
    };
    Spool::create(folder.try_clone()?, head, limit_bytes)
}

/// Listens in the folder, whose path may be longer than an address can be.
fn listen(folder: &OwnedFd) -> io::Result<UnixListener> {
    rustix::process::fchdir(folder)?;
    let listener = UnixListener::bind(folder::SOCKET)?;
    std::fs::set_permissions(folder::SOCKET, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// What is asked for, as a process is spawned.
fn asked(spec: LaunchSpec, directory: OwnedFd) -> Spawn {
    let text = |bytes: Bytes| OsString::from_vec(bytes.into());
    let size = |cols: u16, rows: u16| {
        TermSize::parse(cols.into(), rows.into()).unwrap_or(TermSize::DEFAULT)
    };
    let environment = spec.environment.into_iter();
    Spawn {
        program: PathBuf::from(text(spec.program)),
        args: spec.args.into_iter().map(text).collect(),
        environment: environment
            .map(|(name, value)| (text(name), text(value)))
            .collect::<Environment>(),
        directory,
        wiring: match spec.wiring {
            WiringSpec::Terminal { cols, rows } => Wiring::Terminal {
                size: size(cols, rows),
            },
            WiringSpec::TerminalOutput { cols, rows, stdin } => Wiring::TerminalOutput {
                size: size(cols, rows),
                stdin: stdin.map_or(Stdin::Null, Stdin::Bytes),
            },
            WiringSpec::Pipes => Wiring::Pipes,
        },
        open_files: Rlimit {
            current: spec.open_files.0,
            maximum: spec.open_files.1,
        },
    }
}

fn failure(error: &SpawnError) -> LaunchFailure {
    let errno = |source: &io::Error| folder::errno(source);
    match error {
        SpawnError::MissingExecutable { .. } => LaunchFailure::MissingExecutable,
        SpawnError::MissingInterpreter { .. } => LaunchFailure::MissingInterpreter,
        SpawnError::NotExecutable { source, .. } => LaunchFailure::NotExecutable {
            errno: errno(source),
        },
        SpawnError::TooLong => LaunchFailure::TooLong,
        SpawnError::Nul => LaunchFailure::Nul,
        SpawnError::Directory { source } => LaunchFailure::Directory {
            errno: errno(source),
        },
        SpawnError::Terminal { source } => LaunchFailure::Terminal {
            errno: errno(source),
        },
        SpawnError::System { source } => LaunchFailure::System {
            errno: errno(source),
        },
    }
}

/// The time by the wall clock.
fn wall_clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = since.map_or(0, |since| since.as_nanos());
    Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}
