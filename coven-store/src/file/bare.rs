//! `Bare`: an open file, for who reads it without redb.

use super::last_sync::LastSync;
use super::shadow::Shadow;
use crate::raw::{Header, RawFile, Snapshot};

#[derive(Clone, Debug)]
pub(crate) struct Bare {
    pub(super) file: Shadow,
    /// Of a file that is written to.
    last_sync: LastSync,
}

impl Bare {
    pub(super) const fn writable(file: Shadow, last_sync: LastSync) -> Self {
        Self { file, last_sync }
    }

    /// Of a file that nobody writes to.
    pub(crate) fn of(file: Shadow) -> Self {
        Self::writable(file, LastSync::default())
    }

    /// The file as its last commit left it, or one made meanwhile. Which that is the first page says, and where what it
    /// says was lost or damaged since it was written, what was written there: nobody keeps the pages of an older commit
    /// from being written anew. `None` where the file cannot be looked at.
    pub(crate) fn at_last(&self) -> Option<Snapshot> {
        // Whatever is written there meanwhile comes after it.
        let written = self.last_sync.written();
        let file = RawFile::lent(&self.file).ok()?;
        let found = Header::read(&file);
        let header = match written.map(|written| Header::of(&written)) {
            Some(written) if !found.is_sound() || !found.goes_on_from(&written) => written,
            Some(_) | None => found,
        };
        Some(Snapshot::at_last_of(file, header))
    }
}
