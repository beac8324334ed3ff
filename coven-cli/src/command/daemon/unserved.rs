//! Who has a home whose socket nobody answers at.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use coven::home::Holder;

use crate::home::Home;

/// Who has it.
#[derive(Debug)]
pub(super) enum Unserved {
    /// No process is known to.
    Free,
    /// Its daemon: the socket was removed, or it has just begun, or is about to end.
    ByDaemon(Holder),
    /// A process that has not said that it serves: a program that embeds the engine, or a daemon
    /// that begins.
    ByAnother(Holder),
    /// One whose lock somebody removed: as a rule its daemon, which makes that again.
    WithoutLock(Holder),
}

impl Unserved {
    /// Looks who has the home. What files say is believed of the lock's proven holder only.
    pub(super) fn of(home: &Home) -> Self {
        let serves = |holder: &Holder| {
            coven_http::told(home.dir()).is_some_and(|daemon| daemon.pid == holder.pid())
        };
        match Holder::of(home.dir()) {
            None => Holder::without_lock(home.dir()).map_or(Self::Free, Self::WithoutLock),
            Some(holder) if serves(&holder) => Self::ByDaemon(holder),
            Some(holder) => Self::ByAnother(holder),
        }
    }

    /// Removes what a daemon that is gone left in `daemon.json`, where nobody has the home.
    pub(super) async fn clear(&self, home: &Home) {
        if let Self::Free = self {
            // The file is only a convenience: without it everything works.
            let _ = coven_http::repair(home.dir()).await;
        }
    }

    /// The process that has it.
    pub(super) const fn pid(&self) -> Option<u32> {
        match self {
            Self::Free => None,
            Self::ByDaemon(holder) | Self::ByAnother(holder) | Self::WithoutLock(holder) => {
                Some(holder.pid())
            }
        }
    }

    /// In a sentence, with what to do.
    pub(super) fn in_words(&self, home: &Home) -> String {
        let (dir, socket) = (home.dir().display(), home.socket());
        match self {
            Self::Free if is_left(&socket) => format!(
                "no daemon runs for {dir}; one that died left its socket there, which the next one replaces \
                 and `coven daemon stop` removes; `coven run` and `coven daemon start` start one"
            ),
            Self::Free => {
                format!("no daemon runs for {dir}; `coven run` and `coven daemon start` start one")
            }
            Self::ByDaemon(holder) => format!(
                "the daemon (process {}) runs, and nobody answers at {}: it is about to end, or its \
                 socket was removed; `coven daemon stop` ends it",
                holder.pid(),
                socket.display()
            ),
            Self::ByAnother(holder) => format!(
                "process {} has {dir} open and does not serve it: a program that embeds Coven, or a \
                 daemon that begins; end it, or set COVEN_HOME to another home",
                holder.pid()
            ),
            Self::WithoutLock(holder) => format!(
                "process {} has {dir} open, and somebody removed its lock and its socket: a daemon makes \
                 both again within some seconds; ask again then",
                holder.pid()
            ),
        }
    }
}

/// Whether a socket lies at the path.
pub(super) fn is_left(socket: &Path) -> bool {
    std::fs::symlink_metadata(socket).is_ok_and(|found| found.file_type().is_socket())
}
