//! Who holds the terminals of sessions: this program, or one shim each.

use coven_harness::shim::Program;

/// Who holds a session's terminal, and with it decides what the session outlives.
#[derive(Clone, Debug, Default)]
pub enum Hosting {
    /// This program: no other process is needed, and sessions end with it.
    #[default]
    InProcess,
    /// A small process for each session, which goes on when this program ends, however it does.
    /// The next engine of the home takes the sessions over.
    Shims(Shims),
}

/// How shims are run, and what they may keep while nobody takes it from them.
#[derive(Clone, Debug)]
pub struct Shims {
    /// Which program they are. It calls
    /// [`run_if_invoked`](coven_harness::shim::run_if_invoked) first thing in its `main`.
    pub program: Program,
    /// Bytes of records that one session's shim keeps on disk at most, before the session has to
    /// wait. Default: 256 MiB.
    pub spool_bytes: u64,
    /// Bytes that those of all sessions keep together, and never more than a tenth of what is free
    /// on the home's disk when a session begins; but for 1 MiB that each may always keep. Default:
    /// 2 GiB.
    pub all_spools_bytes: u64,
}

impl Shims {
    /// The default of [`spool_bytes`](Self::spool_bytes).
    pub const SPOOL_BYTES: u64 = 256 << 20;

    /// The default of [`all_spools_bytes`](Self::all_spools_bytes).
    pub const ALL_SPOOLS_BYTES: u64 = 2 << 30;

    /// The defaults, with this program.
    pub const fn of(program: Program) -> Self {
        Self {
            program,
            spool_bytes: Self::SPOOL_BYTES,
            all_spools_bytes: Self::ALL_SPOOLS_BYTES,
        }
    }
}
