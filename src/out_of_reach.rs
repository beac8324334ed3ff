//! Why a session that runs is out of reach, in one word and in a clause.
//!
//! [`seen`] is what anybody sees who looks, [`encounters`] what the connections to shims meet.

mod encounters;
pub(crate) mod seen;

pub(crate) use encounters::{Encounter, Encounters};

/// A session that runs is out of reach, or will be for the next engine: its output may not be on record
/// meanwhile, and what is typed not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfReach {
    /// What is amiss.
    pub what: Amiss,
    /// How that shows and what to do, in a clause for people.
    pub why: String,
}

/// What keeps a session from being reached. [`Amiss::as_str`] is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Amiss {
    /// Its shim is stopped.
    ShimStopped,
    /// Its shim speaks other versions of the protocol.
    ShimVersion,
    /// Its shim cannot be talked to for another reason.
    ShimUnreachable,
    /// Its shim's folder is not where it was.
    FolderGone,
    /// Something that is no directory is in the place of the folder.
    FolderReplaced,
    /// The folder cannot be looked into.
    FolderUnreadable,
    /// Its shim's socket is not where it was.
    SocketGone,
    /// Something that is no socket, or that of another session's shim, is in the place of the socket.
    SocketReplaced,
    /// Nobody listens at the socket.
    SocketRefused,
    /// Whoever listens at the socket says nothing.
    SocketSilent,
    /// There is no file left of its shim's spool.
    SpoolGone,
    /// Something that is no file is in the place of one of the spool.
    SpoolReplaced,
    /// A file of the spool cannot be read.
    SpoolUnreadable,
    /// What is read back of the spool is not what its shim wrote: a file of it was emptied, cut short or
    /// overwritten.
    SpoolDamaged,
}

impl Amiss {
    /// Every one.
    pub const ALL: [Self; 14] = [
        Self::ShimStopped,
        Self::ShimVersion,
        Self::ShimUnreachable,
        Self::FolderGone,
        Self::FolderReplaced,
        Self::FolderUnreadable,
        Self::SocketGone,
        Self::SocketReplaced,
        Self::SocketRefused,
        Self::SocketSilent,
        Self::SpoolGone,
        Self::SpoolReplaced,
        Self::SpoolUnreadable,
        Self::SpoolDamaged,
    ];

    /// The reason as clients see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ShimStopped => "shim_stopped",
            Self::ShimVersion => "shim_version",
            Self::ShimUnreachable => "shim_unreachable",
            Self::FolderGone => "folder_gone",
            Self::FolderReplaced => "folder_replaced",
            Self::FolderUnreadable => "folder_unreadable",
            Self::SocketGone => "socket_gone",
            Self::SocketReplaced => "socket_replaced",
            Self::SocketRefused => "socket_refused",
            Self::SocketSilent => "socket_silent",
            Self::SpoolGone => "spool_gone",
            Self::SpoolReplaced => "spool_replaced",
            Self::SpoolUnreadable => "spool_unreadable",
            Self::SpoolDamaged => "spool_damaged",
        }
    }

    /// Whether who meets it once has waited for longer than a shim's death or end takes to show.
    pub(crate) fn is_lasting(self) -> bool {
        self == Self::SocketSilent
    }

    pub(crate) fn because(self, why: impl Into<String>) -> OutOfReach {
        let why = why.into();
        OutOfReach { what: self, why }
    }
}
