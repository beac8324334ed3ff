//! What came of a kill.

use std::io;

/// A process of a killed session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signalled {
    /// Its process id, which may belong to another process by now.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
    /// Its name, as the kernel keeps it (15 bytes).
    pub name: String,
}

/// What a kill did. It is the proof of death, unless somebody survived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KillReport {
    /// Who ended before SIGKILL.
    pub ended: Vec<Signalled>,
    /// Who ended after it.
    pub forced: Vec<Signalled>,
    /// Who is still there: of another user, or stuck in the kernel. Kill again, as that user.
    pub survivors: Vec<Signalled>,
}

/// Why a kill proves nothing. Who was found has been signalled all the same, SIGKILL included.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct KillError {
    /// What the system says.
    pub source: io::Error,
    /// Who was seen and may still be there. There may be others.
    pub survivors: Vec<Signalled>,
}

impl KillError {
    /// One of which nobody is known to be there.
    pub fn new(source: io::Error) -> Self {
        let survivors = Vec::new();
        Self { source, survivors }
    }
}
