//! How a session's end is told: as an exit status, and in words.

use coven::OrphanReason;
use coven_http::wire::{SessionRecord, Status};

use crate::exit::Exit;

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
    ];
    let known = words.iter().find(|(reason, _)| reason.as_str() == code);
    known.map_or(code, |(_, words)| words).to_owned()
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
