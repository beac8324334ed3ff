//! `Home`: the directory that holds everything of one Coven, and what each file in it is.
//! `docs/home.md` describes them all.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use coven::OpenError;
use coven::home::{Found, SPOOLS};
use coven_http::SOCKET_NAME;
use rustix::fs::{FlockOperation, OFlags};

use crate::config::Origin;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Where a home is. Nothing in it is looked at until it is needed.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    dir: PathBuf,
    origin: Origin,
}

impl Home {
    /// The home that `flag`, else `$COVEN_HOME`, else `$HOME/.coven` names.
    ///
    /// # Errors
    /// When none of them says anything.
    pub(crate) fn find(flag: Option<&Path>) -> Result<Self, Failure> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let (dir, origin) = if let Some(dir) = flag {
            (dir.to_owned(), Origin::Flag { flag: "--home" })
        } else if let Some(dir) = set("COVEN_HOME") {
            (PathBuf::from(dir), Origin::Env { name: "COVEN_HOME" })
        } else if let Some(user) = set("HOME") {
            (Path::new(&user).join(".coven"), Origin::Default)
        } else {
            return Err(Failure::usage(
                "neither HOME nor COVEN_HOME is set, so there is no place for Coven's home; set one",
            ));
        };
        let dir = std::path::absolute(&dir)
            .map_err(|error| Failure::usage(format!("{} is no path: {error}", dir.display())))?;
        // Without a slash at its end, which would have a link followed.
        let dir = dir.components().collect();
        Ok(Self { dir, origin })
    }

    /// A home at a path of our own choosing.
    pub(crate) fn at(dir: PathBuf) -> Self {
        Self {
            dir,
            origin: Origin::Default,
        }
    }

    /// The directory, absolute.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What named it.
    pub(crate) const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The daemon's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join(SOCKET_NAME)
    }

    /// The configuration; it need not exist.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.dir.join("config.toml")
    }

    /// The daemon's log.
    pub(crate) fn daemon_log(&self) -> PathBuf {
        self.dir.join("daemon.log")
    }

    /// Where people declare harnesses of their own.
    pub(crate) fn harnesses(&self) -> PathBuf {
        self.dir.join("harnesses")
    }

    /// Whether a session was ever run here: there is something of a log, or there was one that is gone,
    /// which whoever opens the home is told.
    pub(crate) fn had_log(&self) -> bool {
        coven::home::has_log(&self.dir) || coven::home::is_log_lost(&self.dir)
    }

    /// Where shims have their folders.
    pub(crate) fn spools(&self) -> PathBuf {
        self.dir.join(SPOOLS)
    }

    /// Creates the directory if it is missing, readable by its owner only, and checks it.
    ///
    /// # Errors
    /// As [`Home::check`]; and when it cannot be made.
    pub(crate) fn make(&self) -> Result<(), Failure> {
        Self::checked(coven::home::make(&self.dir))
    }

    /// Makes sure that nobody else can have put anything into the home, if there is one: before
    /// its socket or its files are trusted.
    ///
    /// # Errors
    /// When it is no directory of its own, or belongs to somebody else.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        Self::checked(coven::home::check(&self.dir))
    }

    fn checked(found: Result<Found, OpenError>) -> Result<(), Failure> {
        match found {
            Ok(Found::Missing | Found::Private) => Ok(()),
            Ok(Found::WasOpen) => {
                output::complain("coven: the home was open to other users; its mode is 0700 now");
                Ok(())
            }
            Err(error) => Err(Failure::failed(format!(
                "the home {error}; set COVEN_HOME, or --home, to a directory of your own"
            ))),
        }
    }

    /// Waits until no process has the home open.
    pub(crate) async fn free(&self) {
        let (tell, told) = tokio::sync::oneshot::channel();
        let dir = self.dir.clone();
        // Of its own: nobody waits for this thread when the command ends.
        std::thread::spawn(move || {
            // A lock that cannot be opened is for the daemon to complain of.
            let _ = coven::home::wait_until_free(&dir);
            let _ = tell.send(());
        });
        let _ = told.await;
    }

    /// Takes the lock that lets one process at a time start a daemon; blocks until it is free.
    /// Dropping the file lets go of it.
    ///
    /// # Errors
    /// When the lock's file cannot be opened.
    pub(crate) fn lock_start(&self) -> Result<File, Failure> {
        let path = self.dir.join("start.lock");
        let lock = || -> io::Result<File> {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
                .open(&path)?;
            rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))?;
            Ok(file)
        };
        lock().map_err(|error| {
            let what_to_do = match error.kind() {
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                    ": what is recorded in a home that may not be written to is read with `--offline`"
                }
                _ => "",
            };
            let path = path.display();
            Failure::new(
                Exit::Unreachable,
                format!("no daemon can be started, since {path} cannot be locked: {error}{what_to_do}"),
            )
        })
    }
}
