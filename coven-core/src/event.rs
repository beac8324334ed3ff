//! Facts about one session.

use bytes::Bytes;

use crate::{
    Actor, ConversationId, External, InputId, Labels, Launch, Seq, SessionId, TermSize, Timestamp,
    Title,
};

/// An event in its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Its place, given by the log's writer.
    pub seq: Seq,
    /// The session it is about.
    pub session: SessionId,
    /// When it happened, by the wall clock.
    pub at: Timestamp,
    /// Who asked for it, where somebody did.
    pub actor: Option<Actor>,
    /// What happened.
    pub event: Event,
}

/// A fact about one session. The log has its own stored form of it (`coven-store`), and HTTP a
/// third; this one is free to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A launch was accepted. Nothing runs yet.
    Created {
        /// The whole launch.
        launch: Box<Launch>,
        /// The boot in which it was accepted, as in [`ProcessFacts::boot_id`]. `None` where that is not
        /// known: launches from before it was recorded have none.
        boot_id: Option<String>,
    },
    /// A session that runs elsewhere was registered.
    Registered {
        /// What its owner says of it.
        external: Box<External>,
    },
    /// The harness's process runs.
    Started {
        /// Which process.
        process: ProcessFacts,
        /// The executable, as an absolute path.
        executable: String,
        /// The arguments, the executable's name first, the prompt replaced by its length in bytes
        /// (it is in `created`).
        argv: Vec<String>,
    },
    /// The harness's process provably never ran.
    LaunchFailed {
        /// Why, for people.
        reason: String,
        /// Why, for programs.
        cause: FailureCause,
    },
    /// The harness's own id of the conversation became known.
    Identified {
        /// Codex's thread id, Claude Code's session id.
        conversation: ConversationId,
    },
    /// The process wrote something.
    Output {
        /// Where `data` starts in the session's output, in bytes.
        offset: u64,
        /// Where it was written to.
        channel: Channel,
        /// The bytes, exactly.
        data: Bytes,
    },
    /// Something was typed.
    Input {
        /// What.
        data: InputData,
        /// Its name, where it has one. Those that were recorded before inputs had names have none.
        id: Option<InputId>,
    },
    /// An input that is on record was not written whole to the process's terminal or pipe, and will
    /// not be. It comes once at most for each, before the event that ends the session.
    Undelivered {
        /// The input's name.
        id: InputId,
        /// How many bytes it is; at least one.
        len_bytes: u64,
        /// How many of them, its first, were written: fewer than all. `None` where whoever wrote them
        /// died without a word: it may be none, and it may be all.
        written_bytes: Option<u64>,
    },
    /// The terminal's size changed.
    Resized {
        /// The new size.
        size: TermSize,
    },
    /// The title changed.
    Titled {
        /// The new title.
        title: Title,
    },
    /// The labels changed.
    Labelled {
        /// All labels, from now on.
        labels: Labels,
    },
    /// A kill was accepted. The death is proved by [`Event::Exited`].
    KillRequested,
    /// No more output will be recorded.
    OutputClosed {
        /// Whether that is all there was.
        end: OutputEnd,
    },
    /// The process ended. It comes after [`Event::OutputClosed`], so nothing more is heard of a
    /// process after it.
    Exited {
        /// How; `None` where nobody saw that: it was killed, and is gone for certain.
        exit: Option<Exit>,
        /// How its output ended, said again here so that this event tells the whole outcome.
        output: OutputEnd,
    },
    /// The owner of an external session says that it ended.
    Completed {
        /// The exit code it reports, if any.
        exit_code: Option<i32>,
    },
    /// The process was lost: its outcome is unknown.
    Orphaned {
        /// How it was lost.
        reason: OrphanReason,
    },
    /// The session was hidden from plain lists.
    Archived,
    /// The session was brought back into plain lists.
    Summoned,
    /// The session and its events were deleted. Its Seqs are not used again.
    Deleted,
    /// The oldest output that was left is gone from the log. Offsets and Seqs stay what they were.
    Trimmed {
        /// Where what is gone begins: where an earlier trim ended, or at 0.
        offset: u64,
        /// How many bytes are gone; at least one.
        len_bytes: u64,
        /// The SHA-256 of those bytes, so that a copy of them can be told to be one; of zeros where they could
        /// not be read.
        sha256: [u8; 32],
    },
}

