//! The spool: records in files, until the engine has them on record.
//!
//! A folder of parts, each a file of frames named by the number of its first record. A record is
//! written by one `write` before anybody is told of it, so it survives the death of everything but
//! the machine. A part all of whose records are acknowledged is removed, and nothing else ever is; one
//! with the end of the session stays to the last.

mod part;
mod reach;
mod read_back;
mod reading;
mod room;
mod torn;

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, OFlags, fstat, ftruncate, unlinkat};
use rustix::io::{Errno, pwrite};

use super::folder;
use super::protocol::PartHead;
pub(super) use part::{Position, left_after, sendable};
pub use reach::{Reach, reach};
pub use read_back::{Damage, Leftover};
use room::{Room, Share};

/// The size of a part, as a rule.
const PART_BYTES: u64 = 4 << 20;

/// How a part is opened that begins, to be written.
const NEW: OFlags = OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::TRUNC);

/// The least it may be where the whole spool is small.
const MIN_PART_BYTES: u64 = 64 << 10;

/// A part that is not needed any more is removed once it has this size, though it is not full.
const STALE_PART_BYTES: u64 = 256 << 10;

/// Room that output leaves to other records: what was typed, and the end.
const RESERVE_BYTES: u64 = 256 << 10;

/// The least that a spool may take: with less, a record that is acknowledged could leave no room for
/// the next.
const MIN_LIMIT_BYTES: u64 = 256 << 10;

/// A file of the spool.
struct Part {
    /// The number of its first record.
    first: u64,
    len_bytes: u64,
}

/// The records of one session that were not acknowledged.
pub(super) struct Spool {
    folder: OwnedFd,
    head: PartHead,
    /// Oldest first; never empty. The last is written to.
    parts: VecDeque<Part>,
    file: OwnedFd,
    limit_bytes: u64,
    /// What the disk leaves it of that.
    room: Room,
    /// The number of the next record.
    next: u64,
    /// Up to which all is acknowledged.
    acked: u64,
    /// From which record on nothing is forgotten, acknowledged or not.
    kept_from: u64,
    /// Frames that the disk has not taken, oldest first, each with where it leaves the output.
    held: VecDeque<(Vec<u8>, u64)>,
    /// Where the output ends that was given to it.
    offset: u64,
}

/// Where a record is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// In the spool.
    Written,
    /// In memory: the disk takes nothing now.
    Held,
}

impl Spool {
    /// Begins a spool in `folder`, which holds no part of another one.
    pub(super) fn create(folder: OwnedFd, head: PartHead, limit_bytes: u64) -> io::Result<Self> {
        let (file, len_bytes) = begin_part(&folder, &head)?;
        Ok(Self {
            parts: VecDeque::from([Part {
                first: head.first,
                len_bytes,
            }]),
            next: head.first,
            acked: head.first - 1,
            kept_from: u64::MAX,
            offset: head.offset,
            folder,
            head,
            file,
            limit_bytes: limit_bytes.max(MIN_LIMIT_BYTES),
            room: Room::unknown(),
            held: VecDeque::new(),
        })
    }

    /// Whether output may be read: what a read gives is sure to be taken, the disk permitting. Looks at
    /// the disk now and then.
    pub(super) fn has_room_for_output(&mut self, len_bytes: usize) -> bool {
        self.room.look(&self.folder);
        let bound_bytes = self.bound_bytes();
        let more_bytes = len_bytes as u64 + RESERVE_BYTES.min(bound_bytes / 4);
        self.room.share() != Share::Nothing && self.has_room(more_bytes, bound_bytes)
    }

    /// Whether what can be refused may come in.
    pub(super) fn has_room_for_input(&self) -> bool {
        let more_bytes = MIN_PART_BYTES.min(self.limit_bytes / 16);
        self.has_room(more_bytes, self.limit_bytes)
    }

    fn has_room(&self, more_bytes: u64, bound_bytes: u64) -> bool {
        let taken: u64 = self.parts.iter().map(|part| part.len_bytes).sum();
        self.held.is_empty() && taken + more_bytes <= bound_bytes
    }

    /// Its limit, or the least where the disk has little.
    const fn bound_bytes(&self) -> u64 {
        match self.room.share() {
            Share::All => self.limit_bytes,
            Share::Little | Share::Nothing => MIN_LIMIT_BYTES,
        }
    }

    /// Whether it may have less than its limit, since the disk has little left.
    pub(super) fn is_cut_short(&self) -> bool {
        self.room.share() != Share::All
    }

