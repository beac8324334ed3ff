//! `Kept`: one of the log's files, open for its one writer, through whatever befalls the disk.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::StorageBackend;

use super::bare::Bare;
use super::disk::{Access, Disk, Room};
use super::kind::Kind;
use super::open::{Look, Opened, Past, reopen};
use super::place::Place;
use super::proven::Proven;
use super::shadow::Shadow;
use crate::database::Database;
use crate::error::{OpenError, StorageFault};
use crate::fault::{Fault, storage_fault};
use crate::raw::{HEADER_BYTES, Header, Last, RawFile, Snapshot};

const OTHER_COMMIT: &str =
    "its last commit is not the one that was made last, and may be another log's";

/// Its writer is the only one who holds this; who reads has the database alone.
pub(crate) struct Kept {
    pub(crate) database: Arc<Database>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) path: PathBuf,
    /// The folder it is in. It is asked for room: a path may come to lead elsewhere.
    folder: Arc<File>,
    kind: Kind,
    cache_bytes: usize,
    past: Past,
    /// Of a cold file that is open.
    proven: Option<Proven>,
    place: Place,
    state: State,
}

/// What can be done with the file.
enum State {
    /// Transactions go through.
    Writable { shadow: Shadow },
    /// It is read; what was written since it was opened is held in memory.
    Held {
        shadow: Shadow,
        access: Access,
        is_restored: bool,
    },
    /// It met a fault, and its path does not lead to it: it is open for whoever saves it, and for nothing else.
    Aside { shadow: Shadow },
    /// It is not open.
    Lost,
}

impl Kept {
    /// A file that was just opened, and whose shadow was released.
    pub(crate) fn writable(
        opened: Opened,
        disk: Arc<dyn Disk>,
        path: PathBuf,
        folder: Arc<File>,
        kind: Kind,
        cache_bytes: usize,
    ) -> Self {
        let past = opened.past;
        let bare = Bare::writable(opened.shadow.clone(), past.last_sync.clone());
        Self {
            database: Arc::new(Database::new(opened.db, Some(bare))),
            place: Place::new(
                Arc::clone(&disk),
                &path,
                past.last_sync.clone(),
                opened.inode,
            ),
            disk,
            path,
            folder,
            kind,
            cache_bytes,
            past,
            proven: opened.proven,
            state: State::Writable {
                shadow: opened.shadow,
            },
        }
    }

    /// What is left on its file system.
    pub(crate) fn room(&self) -> Result<Room, StorageFault> {
        let room = self.disk.room(&self.folder);
        room.map_err(|error| storage_fault(&error))
    }

    /// Bytes of the blocks that the file system has given the file; `None` where that is not known.
    pub(crate) fn blocks_bytes(&self) -> Option<u64> {
        let file = std::fs::metadata(&self.path).ok()?;
        Some(file.len().min(file.blocks() * 512))
    }

    pub(crate) const fn is_writable(&self) -> bool {
        matches!(self.state, State::Writable { .. })
    }

    /// The file itself, where transactions go through.
    pub(crate) const fn file(&self) -> Option<&Shadow> {
        match &self.state {
            State::Writable { shadow } => Some(shadow),
            State::Held { .. } | State::Aside { .. } | State::Lost => None,
        }
    }

    /// What is wrong with the first page that is not what it was, of tables that are `wanted`; found
    /// twice, as it may be a read that failed. Nothing is said of a file that cannot be written to, nor where the
    /// disk gives nothing: who writes meets that.
    pub(crate) fn first_bad_page(&self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let file = self.file()?;
        let look = || {
            let snapshot = Snapshot::at_last(RawFile::lent(file).ok()?);
            let bad = snapshot.first_bad_page(&wanted)?;
            let is_damage = !snapshot.file.has_failed() || self.take_refused().is_some();
            is_damage.then_some(bad)
        };
        look().and_then(|_| look())
    }

    /// The same, for who gives back what its last commit does not use: none where its first page calls another
    /// commit the last than was written there. Takes one read.
    pub(crate) fn file_as_written(&self) -> Option<&Shadow> {
        self.file().filter(|_| self.is_still_itself().is_ok())
    }

