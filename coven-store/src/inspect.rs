//! Looking at everything there is in a log, and telling all that is wrong with it.
//!
//! What is kept in memory is bounded: sessions are looked at in [windows](window) of so many. The tables
//! that go by slots are gone through once, from window to window; the others, which have a row or two of
//! a session, once for each window. What was found to be wrong does not end it: the rest is looked at
//! all the same.

mod closed;
mod cold;
mod finding;
mod glance;
mod indexes;
mod journal;
mod order;
mod readers;
mod session;
mod sessions;
mod slots;
mod source;
mod window;

pub use finding::{Finding, Findings, LogFile, Loss};

pub(crate) use closed::{OpenFile, closed};
pub(crate) use cold::cold;
pub(crate) use glance::glance;
pub(crate) use journal::{Group, groups, trimmed};
pub(crate) use source::{Rows, Source, name_of, widths};

/// How far looking at a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that were read, those that are read again among them.
    pub read_bytes: u64,
    /// Bytes of the log's files. It is read one to three times.
    pub log_bytes: u64,
}
