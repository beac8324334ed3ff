//! Whom a kill is to end, and whether it could see them.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use coven_core::{ProcessFacts, SessionId};
use coven_harness::process::Signalled;
use coven_harness::process::{KillError, is_shim_running, kill_again};
use coven_harness::shim;

use super::Report;
use crate::shared::blocking;

/// What people are told where it could not.
const OUT_OF_VIEW: &str = "its shim lives, and neither that nor what it holds can be seen by this daemon, as from \
                           another container: stop the daemon, and end the session by one that runs where it does";

/// All that there is of a session.
pub(super) struct Aim {
    /// Its first process.
    pub(super) first: ProcessFacts,
    pub(super) session: SessionId,
    /// Who survived earlier kills.
    pub(super) survivors: Vec<Signalled>,
    /// Where its shim has its lock, if one holds it.
    pub(super) shims_folder: Option<PathBuf>,
}

impl Aim {
    /// Ends all of it. That nobody is left is no proof of death while its shim, which has its lock, was not to be
    /// seen either, nor where it cannot be told whether it has.
    pub(super) async fn end(self, grace: Duration) -> Report {
        let Self {
            first,
            session,
            survivors,
            shims_folder,
        } = self;
        let report = kill_again(&first, &session, &survivors, grace).await?;
        let Some(folder) = shims_folder.filter(|_| report.survivors.is_empty()) else {
            return Ok(report);
        };
        match blocking(move || look(&first, &session, &folder)).await {
            Ok(Ok(Shim::Seen | Shim::Dead)) => Ok(report),
            Ok(Ok(Shim::OutOfView)) => Err(KillError::new(io::Error::other(OUT_OF_VIEW))),
            Ok(Err(error)) => Err(KillError::new(error)),
            Err(error) => Err(KillError::new(io::Error::other(error))),
        }
    }
}

/// What is to be seen of a session's shim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shim {
    Seen,
    /// Nobody holds its lock, or there is none to hold: it takes its folder away when it ends.
    Dead,
    /// It has its lock, and is not among the processes that there are to be seen.
    OutOfView,
}

/// What is seen tells, whatever its folder is like; only of one that is not seen its lock is asked.
///
/// # Errors
/// It cannot be told.
fn look(first: &ProcessFacts, session: &SessionId, folder: &Path) -> io::Result<Shim> {
    if is_shim_running(Some(first), session)? {
        return Ok(Shim::Seen);
    }
    match shim::is_dead(folder) {
        Ok(true) => Ok(Shim::Dead),
        Ok(false) => Ok(Shim::OutOfView),
        Err(error) if is_no_folder(&error) => Ok(Shim::Dead),
        Err(error) => {
            let folder = folder.display();
            let message = format!("whether its shim lives cannot be told: {folder}: {error}");
            Err(io::Error::new(error.kind(), message))
        }
    }
}

/// Whether there is no folder, nor anything in one that can be locked.
fn is_no_folder(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::{Command, Stdio};

    use coven_harness::process::boot_id;

    use super::*;

    /// Kills a session of which no process is left, and whose shim has this folder and this id; no process
    /// has the one over any that the kernel gives.
    async fn kill_of(shim: u32, folder: &Path) -> Report {
        let boot_id = boot_id().expect("it has one").to_owned();
        let aim = Aim {
            first: ProcessFacts {
                pid: u32::MAX,
                start_time: u64::MAX,
                boot_id,
                shim_pid: Some(shim),
            },
            session: SessionId::parse("0199a213-81c0-7800-8aa1-bbab2a035a00").expect("an id"),
            survivors: Vec::new(),
            shims_folder: Some(folder.to_owned()),
        };
        aim.end(Duration::ZERO).await
    }

    async fn kill(folder: &Path) -> Report {
        kill_of(u32::MAX, folder).await
    }

    #[tokio::test]
    async fn a_shim_that_is_seen_is_proof_whatever_became_of_its_folder() {
        let home = tempfile::tempdir().expect("a directory");
        let folder = home.path().join("folder");
        fs::create_dir_all(folder.join("lock")).expect("something in the place of its lock");
        kill(&folder).await.expect_err("it is not seen");
        let mut shim = Command::new("cat");
        let mut shim = shim.stdin(Stdio::piped()).spawn().expect("it runs");
        let killed = kill_of(shim.id(), &folder).await;
        drop(shim.stdin.take());
        shim.wait().expect("it ends");
        killed.expect("it is seen");
    }

    #[tokio::test]
    async fn a_kill_is_no_proof_of_death_where_it_cannot_be_read_whether_the_shim_lives() {
        let home = tempfile::tempdir().expect("a directory");
        let folder = home.path().join("folder");
        kill(&folder).await.expect("a shim that is gone is dead");
        fs::create_dir(&folder).expect("a folder");
        kill(&folder).await.expect("nobody has its lock");
        fs::remove_file(folder.join("lock")).expect("whoever looks makes it");
        fs::create_dir(folder.join("lock")).expect("something in its place");
        let unknown = kill(&folder).await.expect_err("that is no lock");
        let told = unknown.source.to_string();
        assert!(told.contains("cannot be told"), "{told}");
        fs::remove_dir_all(&folder).expect("it is ours");
        fs::write(&folder, "").expect("something in its place");
        kill(&folder).await.expect("nothing is locked in a file");
    }
}