    /// Whether the last commit of the file is the one that was made last, and is called that: another program may have
    /// written over it in place, and the disk may have lost the write that says so. Any other bit that turned in its
    /// first page is no matter, as each commit writes that anew. Nothing is said of a file that cannot be written to,
    /// nor where the disk does not give it. Takes one read.
    ///
    /// # Errors
    /// [`StorageFault::Damaged`]: what would be written to it would be in no log.
    pub(crate) fn is_still_itself(&self) -> Result<(), StorageFault> {
        let Some((found, made)) = self.first_page() else {
            return Ok(());
        };
        if found.says_what(&made) {
            return Ok(());
        }
        let problem = found.problems.first().copied();
        let hidden = found.has_one_after.then_some(Last::Hidden);
        let of_last = hidden.unwrap_or(found.last).problem();
        let problem = problem.or(of_last).unwrap_or(OTHER_COMMIT);
        Err(StorageFault::Damaged {
            message: format!(
                "{} is not what was written to it: {problem}",
                self.path.display()
            ),
        })
    }

    /// Writes anew which commit is the last, where that alone is not as it was written. Both are there.
    pub(crate) fn name_its_last(&self) -> Result<(), StorageFault> {
        let (Some(file), Some((found, made)), Some(written)) = (
            self.file(),
            self.first_page(),
            self.past.last_sync.written(),
        ) else {
            return Ok(());
        };
        if found.says_what(&made) || !found.ends_as(&made) {
            return Ok(());
        }
        let named = file.write(0, &written).and_then(|()| file.sync_data());
        named.map_err(|error| storage_fault(&error))
    }

    /// Keeps a log that was put over this one in place from being written to as this one is closed.
    pub(crate) fn seal_another(&self) {
        if let (Some(file), Some((found, made))) = (self.file(), self.first_page())
            && found.is_sound()
            && !found.ends_as(&made)
        {
            file.seal();
        }
    }

    /// The first page as it is, and as it was written last.
    fn first_page(&self) -> Option<(Header, Header)> {
        let written = self.past.last_sync.written()?;
        let mut found = [0; HEADER_BYTES];
        self.file()?.read(0, &mut found).ok()?;
        Some((Header::of(&found), Header::of(&written)))
    }

    /// Puts the bits right that turned in pages which were refused to who reads, where no more is wrong with those. Gives
    /// where they are.
    pub(crate) fn put_right_what_was_refused(&self) -> Vec<u64> {
        let proven = self.proven.as_ref().filter(|_| self.is_writable());
        proven.map_or_else(Vec::new, Proven::put_right_what_was_refused)
    }

    /// What the disk did not give to a transaction that writes, while it gives other places: damage, where the
    /// transaction met an error. Told once.
    pub(crate) fn take_refused(&self) -> Option<Fault> {
        self.past.dead.take_refused()
    }