    /// Whether the disk took everything.
    pub(super) fn is_written(&self) -> bool {
        self.held.is_empty()
    }

    /// Adds the record of this one frame, which has `output_bytes` of output in it.
    pub(super) fn append(&mut self, frame: &[u8], output_bytes: usize) -> Kept {
        self.next += 1;
        self.offset += output_bytes as u64;
        if self.held.is_empty()
            && self
                .write(frame, self.next - 1, self.offset - output_bytes as u64)
                .is_ok()
        {
            return Kept::Written;
        }
        self.held.push_back((frame.to_vec(), output_bytes as u64));
        Kept::Held
    }

    /// Adds the record of this one frame, or nothing.
    pub(super) fn try_append(&mut self, frame: &[u8]) -> io::Result<()> {
        if !self.is_written() {
            return Err(Errno::NOSPC.into());
        }
        self.write(frame, self.next, self.offset)?;
        self.next += 1;
        Ok(())
    }

    /// Tries the disk again.
    pub(super) fn retry(&mut self) {
        self.room.may_be_more();
        let held_output: u64 = self.held.iter().map(|(_, output)| output).sum();
        let mut offset = self.offset - held_output;
        while let Some((frame, output_bytes)) = self.held.pop_front() {
            let number = self.next - 1 - self.held.len() as u64;
            if self.write(&frame, number, offset).is_err() {
                self.held.push_front((frame, output_bytes));
                return;
            }
            offset += output_bytes;
        }
        self.held = VecDeque::new();
    }

    /// Writes a record to the newest part, or to one that begins with it. If that fails, nothing
    /// is there of it.
    fn write(&mut self, frame: &[u8], number: u64, offset: u64) -> io::Result<()> {
        let newest = self.parts.back().expect("there is one");
        let len_bytes = newest.len_bytes + frame.len() as u64;
        if newest.first < number && len_bytes > self.part_bytes() {
            self.begin_part(number, offset)?;
        }
        let newest = self.parts.back_mut().expect("there is one");
        if newest.len_bytes == 0 {
            self.head.first = newest.first;
            self.head.offset = offset;
            let mut head = Vec::new();
            self.head.encode(&mut head);
            write_all(&self.file, &head, 0)?;
            newest.len_bytes = head.len() as u64;
        }
        write_all(&self.file, frame, newest.len_bytes)?;
        newest.len_bytes += frame.len() as u64;
        self.room.wrote(frame.len() as u64);
        Ok(())
    }

    /// Begins a part of which the disk takes nothing but its name. Its head comes with the first
    /// record.
    fn begin_empty_part(&mut self) {
        let first = self.written();
        if let Ok(file) = part::open(&self.folder, first, NEW) {
            self.file = file;
            self.parts.push_back(Part {
                first,
                len_bytes: 0,
            });
        }
    }

    fn begin_part(&mut self, first: u64, offset: u64) -> io::Result<()> {
        self.head.first = first;
        self.head.offset = offset;
        let (file, len_bytes) = begin_part(&self.folder, &self.head)?;
        self.file = file;
        self.parts.push_back(Part { first, len_bytes });
        Ok(())
    }

    /// Learns that all records up to `upto` are on record elsewhere.
    pub(super) fn ack(&mut self, upto: u64) {
        // What is only in memory nobody can have on record.
        self.acked = self.acked.max(upto.min(self.written() - 1));
        if !self.held.is_empty() {
            self.retry();
        }
    }

    /// Keeps the next record, and all behind it, until the spool is removed as a whole.
    pub(super) fn keep_next(&mut self) {
        self.kept_from = self.kept_from.min(self.next);
    }

    /// The oldest record that is needed.
    fn needed(&self) -> u64 {
        (self.acked + 1).min(self.kept_from)
    }

    /// Begins another part where no record of the newest is needed, and it is large or takes the room
    /// that a full disk has not: it then can be forgotten.
    pub(super) fn renew(&mut self) {
        let newest = self.parts.back().expect("there is one");
        let is_stale = newest.len_bytes > STALE_PART_BYTES.min(self.part_bytes());
        let is_needed = self.needed() < self.written();
        if !is_needed && self.is_written() && is_stale {
            // It stays, if there can be no other.
            let _ = self.begin_part(self.next, self.offset);
        } else if !is_needed && !self.is_written() && newest.first < self.written() {
            self.begin_empty_part();
        }
    }

