//! Commands: what may be asked of a session, and what may be observed of it.

use bytes::Bytes;

use crate::{
    Channel, ConversationId, Exit, FailureCause, InputId, Labels, OrphanReason, OutputEnd,
    ProcessFacts, TermSize, Title,
};

/// Asks something of one session; [`decide`](crate::decide()) answers with a
/// [`Decision`](crate::Decision) or a [`Refusal`](crate::Refusal).
///
/// The first half comes from people and their programs; the second half is what the engine
/// observed of the process, and goes through the same door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Type `data` into the session.
    Input {
        /// The bytes.
        data: Bytes,
        /// Whether the terminal shows what is typed; if it does not, only the length is recorded.
        echo: Echo,
        /// Its name, where it has one.
        id: Option<InputId>,
    },
    /// Change the terminal's size.
    Resize {
        /// The new size.
        size: TermSize,
    },
    /// End the session's process.
    Kill,
    /// Hide the session from plain lists.
    Archive,
    /// Bring it back into plain lists.
    Summon,
    /// Delete the session and all its events.
    Delete,
    /// Change what people call it. `None` leaves a part as it is.
    Edit {
        /// The new title.
        title: Option<Title>,
        /// All labels, from now on.
        labels: Option<Labels>,
    },
    /// Let the session's oldest output go. The bytes are named, so that nobody trims what another
    /// has trimmed.
    Trim {
        /// Where they begin: at the session's `trimmed_bytes`.
        offset: u64,
        /// How many, up to the end of an output event.
        len_bytes: u64,
        /// Their SHA-256.
        sha256: [u8; 32],
    },
    /// Report the end of an external session.
    Complete {
        /// Its exit code; absent and 0 mean success.
        exit_code: Option<i32>,
    },

    /// The process runs.
    RecordStart {
        /// Which process.
        process: ProcessFacts,
        /// The executable, as an absolute path.
        executable: String,
        /// Its arguments, the prompt replaced by its length.
        argv: Vec<String>,
    },
    /// The process provably never ran.
    RecordLaunchFailure {
        /// Why, for people.
        reason: String,
        /// Why, for programs.
        cause: FailureCause,
    },
    /// The harness's own conversation id became known.
    RecordIdentity {
        /// The id.
        conversation: ConversationId,
    },
    /// The process wrote something. It becomes as many events as
    /// [`output_cut`](crate::decide::output_cut) asks for. A character that is not complete at
    /// its end ([`incomplete_char`](crate::decide::incomplete_char)) had better wait for the rest.
    RecordOutput {
        /// Where to.
        channel: Channel,
        /// The bytes.
        data: Bytes,
    },
    /// An input that is on record was not written whole to the process, and will not be. Of one of no
    /// bytes, or all of whose bytes were written, there is nothing to record.
    RecordUndelivered {
        /// Its name.
        id: InputId,
        /// How many bytes it is.
        len_bytes: u64,
        /// How many of them were written; `None` where nobody knows.
        written_bytes: Option<u64>,
    },
    /// No more output will be read.
    RecordOutputEnd {
        /// Whether that was all.
        end: OutputEnd,
    },
    /// The process ended, after its output did.
    RecordExit {
        /// How.
        exit: Exit,
    },
    /// The process is gone for certain after a kill, and nobody saw how it ended.
    RecordDeath,
    /// The process was lost.
    RecordLoss {
        /// How.
        reason: OrphanReason,
    },
}

/// Whether a terminal shows what is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// It does, or the program draws for itself.
    Shown,
    /// Canonical mode without echo: a password is being typed.
    Hidden,
}
