//! Reading a spool while it is written.

use std::io;
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::fs::OFlags;
use rustix::io::pread;

use super::{Position, Spool, part};

impl Spool {
    /// Where a record begins; `None` if it is not there and is not the next one either.
    pub(in crate::shim) fn position(&self, record: u64) -> io::Result<Option<Position>> {
        if record > self.next {
            return Ok(None);
        }
        if record >= self.written() {
            return Ok(Some(self.end()));
        }
        let Some(part) = self.parts.iter().rev().find(|part| part.first <= record) else {
            return Ok(None);
        };
        let file = self.open(part.first)?;
        let offset = part::offset_of(&file, record - part.first)?;
        Ok(Some(Position {
            part: part.first,
            offset,
        }))
    }

    /// Behind the last record.
    pub(in crate::shim) fn end(&self) -> Position {
        let newest = self.parts.back().expect("there is one");
        Position {
            part: newest.first,
            offset: newest.len_bytes,
        }
    }

    /// A part for reading.
    pub(in crate::shim) fn open(&self, part: u64) -> io::Result<OwnedFd> {
        part::open(&self.folder, part, OFlags::RDONLY)
    }

    /// Reads of what is at `position`, `most` bytes at most, which is moved to the next part where
    /// one has ended. None at the end of all. `reader` is that part, once it is open.
    pub(in crate::shim) fn read_at(
        &self,
        position: &mut Position,
        reader: &mut Option<OwnedFd>,
        most: usize,
    ) -> io::Result<Vec<u8>> {
        self.settle(position, reader);
        let part = self.parts.iter().find(|part| part.first == position.part);
        let part = part.ok_or(io::ErrorKind::NotFound)?;
        let left = part.len_bytes - position.offset;
        let most = most.min(usize::try_from(left).unwrap_or(most));
        let mut bytes = Vec::with_capacity(most);
        if most == 0 {
            return Ok(bytes);
        }
        let file = match reader {
            Some(file) => file,
            None => reader.insert(self.open(position.part)?),
        };
        pread(file, spare_capacity(&mut bytes), position.offset)?;
        // It may have had room for more, behind the end.
        bytes.truncate(most);
        if bytes.is_empty() {
            // Somebody has cut it.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }

    /// Moves a place at the end of a part to the start of the next, if there is one.
    pub(in crate::shim) fn settle(&self, position: &mut Position, reader: &mut Option<OwnedFd>) {
        let pairs = self.parts.iter().zip(self.parts.iter().skip(1));
        for (part, next) in pairs {
            if part.first == position.part && part.len_bytes == position.offset {
                *reader = None;
                *position = Position {
                    part: next.first,
                    offset: 0,
                };
            }
        }
    }
}