    /// What a transaction of the cold file met: damage, where the disk gives other places and not that one.
    pub(crate) fn what_befell(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Disk(_) => self.take_refused().unwrap_or(fault),
            Fault::Stale | Fault::Damage(_) => fault,
        }
    }

    /// Where it is.
    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// Whether the disk may have a commit that the file as it is open has not.
    pub(crate) const fn may_have_more(&self) -> bool {
        matches!(
            self.state,
            State::Held {
                is_restored: true,
                ..
            }
        )
    }

    /// How long the file is, where it is open.
    pub(crate) fn len_bytes(&self) -> u64 {
        match &self.state {
            State::Writable { shadow } | State::Held { shadow, .. } | State::Aside { shadow } => {
                shadow.len().unwrap_or(0)
            }
            State::Lost => 0,
        }
    }

    pub(crate) const fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost)
    }

    /// Closes the file, which met a fault, and opens it again, for reading at least.
    pub(crate) fn reopen(&mut self) -> Result<(), StorageFault> {
        self.reopen_looking(Look::System).map(drop)
    }

    /// The same after damage of a cold file. Says which projections are damaged: they are to be made anew,
    /// and nothing else is to be done with the file before that.
    pub(crate) fn reopen_after_damage(&mut self) -> Result<BTreeSet<&'static str>, StorageFault> {
        self.reopen_looking(Look::Projections)
    }

    fn reopen_looking(&mut self, look: Look) -> Result<BTreeSet<&'static str>, StorageFault> {
        // What redb would write to close it, after a panic, has no map of what is free: to open it would
        // take a look at every page, and one that is damaged would keep all others from being read.
        let shadow = match &self.state {
            State::Writable { shadow } | State::Held { shadow, .. } | State::Aside { shadow } => {
                shadow.seal();
                Some(shadow.clone())
            }
            State::Lost => None,
        };
        self.database.take_away();
        // Closed it would be gone, where it has no name any more.
        if let (Some(shadow), Err(reason)) = (shadow, self.place.leads_to_it()) {
            self.state = State::Aside { shadow };
            self.database.fail(reason.clone());
            return Err(reason);
        }
        self.state = State::Lost;
        let reopened = reopen(
            self.disk.as_ref(),
            &self.path,
            self.kind,
            self.cache_bytes,
            &self.past,
            look,
        );
        match reopened {
            Ok(opened) => {
                self.place.is_of(Some(opened.inode));
                let last_sync = self.past.last_sync.clone();
                let bare = Bare::writable(opened.shadow.clone(), last_sync);
                self.database.put(opened.db, Some(bare));
                self.proven = opened.proven;
                self.state = State::Held {
                    shadow: opened.shadow,
                    access: opened.access,
                    is_restored: opened.is_restored,
                };
                Ok(opened.spoilt)
            }
            Err(error) => {
                let reason = reason_of(&error);
                self.place.is_of(None);
                self.database.fail(reason.clone());
                Err(reason)
            }
        }
    }

    /// Whether opening it again may get further than it is.
    pub(crate) fn is_worth_reopening(&self) -> bool {
        match self.state {
            State::Lost | State::Aside { .. } => true,
            // What is open for reading cannot become writable; it stays until writing works.
            State::Held { access, .. } => {
                access == Access::Read && self.disk.open(&self.path, Access::Write).is_ok()
            }
            State::Writable { .. } => false,
        }
    }

    /// Gives it up: it is not what it should be.
    pub(crate) fn give_up(&mut self, reason: StorageFault) {
        self.state = State::Lost;
        self.place.is_of(None);
        self.database.fail(reason);
    }

    /// What will be written to the disk before anything else can be.
    pub(crate) fn held_bytes(&self) -> Option<u64> {
        match &self.state {
            State::Writable { .. } => Some(0),
            State::Held { shadow, .. } => Some(shadow.held_bytes()),
            State::Aside { .. } | State::Lost => None,
        }
    }

    /// Makes it writable, if it is open.
    pub(crate) fn release(&mut self) -> Result<(), StorageFault> {
        if let State::Held { shadow, access, .. } = &self.state {
            if *access == Access::Read {
                return Err(StorageFault::ReadOnly);
            }
            shadow.release().map_err(|error| storage_fault(&error))?;
            let shadow = shadow.clone();
            self.state = State::Writable { shadow };
        }
        Ok(())
    }
}

/// The folder that a log's files are in, whatever links lead there.
pub(crate) fn folder_of(path: &Path) -> io::Result<File> {
    let path = path.canonicalize()?;
    File::open(path.parent().unwrap_or(Path::new("/")))
}

/// What to tell of a file that cannot be opened again.
pub(crate) fn reason_of(error: &OpenError) -> StorageFault {
    match error {
        OpenError::ReadOnly { .. } => StorageFault::ReadOnly,
        OpenError::Io { source, .. } => storage_fault(source),
        OpenError::Locked { .. } | OpenError::Unfinished { .. } => StorageFault::Io {
            message: error.to_string(),
        },
        OpenError::Foreign { .. } | OpenError::Newer { .. } | OpenError::Damaged { .. } => {
            StorageFault::Damaged {
                message: error.to_string(),
            }
        }
    }
}
