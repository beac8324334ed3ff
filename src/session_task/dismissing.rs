//! Letting go of shims whose sessions are over and on record: the engine before died between the
//! last event and its word to the shim. One that does not end by itself is ended, once its process is gone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use coven_core::{Event, Seq, SessionId};
use coven_harness::shim::{Child, Record};
use coven_store::ReadLimit;
use tokio::time::timeout;

use super::bookmark;
use super::process::{Reached, end_shim, reach};
use crate::out_of_reach::Encounters;
use crate::shared::{Shared, blocking};

/// How long a shim may take to say all it has and to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why one is left that has what the log has not.
const MORE: &str = "it has output that is not on record: look at its folder, and remove it";

/// The same, where that cannot be told.
const DAMAGED: &str = "its spool is damaged: look at it, and remove it";

/// Lets go of them one after the other. A folder whose session is not on record is left alone: it
/// may be of a log that somebody put elsewhere.
pub(super) async fn all(shared: &Shared, sessions: Vec<SessionId>) {
    for session in sessions {
        let output_bytes = match shared.record(&session).await {
            Ok(record) if record.session.phase.has_ended() => record.session.output_bytes,
            Ok(_) => continue,
            // Nothing of it is to be kept.
            Err(_) if was_deleted(shared, &session).await => u64::MAX,
            Err(error) => {
                tracing::warn!(%session, %error, "a shim's folder is of no session on record");
                continue;
            }
        };
        let folder = shared.spools.folder(&session);
        let mut dismissed = in_time(&folder, &session, output_bytes).await;
        if dismissed.is_err() && end(shared, &session).await {
            dismissed = in_time(&folder, &session, output_bytes).await;
        }
        match dismissed {
            Ok(()) => tracing::info!(%session, "a shim was let go"),
            Err(problem) => tracing::warn!(%session, %problem, "a shim is left, or what it has"),
        }
    }
}

async fn was_deleted(shared: &Shared, session: &SessionId) -> bool {
    let id = session.clone();
    let deleted = shared.read(move |store| store.was_deleted(&id));
    deleted.await.unwrap_or(false)
}

/// Lets go of the shim of a session with so much output on record, if that can be in time.
///
/// # Errors
/// Why it is left, or what it has, for people.
pub(super) async fn in_time(
    folder: &Path,
    session: &SessionId,
    output_bytes: u64,
) -> Result<(), String> {
    let one = one(folder.to_owned(), session, output_bytes);
    let late = |_| "it does not end".to_owned();
    timeout(PATIENCE, one).await.map_err(late)?
}

/// Ends a shim that does not end by itself, of a session whose process is gone. What it has stays in its
/// folder. True if there was one.
async fn end(shared: &Shared, session: &SessionId) -> bool {
    let id = session.clone();
    let events = shared.read(move |store| store.read(&id, Seq::ZERO, ReadLimit::default()));
    let events = events.await.unwrap_or_default();
    let process = events
        .into_iter()
        .find_map(|envelope| match envelope.event {
            Event::Started { process, .. } => Some(process),
            _ => None,
        });
    let Some(process) = process else {
        return false;
    };
    end_shim(process, session).await
}

/// Lets go of the shim of a session with so much output on record. One that has more, as where its
/// folder was out of reach when its session was found to be lost, is left with it.
async fn one(folder: PathBuf, session: &SessionId, output_bytes: u64) -> Result<(), String> {
    // It is over: nobody asks what is met.
    let encounter = Encounters::default().of(session.clone());
    match reach(folder.clone(), session.clone(), None, &encounter).await {
        Reached::Alive(child) => {
            bookmark::remove(&folder).await;
            dismiss(child, output_bytes).await
        }
        Reached::Dead { mut left, remains } => {
            let removed = blocking(move || {
                let why_not = left.find_map(|recorded| match recorded {
                    Ok(recorded) => has_more(&recorded.record, output_bytes).then_some(MORE),
                    Err(_) => Some(DAMAGED),
                });
                match why_not {
                    Some(why_not) => Err(why_not.to_owned()),
                    None => remains.remove().map_err(|error| error.to_string()),
                }
            });
            removed.await.map_err(|error| error.to_string())?
        }
        Reached::Missing => Ok(()),
    }
}

/// Whether this is of output that is not on record.
fn has_more(record: &Record, output_bytes: u64) -> bool {
    matches!(record, Record::Output { offset, bytes, .. }
        if offset.saturating_add(bytes.len() as u64) > output_bytes)
}

/// Hears all that a shim has, and closes it, as soon as its session is over for it, too. It may have forgotten
/// what is on record, the end included.
async fn dismiss(child: Child, output_bytes: u64) -> Result<(), String> {
    let Child {
        mut records,
        control,
        newest,
        ..
    } = child;
    let mut has_all = newest.is_none();
    // Refused while more is to come.
    while !(has_all && control.close().await.is_ok()) {
        let recorded = records.next().await.map_err(|lost| lost.to_string())?;
        if has_more(&recorded.record, output_bytes) {
            return Err(MORE.to_owned());
        }
        control.ack(recorded.number);
        has_all |= newest <= Some(recorded.number);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session_task::made_up_shim::MadeUpShim;

    #[tokio::test]
    async fn a_shim_that_has_forgotten_all_that_is_on_record_is_let_go_without_a_wait() {
        let session = SessionId::parse("one").unwrap();
        let mut shim = MadeUpShim::of(&session, 5, Vec::new());
        assert_eq!(in_time(shim.folder(), &session, 7).await, Ok(()));
        assert_eq!(shim.acked().await, None);
    }
}