/// Where output was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// The terminal.
    Tty,
    /// A pipe on stdout.
    Stdout,
    /// A pipe on stderr.
    Stderr,
}

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputData {
    /// The bytes, exactly.
    Plain {
        /// As they reached the terminal, or as they were wrapped for a `stream` session.
        data: Bytes,
    },
    /// A secret was being typed: the terminal was in canonical mode without echo.
    Redacted {
        /// How many bytes.
        len_bytes: u64,
    },
}

/// Which process, so that no other can be mistaken for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProcessFacts {
    /// Its process id.
    pub pid: u32,
    /// When it started, in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub start_time: u64,
    /// The boot it belongs to (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
    /// The process that holds the session's terminal, where that is not the engine itself.
    pub shim_pid: Option<u32>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It returned this status, 0 to 255.
    Code {
        /// The status.
        code: i32,
    },
    /// A signal ended it.
    Signal {
        /// The signal's number.
        signal: i32,
    },
}

/// Whether all output was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputEnd {
    /// The end of output was read: nothing is missing.
    Complete,
    /// A descendant kept the terminal open past the deadline; what it wrote later is not recorded.
    Cut,
}

/// Why a process never ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureCause {
    /// What the reason tells: launched again, it may well fail again. Also where nobody said.
    Launch,
    /// The engine ended before it had anything run, and nothing else was wrong.
    EngineDied,
}

/// How a process was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrphanReason {
    /// The program that held the terminal ended without recording an end, or could not tell what
    /// the end was.
    EngineDied,
    /// The machine restarted.
    Reboot,
    /// The engine was shut down while the session was live.
    Shutdown,
    /// The engine ended between accepting the launch and recording its start.
    LaunchInterrupted,
    /// It was live when it was exported, and was brought into another log like that.
    Imported,
    /// The shim, which held the terminal in the engine's stead, ended without an end on its spool.
    ShimDied,
}

impl OrphanReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::EngineDied,
        Self::Reboot,
        Self::Shutdown,
        Self::LaunchInterrupted,
        Self::Imported,
        Self::ShimDied,
    ];

    /// The reason as records and events carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EngineDied => "engine_died",
            Self::Reboot => "reboot",
            Self::Shutdown => "shutdown",
            Self::LaunchInterrupted => "launch_interrupted",
            Self::Imported => "imported",
            Self::ShimDied => "shim_died",
        }
    }
}

impl FailureCause {
    /// The cause as events carry it; none where the reason tells it.
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Self::Launch => None,
            Self::EngineDied => Some("engine_died"),
        }
    }
}

impl Channel {
    /// The channel as events carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tty => "tty",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// An event's kind, without what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // each is the variant of `Event` with the same name
pub enum EventKind {
    Created,
    Registered,
    Started,
    LaunchFailed,
    Identified,
    Output,
    Input,
    Resized,
    Titled,
    Labelled,
    KillRequested,
    OutputClosed,
    Exited,
    Completed,
    Orphaned,
    Archived,
    Summoned,
    Deleted,
    Trimmed,
    Undelivered,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 20] = [
        Self::Created,
        Self::Registered,
        Self::Started,
        Self::LaunchFailed,
        Self::Identified,
        Self::Output,
        Self::Input,
        Self::Resized,
        Self::Titled,
        Self::Labelled,
        Self::KillRequested,
        Self::OutputClosed,
        Self::Exited,
        Self::Completed,
        Self::Orphaned,
        Self::Archived,
        Self::Summoned,
        Self::Deleted,
        Self::Trimmed,
        Self::Undelivered,
    ];
}

impl Event {
    /// Which kind it is.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Created { .. } => EventKind::Created,
            Self::Registered { .. } => EventKind::Registered,
            Self::Started { .. } => EventKind::Started,
            Self::LaunchFailed { .. } => EventKind::LaunchFailed,
            Self::Identified { .. } => EventKind::Identified,
            Self::Output { .. } => EventKind::Output,
            Self::Input { .. } => EventKind::Input,
            Self::Resized { .. } => EventKind::Resized,
            Self::Titled { .. } => EventKind::Titled,
            Self::Labelled { .. } => EventKind::Labelled,
            Self::KillRequested => EventKind::KillRequested,
            Self::OutputClosed { .. } => EventKind::OutputClosed,
            Self::Exited { .. } => EventKind::Exited,
            Self::Completed { .. } => EventKind::Completed,
            Self::Orphaned { .. } => EventKind::Orphaned,
            Self::Archived => EventKind::Archived,
            Self::Summoned => EventKind::Summoned,
            Self::Deleted => EventKind::Deleted,
            Self::Trimmed { .. } => EventKind::Trimmed,
            Self::Undelivered { .. } => EventKind::Undelivered,
        }
    }
}
