//! Reaching a session's shim: it is adopted, or it is dead and what it left is taken.

#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use coven_core::{ProcessFacts, SessionId};
use coven_harness::process::{boot_id, in_this_boot, is_running, is_shim_running};
use coven_harness::shim::{self, AdoptError, Child, Found, Leftover, Lost, Remains, SOCKET};
use tokio::time::{Instant, sleep};

use super::closing::end_shim;
use crate::out_of_reach::{Amiss, Encounter, OutOfReach};
use crate::shared::blocking;

/// The wait between the first two attempts; it doubles with each. A shim that is about to listen
/// needs less, one that is stopped or of another version may never be reached.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest such wait.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// How long a folder may be gone of a session whose process has ended, before its shim is ended: nobody
/// else will come for it.
const ABANDONED: Duration = Duration::from_secs(10);

/// Where a session's shim is.
pub(crate) enum Reached {
    /// It lives, and gives all the records that it still has.
    Alive(Child),
    /// It is dead.
    Dead {
        /// The records that it left.
        left: Leftover,
        /// The folder that they are in.
        remains: Box<Remains>,
    },
    /// Its folder is not there, and nothing is known that lives: it has none, or somebody removed it.
    Missing,
}

/// Reaches the shim that has its folder here, however long that takes; while it or the session's
/// `process` lives, also where the folder is gone: who moved it away may put it back. Nothing is done to
/// the session; but where its process has ended, its shim, which nobody can reach, is ended once the
/// folder was gone for [`ABANDONED`].
pub(crate) async fn reach(
    folder: PathBuf,
    session: SessionId,
    process: Option<ProcessFacts>,
    encounter: &Encounter,
) -> Reached {
    let mut pause = FIRST_PAUSE;
    let mut told = String::new();
    let mut gone_since = None;
    loop {
        let reached = match try_to_reach(&folder, &session, encounter).await {
            Ok(Reached::Missing) if lives(&session, process.as_ref()).await => {
                let gone_since = *gone_since.get_or_insert_with(Instant::now);
                if let Some(process) = &process
                    && gone_since.elapsed() >= ABANDONED
                {
                    end_shim(process.clone(), &session).await;
                }
                let why = format!("its folder {} is gone: put it back", folder.display());
                Err(Amiss::FolderGone.because(why))
            }
            reached => {
                gone_since = None;
                reached
            }
        };
        let met = match reached {
            Ok(reached) => return reached,
            Err(met) => met,
        };
        let problem = &met.why;
        let is_early = pause < MAX_PAUSE && !met.what.is_lasting();
        if is_early || *problem == told {
            tracing::debug!(%session, %problem, "a shim is not reached yet");
        } else {
            tracing::error!(%session, %problem, "a shim cannot be reached; it is tried on");
            told.clone_from(problem);
        }
        encounter.met(met);
        sleep(pause).await;
        pause = longer(pause);
    }
}

/// Whether a session lives for which a shim was made: its first process, or the shim. One whose process
/// is not on record lives as long as its shim does.
pub(crate) async fn lives(session: &SessionId, process: Option<&ProcessFacts>) -> bool {
    let had_none = process.is_some_and(|process| process.shim_pid.is_none());
    if had_none {
        return false;
    }
    let (session, process) = (session.clone(), process.cloned());
    // Who cannot be looked for is not proven to be gone.
    let look = move || {
        process.as_ref().is_some_and(is_running)
            || is_shim_running(process.as_ref(), &session).unwrap_or(true)
    };
    blocking(look).await.unwrap_or(true)
}

/// A session's first process as it is known in this boot, where its shim lives: that may have another name for
/// the boot, and is a better proof than any name.
pub(crate) async fn known_here(process: ProcessFacts, session: &SessionId) -> ProcessFacts {
    if boot_id().is_ok_and(|boot| boot == process.boot_id) {
        return process;
    }
    let (recorded, id) = (process.clone(), session.clone());
    match blocking(move || in_this_boot(&recorded, &id)).await {
        Ok(Ok(Some(here))) => {
            tracing::warn!(%session, recorded = %process.boot_id, "its shim lives under another boot id");
            here
        }
        // It is not seen from here.
        _ => process,
    }
}

/// The pause after one of this length.
pub(super) fn longer(pause: Duration) -> Duration {
    (pause * 2).clamp(FIRST_PAUSE, MAX_PAUSE)
}

async fn try_to_reach(
    folder: &Path,
    session: &SessionId,
    encounter: &Encounter,
) -> Result<Reached, OutOfReach> {
    let shown = folder.display();
    let not_looked_into = |error: &dyn Display| {
        Amiss::FolderUnreadable
            .because(format!("its folder {shown} cannot be looked into: {error}"))
    };
    let wanted = folder.to_owned();
    let look = move || -> io::Result<_> {
        match shim::look(&wanted)? {
            Found::Alive | Found::Starting => Ok(None),
            Found::Dead(remains) => Ok(Some((remains.records()?, remains))),
        }
    };
    let found = blocking(look)
        .await
        .map_err(|error| not_looked_into(&error))?;
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Reached::Missing),
        Err(error) => Err(not_looked_into(&error)),
        Ok(Some((left, remains))) => Ok(Reached::Dead { left, remains }),
        Ok(None) => {
            encounter.shim_lives();
            let adopted = shim::adopt_all(folder, session).await;
            adopted
                .map(Reached::Alive)
                .map_err(|error| not_adopted(&error, folder))
        }
    }
}

/// What an attempt met that found a shim, and did not get its records.
fn not_adopted(error: &AdoptError, folder: &Path) -> OutOfReach {
    let shown = folder.display();
    match error {
        AdoptError::Unreachable { source }
            if source.kind() == io::ErrorKind::ConnectionRefused =>
        {
            Amiss::SocketRefused.because(format!(
                "nobody listens at {shown}/{SOCKET}: put the socket of its shim back, or `coven kill` \
                 ends the session"
            ))
        }
        AdoptError::NoSocket => Amiss::SocketReplaced.because(format!(
            "{shown}/{SOCKET} is no socket: put that of its shim back, or `coven kill` ends the session"
        )),
        AdoptError::Silent => Amiss::SocketSilent.because(format!(
            "whoever listens at {shown}/{SOCKET} says nothing: its shim is held up, or something else listens \
             there: put the socket of its shim back, or `coven kill` ends the session"
        )),
        AdoptError::OtherSession => Amiss::SocketReplaced.because(format!(
            "{shown}/{SOCKET} is the socket of another session's shim: put that of its own back, or \
             `coven kill` ends the session"
        )),
        AdoptError::Version { .. } => Amiss::ShimVersion.because(format!(
            "{error}: have a daemon of its version go on with it, or `coven kill` ends the session"
        )),
        AdoptError::Unread => not_read_back(Lost::Gone, folder),
        AdoptError::Unreachable { .. } | AdoptError::NoSuchRecord { .. } | AdoptError::Lost(_) => {
            Amiss::ShimUnreachable.because(format!("{error}; `coven kill` ends the session"))
        }
    }
}

/// What a connection met that was lost while the shim gave its records: of what it wrote down, which it
/// reads back for that.
pub(super) fn not_read_back(lost: Lost, folder: &Path) -> OutOfReach {
    let what = match lost {
        Lost::Gone => "its shim cannot read back what it has written down",
        Lost::Nonsense => "what its shim reads back is not what it has written down",
    };
    Amiss::SpoolDamaged.because(format!(
        "{what}: a file of its spool in {} was emptied, cut short, overwritten or made unreadable; mend \
         it, or `coven kill` ends the session; what was only there is lost",
        folder.display()
    ))
}
