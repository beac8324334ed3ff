//! redb's file as it lies on the disk, read without redb.
//!
//! redb believes the pages of a file that was closed in order: one that was altered since may make
//! it panic, go round in circles, or give one row for another. Here a page is believed only if it
//! has the checksum that its parent knows of it, and one that has not costs what is in it and no
//! more. Nothing is ever written. The format is redb's file format 3, which its `docs/design.md`
//! describes.

mod free;
mod header;
#[cfg(test)]
mod leaves;
mod notes;
#[cfg(test)]
mod overwritten;
mod page;
mod placed;
mod reach;
#[cfg(test)]
mod reordered;
mod snapshot;
mod spoilt;
mod system;
mod told;
mod trunk;
mod turned;
mod walk;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::ops::Bound;
use std::path::Path;

use redb::{BackendError, StorageBackend};

use crate::database::if_given;
use crate::error::OpenError;
use crate::file::{Access, Disk, Shadow, gives_others, is_not_given, open_error};
use turned::Turned;

pub(crate) use free::free_pages;
pub(crate) use header::{HEADER_BYTES, Header, Last, Made};
#[cfg(test)]
pub(crate) use leaves::{Placed, leading_to, pages};
pub(crate) use notes::LastNotes;
#[cfg(test)]
pub(crate) use overwritten::{overwrite_first_page, overwrite_leaf};
pub(crate) use page::{MAX_PAGE_BYTES, PAGE, Widths, can_begin, leaf_end, leaf_len, leaf_rows};
pub(crate) use placed::Lead;
pub(crate) use reach::{Key, Leaf, Order, Reach, key};
#[cfg(test)]
pub(crate) use reordered::{orders, reorder, rows, swap_leaves};
pub(crate) use snapshot::{BadPage, Snapshot};
pub(crate) use spoilt::spoilt;
pub(crate) use system::without_damaged_system;
pub(crate) use told::{Teller, Told, is_empty_behind, page_sum, rows_in_order};
pub(crate) use turned::{Effort, LONGEST_BYTES, turn_back};
pub(crate) use walk::{Bounds, Row};

/// A file that nobody writes to while this is there.
#[derive(Debug)]
pub(crate) struct RawFile {
    source: Source,
    len: Cell<u64>,
    read_bytes: Cell<u64>,
    /// Pages of a file that is open for this which the disk did not give.
    not_given: RefCell<BTreeSet<u64>>,
    /// A read of a file that was open already failed.
    has_failed: Cell<bool>,
    /// The bits that are read as they were before they turned; `None` where it is not looked for any.
    turned: Option<RefCell<Turned>>,
}

#[derive(Debug)]
enum Source {
    /// Opened for this, and locked.
    Own(Box<dyn StorageBackend>),
    /// Open already, by whoever looks.
    Lent(Shadow),
}

impl RawFile {
    /// A file that is open for writing, by its one writer, of which nothing is looked at that is written
    /// meanwhile. It may become longer.
    pub(crate) fn lent(file: &Shadow) -> io::Result<Self> {
        Ok(Self {
            len: Cell::new(file.len()?),
            source: Source::Lent(file.clone()),
            read_bytes: Cell::new(0),
            not_given: RefCell::default(),
            has_failed: Cell::default(),
            turned: None,
        })
    }

    /// Opens the file at `path` for reading and keeps others from writing to it.
    pub(crate) fn open(disk: &dyn Disk, path: &Path) -> Result<Self, OpenError> {
        let io = |source| open_error(path, source);
        let opened = Self::open_unlocked(disk, path)?;
        let Source::Own(backend) = &opened.source else {
            return Ok(opened);
        };
        match backend.try_lock_shared_range(Bound::Unbounded, Bound::Unbounded) {
            // Where nothing can be locked, the home's lock has to do.
            Ok(true) | Err(BackendError::Unsupported) => {}
            Ok(false) => {
                return Err(OpenError::Locked {
                    path: path.to_owned(),
                });
            }
            Err(BackendError::Io(source)) => return Err(io(source)),
            Err(other) => return Err(io(io::Error::other(other.to_string()))),
        }
        Ok(opened)
    }

    /// The same, in whose pages one bit that turned is as it was before, where the checksum tells which that is: for who
    /// saves what there is.
    pub(crate) fn turning_bits_back(mut self, effort: Effort) -> Self {
        self.turned = Some(RefCell::new(Turned::none(effort)));
        self
    }

    /// Opens the file at `path` for reading, whoever writes to it meanwhile.
    pub(crate) fn open_unlocked(disk: &dyn Disk, path: &Path) -> Result<Self, OpenError> {
        let io = |source| open_error(path, source);
        let file = disk.open(path, Access::Read).map_err(io)?;
        let backend = disk.backend(file).map_err(io)?;
        let len = backend.len().map_err(io)?;
        if let Err(error) = backend.read(0, &mut [0; 1])
            && is_not_given(&error)
            && !gives_others(backend.as_ref())
        {
            return Err(io(error));
        }
        Ok(Self {
            source: Source::Own(backend),
            len: Cell::new(len),
            read_bytes: Cell::new(0),
            not_given: RefCell::default(),
            has_failed: Cell::default(),
            turned: None,
        })
    }

