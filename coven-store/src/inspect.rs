//! Looking at everything there is in a log, and telling all that is wrong with it.
//!
//! Every table is gone through once from its beginning to its end, so that what is kept in memory
//! depends on how many sessions there are and on nothing else. What was found to be wrong does
//! not end it: the rest is looked at all the same.

mod closed;
mod cold;
mod finding;
mod glance;
mod indexes;
mod journal;
mod order;
mod session;
mod sessions;
mod slots;
mod source;

pub use finding::{Finding, Findings, LogFile, Loss};

pub(crate) use closed::{OpenFile, closed};
pub(crate) use cold::cold;
pub(crate) use glance::glance;
pub(crate) use journal::{groups, trimmed};
pub(crate) use source::{Rows, Source};

/// How far looking at a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that were read, those that are read again among them.
    pub read_bytes: u64,
    /// Bytes of the log's files. It is read one to three times.
    pub log_bytes: u64,
}
