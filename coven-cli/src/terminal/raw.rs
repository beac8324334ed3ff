//! `RawTerminal`: the terminal in raw mode, and back.
//!
//! The way back is kept in one place for the whole process, so that it is found by `Drop`, by
//! the panic hook and by the end of the process alike, and is gone once.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use coven::TermSize;
use coven::terminal::Listener;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::termios::{self, OptionalActions, QueueSelector, Termios};
use tokio::io::unix::AsyncFd;

use super::job;

static WAY_BACK: Mutex<Option<WayBack>> = Mutex::new(None);

/// What the terminal was, and what has been done to it since.
struct WayBack {
    terminal: File,
    before: Termios,
    /// Hears what the session writes, and so knows which modes it left the terminal in.
    heard: Listener,
}

/// How long a terminal that is full may take to make room for what gives it back.
const UNDO_PATIENCE: Duration = Duration::from_secs(2);

/// Plain text again: whatever colour the last text had.
const PLAIN: &[u8] = b"\x1b[0m";

/// The cursor to the first place, and nothing on the screen.
const CLEAR: &[u8] = b"\x1b[H\x1b[2J";

/// The controlling terminal in raw mode, opened anew: non-blocking mode set on it cannot reach
/// the descriptors that the shell and others share. Dropping it gives the terminal back.
#[derive(Debug)]
pub(crate) struct RawTerminal {
    terminal: AsyncFd<File>,
    before: Termios,
}

impl RawTerminal {
    /// Opens the controlling terminal and makes it raw. At most one at a time.
    ///
    /// # Errors
    /// When there is no terminal, or it cannot be set.
    pub(crate) fn enter() -> io::Result<Self> {
        let terminal = open()?;
        let before = termios::tcgetattr(&terminal)?;
        *way_back() = Some(WayBack {
            terminal: terminal.try_clone()?,
            before: before.clone(),
            heard: Listener::new(),
        });
        let raw = Self {
            terminal: watched(terminal)?,
            before,
        };
        raw.make_raw()?;
        Ok(raw)
    }

    /// Waits for typed bytes. Zero bytes: the terminal is gone. Cancel-safe.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    pub(crate) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.terminal.readable().await?;
            let attempt = ready.try_io(|terminal| {
                rustix::io::read(terminal.get_ref(), &mut *buffer).map_err(io::Error::from)
            });
            match attempt {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                // A terminal that hung up.
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
                    return Ok(0);
                }
                Ok(result) => return result,
                Err(_would_block) => {}
            }
        }
    }

    /// Writes a session's output, waiting as long as the terminal takes (a terminal stopped with
    /// Ctrl-S among others), and notes what it changes in the terminal.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        if let Some(way_back) = way_back().as_mut() {
            way_back.heard.hear(bytes);
        }
        while !bytes.is_empty() {
            let mut ready = self.terminal.writable().await?;
            let attempt = ready.try_io(|terminal| {
                rustix::io::write(terminal.get_ref(), bytes).map_err(io::Error::from)
            });
            match attempt {
                Ok(Ok(written)) => bytes = &bytes[written..],
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
        Ok(())
    }

    /// Puts the terminal in order and clears it, for what is to be drawn on it anew.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) async fn start_over(&self) -> io::Result<()> {
        let heard = way_back().as_mut().map(|way_back| {
            let heard = std::mem::take(&mut way_back.heard);
            heard.modes().reset()
        });
        let mut undo = heard.unwrap_or_default();
        undo.extend_from_slice(PLAIN);
        undo.extend_from_slice(CLEAR);
        self.write(&undo).await
    }

    /// Says something in the title of the terminal's window, if there is room for it right now: the
    /// screen is the session's.
    pub(crate) fn entitle(&self, text: &str) {
        self.aside(&format!("\x1b[22;2t\x1b]2;{text}\x07"));
    }

    /// Takes that back.
    pub(crate) fn untitle(&self) {
        self.aside("\x1b[23;2t");
    }

    fn aside(&self, text: &str) {
        // The Linux console has no window, and shows what it does not know.
        if std::env::var_os("TERM").is_none_or(|term| term != "linux") {
            let _ = rustix::io::write(self.terminal.get_ref(), text.as_bytes());
        }
    }

    /// The terminal's size, if it knows it.
    pub(crate) fn size(&self) -> Option<TermSize> {
        super::size_of(self.terminal.get_ref())
    }

    /// Gives the terminal back and stops the whole job, as Ctrl-Z does in any other program;
    /// returns, raw again, once the shell has continued it. Blocks meanwhile.
    ///
    /// # Errors
    /// When the terminal cannot be set.
    pub(crate) fn suspend(&self) -> io::Result<()> {
        give_back();
        job::stop()?;
        *way_back() = Some(WayBack {
            terminal: self.terminal.get_ref().try_clone()?,
            before: self.before.clone(),
            heard: Listener::new(),
        });
        self.make_raw()
    }

    /// Sets raw mode, again if need be: a shell may have changed it behind our back.
    ///
    /// # Errors
    /// When the terminal cannot be set.
    pub(crate) fn make_raw(&self) -> io::Result<()> {
        let mut raw = self.before.clone();
        raw.make_raw();
        termios::tcsetattr(self.terminal.get_ref(), OptionalActions::Now, &raw)?;
        Ok(())
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back as it was: what the session changed in it is undone, its settings are
/// set, and keys typed but not read are thrown away. Does nothing when nothing is to be done, so
/// it may be called from anywhere, any number of times: also by a panic that holds the way back,
/// which then lets go of it and drops the [`RawTerminal`].
pub(crate) fn give_back() {
    let mut way_back = match WAY_BACK.try_lock() {
        Ok(way_back) => way_back,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return,
    };
    let Some(way_back) = way_back.take() else {
        return;
    };
    let mut undo = way_back.heard.modes().reset();
    undo.extend_from_slice(PLAIN);
    // A terminal that is gone, or stopped, cannot be helped.
    let _ = write_within(&way_back.terminal, &undo, UNDO_PATIENCE);
    let _ = termios::tcflush(&way_back.terminal, QueueSelector::IFlush);
    let _ = termios::tcsetattr(&way_back.terminal, OptionalActions::Now, &way_back.before);
}

/// Writes all of it to a non-blocking terminal, which is often full: people leave in a flood.
fn write_within(terminal: &File, mut bytes: &[u8], patience: Duration) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    while !bytes.is_empty() {
        match rustix::io::write(terminal, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait_for_room(terminal, deadline)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn wait_for_room(terminal: &File, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
    match rustix::event::poll(&mut [PollFd::new(terminal, PollFlags::OUT)], Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A `File` owns its descriptor for as long as it lives: that is all that the unsafe
/// `AsyncFd::register` asks for, and this crate has no unsafe code.
#[allow(deprecated)]
fn watched(terminal: File) -> io::Result<AsyncFd<File>> {
    AsyncFd::new(terminal)
}

fn way_back() -> MutexGuard<'static, Option<WayBack>> {
    WAY_BACK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open() -> io::Result<File> {
    let open = |path: &Path| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags((OFlags::NOCTTY | OFlags::NONBLOCK).bits().cast_signed())
            .open(path)
    };
    open("/dev/tty".as_ref()).or_else(|error| {
        // No controlling terminal (`setsid coven attach …`): the one behind stdin will do.
        let name = termios::ttyname(io::stdin().as_fd(), Vec::new()).map_err(|_| error)?;
        open(Path::new(OsStr::from_bytes(name.as_bytes())))
    })
}
