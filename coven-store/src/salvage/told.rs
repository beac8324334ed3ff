//! What is told of a salvage.

use coven_core::SessionId;

use super::Untied;

/// What was salvaged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Sessions in the new log.
    pub sessions: u64,
    /// Events that are there as they were.
    pub events: u64,
    /// Events that [`inspect`](crate::inspect()) reads and that are in the new log no more, as nobody is to read
    /// them: output that was trimmed, and what sessions had that were deleted last of all.
    pub let_go: u64,
    /// Some of the newest part of the log could not be read: what was recorded last, of whatever
    /// sessions, is missing beside what is told of each.
    pub newest_is_lost: bool,
    /// Events that were lost before that, and nothing that is left says whose they were. Sessions may lack
    /// them beside what is told of each: one that seems to run may have ended.
    pub untied: Untied,
    /// Sessions of which nothing is left, not even their names: how many there were at least.
    pub untraced: u64,
    /// What was found and is no session in the new log, since others have its places.
    pub set_aside: Vec<SetAside>,
    /// The sessions that are not as they were, and what became of each.
    pub changed: Vec<Changed>,
}

/// A session that lost something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its id; one that says so where even that was lost, or is another session's as well.
    pub session: SessionId,
    /// Events that are there as they were.
    pub kept_events: u64,
    /// Events that are gone, where that can be told: of a session that was trimmed it cannot, nor of any
    /// where some of the newest part of the log could not be read, or events were lost of nobody knows whom.
    pub lost_events: Option<u64>,
    /// Bytes of output that are gone. Those that come before other output are stood for by as many others.
    /// How many came after the last output that is left is known where the session's record is whole, but
    /// for what was not folded yet.
    pub lost_output_bytes: u64,
    /// What stands for what was lost: the kinds of events, and how many of each.
    pub stand_ins: Vec<(&'static str, u64)>,
    /// Events that are whole and could not follow on what is left, or whose places are another session's.
    pub left_out: u64,
}

/// What was found of a slot from which the log went on with other sessions' events: what an import wrote that came to
/// nothing, as a rule. A place is given once, so one of the two never was of the log, and this one has less that
/// speaks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The id that it was to have, where that is known.
    pub session: Option<SessionId>,
    /// Its slot, which no session will have.
    pub slot: u64,
    /// Events that were found of it.
    pub events: u64,
}
