//! `HomeStanding`: whether a daemon's home is still there, and its socket in it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use crate::SOCKET_NAME;
use crate::home_watch::HomeWatch;
use crate::socket;

/// How long a home that is being changed is left alone before it is looked at, and how long after
/// a look that could not tell the next one is: a home that is being removed loses one file after
/// the other.
const SETTLING: Duration = Duration::from_secs(1);

/// How a home stands.
#[derive(Debug)]
pub(crate) enum Standing {
    /// It is there, and so is something where its socket was.
    Whole,
    /// It is there, but nobody can reach its daemon: nothing is where the socket was.
    SocketGone,
    /// It is not there, or another directory is in its place.
    Gone,
    /// It cannot be looked at, and may well be there: nobody is to end for this.
    Unknown {
        /// What the system says.
        error: io::Error,
    },
}

/// Looks at a home whenever something in it was changed.
#[derive(Debug)]
pub(crate) struct HomeStanding {
    home: PathBuf,
    identity: Identity,
    watch: Option<HomeWatch>,
    /// When it is to be looked at, if it is.
    look_at: Option<Instant>,
    /// A look that is being taken.
    looking: Option<JoinHandle<Standing>>,
    /// Whether the last look could not tell.
    is_unknown: bool,
}

/// Which directory it is: device and inode.
type Identity = (u64, u64);

impl HomeStanding {
    /// Of the home as it is now. It is looked at once in any case: what changed before is not
    /// known. Call it within a tokio runtime; it blocks for a few system calls.
    ///
    /// # Errors
    /// When the home cannot be looked at.
    pub(crate) fn of(home: PathBuf) -> io::Result<Self> {
        let watch = HomeWatch::open(&home)
            .inspect_err(|error| tracing::warn!(%error, "the home cannot be watched"))
            .ok();
        Ok(Self {
            identity: identity(&home)?,
            home,
            watch,
            look_at: Some(Instant::now()),
            looking: None,
            is_unknown: false,
        })
    }

    /// Waits until something in the home was changed and it is quiet again, and tells how it
    /// stands then. That it cannot be looked at is told once; it is then looked at again until it
    /// can. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Standing {
        loop {
            if let Some(looking) = &mut self.looking {
                let standing = looking.await.unwrap_or_else(|error| Standing::Unknown {
                    error: io::Error::other(error),
                });
                self.looking = None;
                let was_unknown = self.is_unknown;
                self.is_unknown = matches!(standing, Standing::Unknown { .. });
                if self.is_unknown {
                    self.look_at = Some(Instant::now() + SETTLING);
                    if was_unknown {
                        continue;
                    }
                }
                return standing;
            }
            let look_at = self.look_at;
            tokio::select! {
                () = self.changed() => self.look_at = Some(Instant::now() + SETTLING),
                () = passed(look_at) => {
                    self.look_at = None;
                    let (home, identity) = (self.home.clone(), self.identity);
                    self.looking = Some(spawn_blocking(move || look(&home, identity)));
                }
            }
        }
    }

    /// Has it looked at again in a while, though nothing may change.
    pub(crate) fn look_again(&mut self) {
        self.look_at = Some(Instant::now() + SETTLING);
    }

    async fn changed(&mut self) {
        if let Some(watch) = &mut self.watch {
            match watch.changed().await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, "the home is no longer watched"),
            }
        }
        self.watch = None;
        std::future::pending::<()>().await;
    }
}

fn look(home: &Path, expected: Identity) -> Standing {
    match identity(home) {
        Ok(found) if found != expected => Standing::Gone,
        Ok(_) if socket::is_gone(&home.join(SOCKET_NAME)) => Standing::SocketGone,
        Ok(_) => Standing::Whole,
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Standing::Gone,
            _ => Standing::Unknown { error },
        },
    }
}

fn identity(directory: &Path) -> io::Result<Identity> {
    fs::symlink_metadata(directory).map(|found| (found.dev(), found.ino()))
}

async fn passed(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_a_home_that_is_not_there_or_another_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let (outer, aside) = (dir.path().join("outer"), dir.path().join("aside"));
        let home = outer.join("home");
        fs::create_dir_all(&home).unwrap();
        let ours = identity(&home).unwrap();
        assert!(matches!(look(&home, ours), Standing::SocketGone));
        fs::write(home.join(SOCKET_NAME), "").unwrap();
        assert!(matches!(look(&home, ours), Standing::Whole));
        fs::rename(&outer, &aside).unwrap();
        assert!(matches!(look(&home, ours), Standing::Gone));
        fs::write(&outer, "a file").unwrap();
        assert!(matches!(look(&home, ours), Standing::Gone));
        fs::remove_file(&outer).unwrap();
        symlink("outer", &outer).unwrap();
        let standing = look(&home, ours);
        assert!(matches!(standing, Standing::Unknown { .. }), "{standing:?}");
        fs::remove_file(&outer).unwrap();
        fs::create_dir_all(&home).unwrap();
        assert!(matches!(look(&home, ours), Standing::Gone));
    }
}
