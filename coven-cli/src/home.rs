//! `Home`: the directory that holds everything of one Coven, and what each file in it is.
//! `docs/home.md` describes them all.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags};

use crate::config::Origin;
use crate::exit::Exit;
use crate::failure::Failure;

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
        self.dir.join("coven.sock")
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

    /// Creates the directory if it is missing, readable by its owner only. The engine checks it
    /// further before it trusts it.
    ///
    /// # Errors
    /// When it cannot be made, is no directory of its own, or belongs to somebody else.
    pub(crate) fn create(&self) -> Result<(), Failure> {
        let wrong = |problem: &str| {
            Failure::failed(format!(
                "the home {} {problem}; set COVEN_HOME to a directory of your own",
                self.dir.display()
            ))
        };
        match DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
        {
            Ok(()) => {}
            Err(error) => return Err(wrong(&format!("cannot be created: {error}"))),
        }
        let metadata = std::fs::symlink_metadata(&self.dir)
            .map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        if metadata.is_symlink() {
            return Err(wrong("is a symlink"));
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(wrong("belongs to another user"));
        }
        Ok(())
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
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(&path)?;
            rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))?;
            Ok(file)
        };
        lock().map_err(|error| {
            Failure::new(
                Exit::Unreachable,
                format!("{} cannot be locked: {error}", path.display()),
            )
        })
    }
}
