//! What is found.

use std::collections::BTreeMap;
use std::fmt;

use coven_core::{Seq, SessionId};

use crate::raw::BadPage;
use crate::salvage::{SetAside, Untied};

/// Findings that are told one by one. More help nobody, and a file of noise could have any number.
const MAX_TOLD: usize = 1000;

/// What an inspection of a log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Sessions that are there: not those that were deleted.
    pub sessions: u64,
    /// Events that were read.
    pub events: u64,
    /// What is not as it should be, in the order it was met, a thousand at most. Empty: all is well.
    pub problems: Vec<Finding>,
    /// How many more there are.
    pub untold: u64,
    /// The sessions that are not all there for whoever reads the log as it is: how many events of
    /// each cannot be read, where that can be told.
    pub unreadable: BTreeMap<SessionId, Option<u64>>,
    /// The sessions that lost events whatever is done: those that a salvage does not bring back
    /// whole, and how many events each lacks then, where that can be told.
    pub lost: BTreeMap<SessionId, Option<u64>>,
    /// What was recorded last cannot all be read: any session may lack its newest events, and a
    /// salvage does not know which.
    pub newest_is_lost: bool,
    /// Events that were lost before that, and a salvage does not know of which sessions.
    pub untied: Untied,
    /// What a salvage finds and takes for no session's, since others have its places.
    pub set_aside: Vec<SetAside>,
    /// The events that were read, from the first to the last of each run of them.
    pub(super) read: Vec<(u64, u64)>,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which file.
    pub file: LogFile,
    /// In which table, where it is in one.
    pub table: Option<&'static str>,
    /// Where there: a key, or a place in the file.
    pub place: Option<String>,
    /// Which session it concerns, where it is one and that is known.
    pub session: Option<SessionId>,
    /// Which events are within: from the first to the last, both included. Events of other
    /// sessions may be in between.
    pub seqs: Option<(Seq, Seq)>,
    /// What is wrong.
    pub problem: String,
    /// What is lost by it.
    pub loss: Loss,
}

/// One of a log's two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogFile {
    /// What was folded.
    Cold,
    /// What was not folded yet.
    Journal,
}

/// What is lost by some damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// Nothing: it follows from the events, and can be made anew.
    Nothing,
    /// The events in that place.
    Events,
    /// One commit: the events in it, of whatever sessions.
    Commit,
    /// The last commit: nothing that was acknowledged, if the power failed as it was made.
    LastCommit,
    /// What was recorded last, and nobody knows what that was.
    Newest,
    /// Nothing, and the log is not opened as it is.
    Unopened,
    /// Nothing, and a fold that needs it stops.
    Unfolded,
    /// Whatever was there, so far as nothing else that is told says more.
    Rows,
    /// Whose the events of a session are, unless it is found out from elsewhere.
    Name,
    /// The whole file, for any reader but one that looks for what is left of it.
    File,
}

impl LogFile {
    /// The name that its file ends with.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cold => "coven.redb",
            Self::Journal => "coven.redb.journal",
        }
    }
}

impl Loss {
    /// The same in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing is lost: it can be made anew from the events",
            Self::Events => "those events cannot be read",
            Self::Commit => "the events of that commit cannot be read",
            Self::LastCommit => {
                "nothing that was acknowledged is lost if the power failed then, \
                 and what was recorded last otherwise"
            }
            Self::Newest => "what was recorded last is not known, and may be lost",
            Self::Unopened => {
                "nothing is lost by it, and the log is not opened until it is salvaged"
            }
            Self::Unfolded => {
                "nothing is lost by it: all that is in it can be read, but a fold that needs it stops \
                 until the disk gives it or the log is salvaged"
            }
            Self::Rows => "what was there is lost, so far as it is not kept elsewhere",
            Self::Name => "whose events they are must be found out from elsewhere",
            Self::File => "nothing in it can be read without looking for what is left",
        }
    }
}

impl Finding {
    pub(super) fn new(file: LogFile, problem: impl Into<String>, loss: Loss) -> Self {
        Self {
            file,
            table: None,
            place: None,
            session: None,
            seqs: None,
            problem: problem.into(),
            loss,
        }
    }

    /// One of a table of the cold file.
    pub(super) fn of(table: &'static str, problem: impl Into<String>, loss: Loss) -> Self {
        Self {
            table: Some(table),
            ..Self::new(LogFile::Cold, problem, loss)
        }
    }

    pub(super) fn at(self, place: impl fmt::Display) -> Self {
        let place = Some(place.to_string());
        Self { place, ..self }
    }