    /// Whether [`forget`](Self::forget) removes anything.
    pub(super) fn may_forget(&self, reader: Option<Position>) -> bool {
        self.parts.len() > 1
            && self.parts[1].first <= self.needed()
            && reader.is_none_or(|reader| reader.part >= self.parts[1].first)
    }

    /// The part that is written to, by the number of its first record.
    pub(super) fn newest_part(&self) -> u64 {
        self.parts.back().expect("there is one").first
    }

    /// Removes the parts of which no record is needed, but for the one in which somebody reads, and
    /// those behind it. True if there were some.
    pub(super) fn forget(&mut self, reader: Option<Position>) -> bool {
        let before = self.parts.len();
        while self.may_forget(reader) {
            let part = self.parts.pop_front().expect("there are two");
            // What cannot be removed stays, and is read again as what was acknowledged.
            let _ = unlinkat(&self.folder, part::name(part.first), AtFlags::empty());
        }
        self.parts.len() < before
    }

    /// How large a part becomes, as a rule.
    fn part_bytes(&self) -> u64 {
        (self.bound_bytes() / 8).clamp(MIN_PART_BYTES, PART_BYTES)
    }

    /// Sets another limit.
    pub(super) fn set_limit(&mut self, limit_bytes: u64) {
        self.limit_bytes = limit_bytes.max(MIN_LIMIT_BYTES);
    }

    /// The oldest record there is, or the next there will be.
    pub(super) fn first(&self) -> u64 {
        self.parts.front().expect("there is one").first
    }

    /// The number of the next record.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// The number of the first record that the disk has not taken, or of the next.
    fn written(&self) -> u64 {
        self.next - self.held.len() as u64
    }

    /// Where the output ends that was given to it.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Up to which record all are acknowledged.
    pub(super) const fn acked(&self) -> u64 {
        self.acked
    }

    /// Whether all records are acknowledged.
    pub(super) const fn is_acked(&self) -> bool {
        self.acked + 1 == self.next
    }

    /// Whether its folder was removed: nobody can find it any more.
    pub(super) fn has_no_folder(&self) -> bool {
        fstat(&self.folder).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Removes it from the disk.
    pub(super) fn remove(self) {
        for part in self.parts {
            // Whoever finds it finds all of it acknowledged.
            let _ = unlinkat(&self.folder, part::name(part.first), AtFlags::empty());
        }
    }
}

fn begin_part(folder: &OwnedFd, head: &PartHead) -> io::Result<(OwnedFd, u64)> {
    let file = part::open(folder, head.first, NEW)?;
    let mut bytes = Vec::new();
    head.encode(&mut bytes);
    if let Err(error) = write_all(&file, &bytes, 0) {
        // An empty part is no part, should it stay.
        let _ = unlinkat(folder, part::name(head.first), AtFlags::empty());
        return Err(error);
    }
    Ok((file, bytes.len() as u64))
}

/// Writes all of `bytes` at the end of a file of `len_bytes`, or nothing.
fn write_all(file: &OwnedFd, bytes: &[u8], len_bytes: u64) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match pwrite(file, &bytes[written..], len_bytes + written as u64) {
            Ok(0) => return undo(file, len_bytes, Errno::NOSPC),
            Ok(more) => written += more,
            Err(Errno::INTR) => {}
            Err(errno) => return undo(file, len_bytes, errno),
        }
    }
    Ok(())
}

fn undo(file: &OwnedFd, len_bytes: u64, why: Errno) -> io::Result<()> {
    // Where even that fails, the next record is written over it.
    let _ = ftruncate(file, len_bytes);
    Err(why.into())
}

/// Whether there is a record in the spool of a folder, acknowledged or not. Whoever writes it may be
/// at it.
pub(super) fn has_record(folder: &OwnedFd) -> io::Result<bool> {
    let parts = part::all(&folder::names(folder)?);
    let Some(oldest) = parts.first() else {
        return Ok(false);
    };
    if *oldest > 1 {
        return Ok(true);
    }
    match part::open(folder, *oldest, OFlags::RDONLY) {
        Ok(file) => {
            let len_bytes = u64::try_from(fstat(&file)?.st_size).unwrap_or(0);
            Ok(part::offset_of(&file, 1).is_ok_and(|end| end <= len_bytes))
        }
        // Removed just now, as one is whose records are acknowledged.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether a file of this name is a part of a spool.
pub(super) fn is_part(name: &str) -> bool {
    part::first(name).is_some()
}
