//! Where the shims of a home keep what nobody has taken from them yet: `spools`, with a folder for
//! each session, and how much that may be.

use std::collections::HashSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

use coven_core::SessionId;
use coven_harness::shim::{self, Reach};
use rustix::fs::{Access, AtFlags, CWD, accessat, statvfs};
use rustix::io::Errno;

use crate::home::SPOOLS;
use crate::hosting::Shims;

/// What a spool may take at least, however many there are: enough that a session does not wait for
/// every screen it draws.
const MIN_SPOOL_BYTES: u64 = 1 << 20;

/// The folders of a home's shims.
#[derive(Debug)]
pub(crate) struct Spools {
    directory: PathBuf,
}

impl Spools {
    pub(crate) fn of(home: &Path) -> Self {
        Self {
            directory: home.join(SPOOLS),
        }
    }

    /// Makes the directory that the folders are in, if there is none. Blocks.
    ///
    /// # Errors
    /// Those of making it.
    pub(crate) fn make(&self) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let named = |error: io::Error| {
                    let message = format!("{}: {error}", self.directory.display());
                    io::Error::new(error.kind(), message)
                };
                self.check().map_err(named)
            }
            made => made,
        }
    }

    /// Whether it is a directory that folders can be in. Nothing is kept where a link leads: whoever put
    /// it there would have the terminals' sockets. Blocks.
    ///
    /// # Errors
    /// Those of looking at it, `NotFound` among them; what is wrong with it, and what to do.
    pub(crate) fn check(&self) -> io::Result<()> {
        let refused = |kind, problem| Err(io::Error::new(kind, problem));
        if !fs::symlink_metadata(&self.directory)?.is_dir() {
            let problem = "it is a link, or no directory; move it away";
            return refused(io::ErrorKind::NotADirectory, problem);
        }
        let all = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
        match accessat(CWD, &self.directory, all, AtFlags::EACCESS) {
            Err(Errno::ACCESS) => {
                let problem = "it may not be looked into and written to; make it yours alone again \
                               (`chmod 700`)";
                refused(io::ErrorKind::PermissionDenied, problem)
            }
            // What else there may be is told by whoever uses it.
            _ => Ok(()),
        }
    }

    /// Where the folders are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the session's shim keeps what it has. An id that we made is a file's name; those that
    /// others chose are of sessions without a shim.
    pub(crate) fn folder(&self, session: &SessionId) -> PathBuf {
        self.directory.join(session.as_str())
    }

    /// The sessions that have a folder. Blocks.
    ///
    /// # Errors
    /// Those of listing the directory; `NotADirectory` where it is none.
    pub(crate) fn sessions(&self) -> io::Result<Vec<SessionId>> {
        let entries = match self.check().and_then(|()| fs::read_dir(&self.directory)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut sessions = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| SessionId::parse(name).ok());
            sessions.extend(id);
        }
        Ok(sessions)
    }

    /// How far the spool of a session's shim goes; `None` where there is none. Nothing is changed. Blocks.
    ///
    /// # Errors
    /// Those of looking at it; `NotADirectory` where the folders are in none, or in one that a link names.
    pub(crate) fn reach(&self, session: &SessionId) -> io::Result<Option<Reach>> {
        let mut names = Path::new(session.as_str()).components();
        let is_name = matches!(
            (names.next(), names.next()),
            (Some(Component::Normal(_)), None)
        );
        if !is_name {
            return Ok(None);
        }
        let reached = fs::symlink_metadata(&self.directory).and_then(|found| {
            if found.is_dir() {
                shim::reach(&self.folder(session))
            } else {
                Err(io::ErrorKind::NotADirectory.into())
            }
        });
        match reached {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            reached => reached,
        }
    }

    /// Removes the folders of these that are empty: of launches that never came to be on record, or whose shim has
    /// taken away all else. Blocks. Gives the others.
    pub(crate) fn remove_empty(&self, sessions: HashSet<SessionId>) -> Vec<SessionId> {
        let is_left = |session: &SessionId| fs::remove_dir(self.folder(session)).is_err();
        sessions.into_iter().filter(is_left).collect()
    }

    /// How much each spool may take, with so many sessions. It changes only with every doubling of
    /// their number or of what is free, so that a new one, or a few bytes, are not news to all. Blocks.
    pub(crate) fn share(&self, shims: &Shims, sessions: usize) -> u64 {
        let free = statvfs(&self.directory).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        let all = free
            .map_or(u64::MAX, |free| free / 10)
            .min(shims.all_spools_bytes);
        share(shims.spool_bytes, all, sessions)
    }
}

fn share(each: u64, all: u64, sessions: usize) -> u64 {
    let sessions = u64::try_from(sessions.max(1).next_power_of_two()).unwrap_or(u64::MAX);
    match all / sessions {
        share if share >= each => each.max(MIN_SPOOL_BYTES),
        // The power of two that it has.
        share => 1 << share.max(MIN_SPOOL_BYTES).ilog2(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: u64 = 256 << 20;
    const ALL: u64 = 2 << 30;

    #[test]
    fn few_sessions_have_all_that_one_may_take() {
        for sessions in 0..=8 {
            assert_eq!(share(EACH, ALL, sessions), EACH);
        }
    }

    #[test]
    fn all_together_never_take_more_than_all_may_while_each_has_the_least() {
        for sessions in 9..=2048 {
            let share = share(EACH, ALL, sessions);
            assert!(share * sessions as u64 <= ALL, "{sessions}: {share}");
        }
        assert_eq!(share(EACH, ALL, 1_000_000), MIN_SPOOL_BYTES);
    }

    #[test]
    fn it_is_the_same_while_a_disk_that_has_little_left_fills_up() {
        let almost_full = (1_030..=1_100).map(|mib| share(EACH, mib << 20, 10));
        assert_eq!(almost_full.collect::<HashSet<_>>().len(), 1);
    }
}