    /// Of a file that was open already, when its first page was read last: all that this leads to was there.
    pub(crate) const fn len(&self) -> u64 {
        self.len.get()
    }

    /// Bytes that were read of it so far, those read again among them.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.read_bytes.get()
    }

    /// `len` bytes from `offset` on. What is beyond the end of the file is zeros, and so are pages that the disk
    /// does not give, unless the file was open already.
    pub(crate) fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        let there = self.len.get().saturating_sub(offset).min(len as u64);
        let there = usize::try_from(there).expect("it is at most len");
        if there > 0 {
            let bytes = &mut bytes[..there];
            match &self.source {
                Source::Own(backend) => self.read_own(backend.as_ref(), offset, bytes)?,
                Source::Lent(file) => self
                    .read_lent(file, offset, bytes)
                    .inspect_err(|_| self.has_failed.set(true))?,
            }
        }
        self.read_bytes.set(self.read_bytes.get() + there as u64);
        if let Some(turned) = &self.turned {
            turned.borrow().turn_back(offset, &mut bytes);
        }
        Ok(bytes)
    }

    /// The same; `None` where the disk does not give all of it.
    fn read_given(&self, offset: u64, len: usize) -> Option<io::Result<Vec<u8>>> {
        let read = if_given(|| self.read(offset, len))?;
        (read.is_err() || self.is_given(offset, len)).then_some(read)
    }

    fn read_lent(&self, file: &Shadow, offset: u64, out: &mut [u8]) -> io::Result<()> {
        file.read(offset, out)?;
        if offset == 0 {
            self.len.set(file.len()?);
        }
        Ok(())
    }

    fn read_own(&self, file: &dyn StorageBackend, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match file.read(offset, out) {
            Err(error) if is_not_given(&error) => {}
            read => return read,
        }
        let mut at = offset;
        let mut rest = out;
        while !rest.is_empty() {
            let page_at = at / PAGE as u64 * PAGE as u64;
            let left = (page_at + PAGE as u64 - at) as usize;
            let (piece, after) = rest.split_at_mut(left.min(rest.len()));
            match file.read(at, piece) {
                Err(error) if is_not_given(&error) => {
                    piece.fill(0);
                    self.not_given.borrow_mut().insert(page_at);
                }
                read => read?,
            }
            at += piece.len() as u64;
            rest = after;
        }
        Ok(())
    }

    /// Turns the one bit back that has a page be what it is to be, by where it is and what its checksum is to be, and
    /// reads it so from then on. Says whether there is one.
    fn turn_back(
        &self,
        place: (u64, u128),
        page: &mut [u8],
        is_right: impl Fn(&[u8]) -> bool,
    ) -> bool {
        let turned = self.turned.as_ref();
        turned.is_some_and(|turned| turned.borrow_mut().find(place, page, is_right))
    }

    /// The bytes in which bits are read as they were before they turned: where they are, and which bits.
    pub(crate) fn turned_bits(&self) -> Vec<(u64, u8)> {
        let turned = self.turned.as_ref();
        turned.map_or_else(Vec::new, |turned| turned.borrow().bits())
    }

    /// Whether a read of it failed, of a file that was open already.
    pub(crate) const fn has_failed(&self) -> bool {
        self.has_failed.get()
    }

    /// Whether the disk gave all of this when it was read.
    fn is_given(&self, at: u64, len: usize) -> bool {
        let first = at / PAGE as u64 * PAGE as u64;
        let not_given = self.not_given.borrow();
        not_given.range(first..at + len as u64).next().is_none()
    }
}

impl Drop for RawFile {
    fn drop(&mut self) {
        if let Source::Own(backend) = &self.source {
            // It lets go of the lock; there is nothing to be lost.
            let _ = backend.close();
        }
    }
}

/// The checksum that redb has of a page, or of anything.
fn checksum(bytes: &[u8]) -> u128 {
    twox_hash::XxHash3_128::oneshot(bytes)
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    #[test]
    fn a_file_that_becomes_longer_is_read_as_its_first_page_has_it() {
        let holes = tempfile::tempfile().expect("a file");
        let file = InMemoryBackend::new();
        file.set_len(PAGE as u64).expect("memory");
        let file = Shadow::none(Box::new(file), Box::new(holes));
        let lent = RawFile::lent(&file).expect("it has a length");
        file.set_len(2 * PAGE as u64).expect("memory");
        file.write(PAGE as u64, &[7; PAGE]).expect("memory");
        lent.read(0, PAGE).expect("memory");
        assert_eq!(lent.len(), 2 * PAGE as u64);
        assert_eq!(lent.read(PAGE as u64, PAGE).expect("memory"), [7; PAGE]);
    }
}