    pub(super) fn session(self, session: &SessionId) -> Self {
        let session = Some(session.clone());
        Self { session, ..self }
    }

    pub(super) fn seqs(self, first: u64, last: u64) -> Self {
        let seqs = Some((Seq::new(first), Seq::new(last)));
        Self { seqs, ..self }
    }

    pub(super) fn of_page(file: LogFile, page: BadPage) -> Self {
        let seqs = seqs_of(&page);
        let loss = match page.table {
            "segments" => Loss::Events,
            "journal" => Loss::Commit,
            table if is_made_anew(table) => Loss::Nothing,
            _ => Loss::Rows,
        };
        Self {
            table: Some(page.table),
            place: page.at.map(|at| format!("page at byte {at}")),
            seqs,
            ..Self::new(file, page.problem, loss)
        }
    }

    /// One of a page of which all was read that is in it, and which the database cannot read: it is read past that, but
    /// not written.
    pub(super) fn of_cut_short(file: LogFile, page: BadPage) -> Self {
        let loss = match (file, page.table) {
            (LogFile::Journal, _) => Loss::Unopened,
            (LogFile::Cold, table) if is_made_anew(table) && !is_of_salvage(table) => Loss::Nothing,
            (LogFile::Cold, _) => Loss::Unfolded,
        };
        Self {
            seqs: None,
            loss,
            ..Self::of_page(file, page)
        }
    }
}

/// Whether a table follows from the events and the slots.
fn is_made_anew(table: &str) -> bool {
    matches!(
        table,
        "ids"
            | "gone"
            | "order"
            | "erasing"
            | "trimming"
            | "records"
            | "by_created"
            | "by_conversation"
            | "live"
            | "output"
    )
}

/// Whether such a table is made anew by a salvage alone: each fold goes on where it ends.
fn is_of_salvage(table: &str) -> bool {
    matches!(table, "order" | "erasing" | "trimming")
}

/// The events that a page of segments has, where it has those of one session.
fn seqs_of(page: &BadPage) -> Option<(Seq, Seq)> {
    let number = |key: &[u8], at: usize| {
        let bytes = key.get(at..at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    if page.table != "segments" {
        return None;
    }
    let (above, up_to) = (page.above.as_ref()?, page.up_to.as_ref()?);
    let is_one = number(above, 0)? == number(up_to, 0)?;
    is_one.then_some((Seq::new(number(above, 8)?), Seq::new(number(up_to, 8)?)))
}

impl Findings {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn add(&mut self, finding: Finding) {
        if self.problems.len() < MAX_TOLD {
            self.problems.push(finding);
        } else {
            self.untold += 1;
        }
    }

    /// Events of a session cannot be read, some number of them that may not be known yet.
    pub(crate) fn lose(&mut self, session: &SessionId) {
        self.unreadable.entry(session.clone()).or_insert(None);
    }

    /// The places from `first` to `last` were read, whatever is in them.
    pub(super) fn has_read(&mut self, first: u64, last: u64) {
        match self.read.last_mut() {
            Some((_, end)) if *end + 1 == first => *end = last,
            _ => self.read.push((first, last)),
        }
    }

    /// Whether the event in a place was read, or would have been if its own bytes were whole. Where
    /// it is not known how far the log was, all were.
    pub(crate) fn has_seen(&self, seq: u64) -> bool {
        let run = self.read.partition_point(|(_, last)| *last < seq);
        self.read.is_empty() || self.read.get(run).is_some_and(|(first, _)| *first <= seq)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file.as_str())?;
        if let Some(table) = self.table {
            write!(f, ", {table}")?;
        }
        if let Some(place) = &self.place {
            write!(f, " {place}")?;
        }
        if let Some(session) = &self.session {
            write!(f, ", session {session}")?;
        }
        match self.seqs {
            Some((first, last)) if first == last => write!(f, ", event {first}")?,
            Some((first, last)) => write!(f, ", events {first} to {last}")?,
            None => {}
        }
        write!(f, ": {}; {}", self.problem, self.loss.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_is_not_given_holds_up_folding_but_of_what_is_made_anew_without_a_salvage() {
        let of = |table| {
            let page = BadPage {
                table,
                at: Some(4096),
                len_bytes: 8192,
                above: None,
                up_to: None,
                depth: 1,
                problem: String::new(),
            };
            Finding::of_cut_short(LogFile::Cold, page).loss
        };
        for table in ["ids", "records", "output"] {
            assert_eq!(of(table), Loss::Nothing, "{table}");
        }
        for table in ["order", "erasing", "trimming", "segments", "slots"] {
            assert_eq!(of(table), Loss::Unfolded, "{table}");
        }
    }
}
