//! How a session's end is told: as an exit status, and in words.

use coven::OrphanReason;
use coven_http::client::{Client, EventsQuery};
use coven_http::wire::{self, Payload, SessionRecord, Status};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::text::one_line;

/// What is known of how a session ended, or did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Its status.
    pub(crate) status: Status,
    /// What its process returned.
    pub(crate) exit_code: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
}

/// The signal that a kill begins with, where none is on record.
const TERMINATE: u8 = 15;

impl Ending {
    /// As the record has it.
    pub(crate) const fn of(record: &SessionRecord) -> Self {
        Self {
            status: record.status,
            exit_code: record.exit_code,
            signal: record.exit_signal,
        }
    }

    /// The exit status of a command that showed the session until here.
    pub(crate) fn exit(self) -> Exit {
        let signal = self.signal.and_then(|signal| u8::try_from(signal).ok());
        let code = self.exit_code.and_then(|code| u8::try_from(code).ok());
        match (self.status, code, signal) {
            (Status::Created | Status::Running, _, _) => Exit::Detached,
            (Status::Orphaned, _, _) => Exit::Orphaned,
            (Status::Killed, _, signal) => Exit::Signal {
                signal: signal.unwrap_or(TERMINATE),
            },
            (Status::Completed | Status::Idle | Status::Failed, Some(code), _) => {
                Exit::Harness { code }
            }
            (Status::Failed, None, Some(signal)) => Exit::Signal { signal },
            (Status::Failed, None, None) => Exit::LaunchFailed,
            (Status::Completed | Status::Idle, None, _) => Exit::Done,
        }
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status = self.status.as_str();
        match (self.exit_code, self.signal) {
            (Some(0), _) | (None, None) => f.write_str(status),
            (Some(code), _) => write!(f, "{status} with status {code}"),
            (None, Some(signal)) => write!(f, "{status} by signal {signal}"),
        }
    }
}

/// An orphan's reason in words; the code itself where a newer daemon has another.
pub(crate) fn lost_because(code: &str) -> String {
    let words = [
        (OrphanReason::EngineDied, "its daemon died while it ran"),
        (OrphanReason::Reboot, "the machine restarted while it ran"),
        (
            OrphanReason::Shutdown,
            "its daemon was stopped and could not end it in time",
        ),
        (
            OrphanReason::LaunchInterrupted,
            "its daemon died while it was being started",
        ),
        (
            OrphanReason::Imported,
            "it ran when it was exported, and was imported like that",
        ),
        (
            OrphanReason::ShimDied,
            "the process that held its terminal died while it ran",
        ),
    ];
    let known = words.iter().find(|(reason, _)| reason.as_str() == code);
    known.map_or(code, |(_, words)| words).to_owned()
}

/// What became of a session, in a sentence, where its exit status alone does not say it: it was
/// lost, killed, ended by a signal, or never ran.
///
/// # Errors
/// When the daemon cannot say.
pub(crate) async fn told(
    client: &Client,
    record: &SessionRecord,
) -> Result<Option<String>, Failure> {
    let id = &record.id;
    let ending = Ending::of(record);
    Ok(match ending.exit() {
        Exit::Orphaned => {
            let code = record.orphan_reason.as_deref();
            let reason = one_line(&code.map_or("the reason is not known".to_owned(), lost_because));
            Some(format!(
                "session {id} was lost: {reason}; how it ended is not known"
            ))
        }
        Exit::LaunchFailed => {
            let reason = why_it_never_ran(client, record).await?;
            let reason = reason.map(|reason| format!(": {}", one_line(&reason)));
            Some(format!(
                "session {id} could not be started{}",
                reason.unwrap_or_default()
            ))
        }
        Exit::Signal { signal } => Some(match record.status {
            Status::Killed if ending.signal.is_none() => format!("session {id} was killed"),
            Status::Killed => format!("session {id} was killed, by signal {signal}"),
            Status::Created
            | Status::Running
            | Status::Idle
            | Status::Completed
            | Status::Failed
            | Status::Orphaned => {
                format!("session {id} was ended by signal {signal}, which Coven did not send")
            }
        }),
        Exit::Done
        | Exit::Failed
        | Exit::Usage
        | Exit::Damaged
        | Exit::Detached
        | Exit::Unreachable
        | Exit::NotFound
        | Exit::Refused
        | Exit::Harness { .. } => None,
    })
}

/// Says of a session that is to be followed why nothing may come of it for now.
pub(crate) fn tell_out_of_reach(record: &SessionRecord) {
    if let Some(why) = out_of_reach(record) {
        output::complain(&format!(
            "coven: session {} is out of reach: {why}",
            record.id
        ));
    }
}

/// Why a session is out of reach, with the word for it; `None` where nothing is seen of that.
pub(crate) fn out_of_reach(record: &SessionRecord) -> Option<String> {
    let why = one_line(record.out_of_reach.as_deref()?);
    Some(match &record.out_of_reach_reason {
        Some(reason) => format!("{why} ({})", one_line(reason)),
        // Its daemon is older than that word.
        None => why.to_string(),
    })
}

/// Why a session's process never ran, as its exit event says; `None` for any other session.
///
/// # Errors
/// When the daemon cannot say.
pub(crate) async fn why_it_never_ran(
    client: &Client,
    record: &SessionRecord,
) -> Result<Option<String>, Failure> {
    let exit = never_ran(client, record).await?;
    Ok(exit.and_then(|exit| exit.reason))
}

/// The exit event of a session whose process never ran; `None` for any other session.
///
/// # Errors
/// When the daemon cannot say.
pub(crate) async fn never_ran(
    client: &Client,
    record: &SessionRecord,
) -> Result<Option<wire::Exit>, Failure> {
    if Ending::of(record).exit() != Exit::LaunchFailed {
        return Ok(None);
    }
    let mut query = EventsQuery::default();
    loop {
        let page = client.events(&record.id, query).await?;
        for event in &page.events {
            if let Payload::Exit(exit) = event.payload() {
                return Ok(Some(exit));
            }
        }
        match page.next_cursor {
            Some(cursor) if page.has_more => query.after_seq = Some(cursor.after_seq),
            _ => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(status: Status, exit_code: Option<i32>, signal: Option<i32>) -> u8 {
        let ending = Ending {
            status,
            exit_code,
            signal,
        };
        ending.exit().status()
    }

    #[test]
    fn the_harnesss_own_status_is_ours() {
        for code in [0, 1, 7, 255] {
            assert_eq!(i32::from(exit(Status::Failed, Some(code), None)), code);
        }
        assert_eq!(exit(Status::Completed, Some(0), None), 0);
        assert_eq!(exit(Status::Idle, Some(0), None), 0);
    }

    #[test]
    fn a_signal_is_128_and_its_number() {
        assert_eq!(exit(Status::Failed, None, Some(9)), 137);
        assert_eq!(exit(Status::Killed, None, Some(1)), 129);
        assert_eq!(exit(Status::Killed, None, None), 143);
    }

    #[test]
    fn what_has_no_status_of_its_own_has_a_distinct_one() {
        assert_eq!(exit(Status::Running, None, None), 120);
        assert_eq!(exit(Status::Orphaned, None, None), 121);
        assert_eq!(exit(Status::Failed, None, None), 125);
    }
}
