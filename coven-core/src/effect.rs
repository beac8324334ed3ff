//! Effects: what the engine must do once the events are on disk.

use bytes::Bytes;

use crate::{ProcessFacts, TermSize};

/// Tells the world something, after the events of the same decision are durable. (A kill's
/// signals are the one exception: see [`Effect::Terminate`].)
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start the harness's process.
    Spawn,
    /// Give up a launch whose process does not run yet.
    CancelSpawn,
    /// Hand bytes to the process.
    Deliver {
        /// What was typed.
        data: Bytes,
    },
    /// Change the terminal's size.
    Resize {
        /// The new size.
        size: TermSize,
    },
    /// Signal the process and all that belongs to the session. It does not wait for the disk:
    /// a full one must not make the agent that fills it unstoppable.
    Terminate {
        /// The harness's process.
        process: ProcessFacts,
    },
}
