//! Compaction: giving back to the file system what a file of the log does not use any more: the cold
//! file whenever that is much, and the journal when the disk is full.
//!
//! redb uses the pages of what was deleted or trimmed again, and keeps their blocks until then. Its
//! own compaction moves pages, and for that nobody may read or write. Here nothing is moved: where
//! enough is free, the blocks behind free pages are given back, and the file has holes there. Its
//! length stays, and redb neither knows of it nor reads a page before it wrote it.
//!
//! What is free is read from the file, as the last commit left it ([`free_pages`]): neither that
//! commit uses such a page, nor the one before it, nor a reader of an older one, for as long as one
//! may see a page it is not free. What redb began after that commit is spared by
//! [`Shadow::punch`]. The thread that does this is the only one that commits, and does not meanwhile.
//! So whatever a crash leaves of a hole, it is in pages that nothing refers to.

#[cfg(test)]
mod pages;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;
use std::time::Instant;

use rustix::io::Errno;

use crate::fault::storage_fault;
use crate::file::Shadow;
use crate::limits::{MAX_RUN_BYTES, PUNCH_AT_ONCE_BYTES, PUNCH_BYTES, PUNCH_TIME};
use crate::raw::{PAGE, RawFile, free_pages};

/// How far giving back is.
#[derive(Debug)]
pub(crate) struct Compaction {
    /// Bytes that may be free and have blocks before any are given back.
    spare_bytes: u64,
    /// What is to be given back.
    wanted: Wanted,
    state: State,
    /// Bytes given back since there was nothing to give back.
    given_bytes: u64,
}

/// How much is to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// What will not be used again soon.
    Much,
    /// Whatever is free: the disk is full.
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There was a commit: there may be enough.
    Due,
    /// There is enough, and what is before this place was not gone through.
    At { end: u64 },
    /// There is nothing to do before the next commit.
    Done,
    /// The file system does not do it.
    Never,
}

impl Default for Compaction {
    /// Gives back nothing unless it is all to be.
    fn default() -> Self {
        Self {
            state: State::Done,
            ..Self::new(u64::MAX)
        }
    }
}

impl Compaction {
    pub(crate) const fn new(spare_bytes: u64) -> Self {
        Self {
            spare_bytes,
            wanted: Wanted::Much,
            state: State::Due,
            given_bytes: 0,
        }
    }

    /// There was a commit.
    pub(crate) fn committed(&mut self) {
        if self.state == State::Done {
            self.state = State::Due;
        }
    }

    /// The disk is full: once, everything that is free is to be given back.
    pub(crate) fn give_all(&mut self) {
        if self.state != State::Never {
            self.wanted = Wanted::All;
            self.state = State::Due;
        }
    }

    /// Gives back everything that is free, as [`Self::step`] does some.
    pub(crate) fn give_all_now(&mut self, file: &Shadow) {
        self.give_all();
        while self.is_due() {
            self.step(file);
        }
    }

    /// Whether anything may ever be given back.
    pub(crate) const fn is_possible(&self) -> bool {
        !matches!(self.state, State::Never)
    }

    pub(crate) const fn is_due(&self) -> bool {
        matches!(self.state, State::Due | State::At { .. })
    }

    /// Looks whether enough is free, and gives some of it back. `file` is not written to meanwhile. Nothing
    /// depends on it: what cannot be given back stays.
    pub(crate) fn step(&mut self, file: &Shadow) {
        let end = match self.state {
            State::Due => None,
            State::At { end } => Some(end),
            State::Done | State::Never => return,
        };
        self.state = match self.give_some(file, end) {
            Ok(Some(end)) => State::At { end },
            Ok(None) => State::Done,
            Err(error) => after(&error),
        };
        if self.state == State::Done {
            self.wanted = Wanted::Much;
        }
        if self.state == State::Done && self.given_bytes > 0 {
            let bytes = std::mem::take(&mut self.given_bytes);
            tracing::info!(bytes, "what the log does not use was given back");
        }
    }

    /// Gives back some of what is free before `end`, or anywhere if there is enough; says where the
    /// rest ends.
    fn give_some(&mut self, file: &Shadow, end: Option<u64>) -> io::Result<Option<u64>> {
        let blocks = file.blocks()?;
        let Some(free) = free_pages(&RawFile::lent(file)?, self.run_bytes()) else {
            return Ok(None);
        };
        let free_bytes = blocks.held_bytes.saturating_sub(free.used_bytes);
        let spare_bytes = match self.wanted {
            Wanted::Much => self.spare_bytes.max(blocks.held_bytes / 8),
            Wanted::All => 0,
        };
        if end.is_none() && free_bytes <= spare_bytes {
            return Ok(None);
        }
        // Half of it stays, as it will be used again soon.
        let wanted_bytes = free_bytes.saturating_sub(spare_bytes / 2);
        let mut step = Step {
            file,
            block_bytes: blocks.block_bytes,
            left_bytes: wanted_bytes.min(PUNCH_BYTES),
            given_bytes: 0,
            began: Instant::now(),
        };
        let given = step.give(&free.runs, end.unwrap_or(u64::MAX));
        self.given_bytes += step.given_bytes;
        if step.given_bytes >= wanted_bytes {
            return Ok(None);
        }
        given
    }

    /// The shortest run of pages that is given back: many short holes would cut the file to pieces.
    fn run_bytes(&self) -> u64 {
        match self.wanted {
            Wanted::Much => (self.spare_bytes / 256).clamp(PAGE as u64, MAX_RUN_BYTES),
            Wanted::All => PAGE as u64,
        }
    }
}

/// What to do after an error. The pages it was about are used by nothing, so whatever they hold
/// now does no harm. What is wrong with the disk, whoever writes to it will find out.
fn after(error: &io::Error) -> State {
    match Errno::from_io_error(error) {
        Some(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NODEV) => {
            tracing::info!(
                "the file system keeps what the log does not use, until it is used again"
            );
            State::Never
        }
        // A hole may take a block to write down; others will be free.
        Some(Errno::NOSPC | Errno::DQUOT) => State::Done,
        _ => {
            let reason = storage_fault(error);
            tracing::warn!(%reason, "what the log does not use is not given back before it is opened again");
            State::Never
        }
    }
}

/// What is given back without a look at what else there is to do.
struct Step<'a> {
    file: &'a Shadow,
    block_bytes: u64,
    left_bytes: u64,
    given_bytes: u64,
    began: Instant,
}

impl Step<'_> {
    /// Gives back what is free before `end`, the last first: redb fills a file from its beginning.
    /// Says where the rest ends, if there is any. However slow the disk is, it gets on.
    fn give(&mut self, runs: &[Range<u64>], end: u64) -> io::Result<Option<u64>> {
        for run in runs.iter().rev() {
            let mut rest = self.whole_blocks(run.start..run.end.min(end));
            while self.file.data(rest.clone())?.is_some() {
                if self.is_over() {
                    return Ok(Some(rest.end));
                }
                let bytes =
                    PUNCH_AT_ONCE_BYTES.min(self.left_bytes.next_multiple_of(self.block_bytes));
                let piece = rest.end.saturating_sub(bytes).max(rest.start)..rest.end;
                self.give_piece(piece.clone())?;
                rest.end = piece.start;
            }
        }
        Ok(None)
    }

    fn is_over(&self) -> bool {
        let is_late = self.given_bytes > 0 && self.began.elapsed() >= PUNCH_TIME;
        is_late || self.left_bytes == 0
    }

    fn give_piece(&mut self, mut piece: Range<u64>) -> io::Result<()> {
        while let Some(data) = self.file.data(piece.clone())? {
            let given_bytes = self.file.punch(data.clone())?;
            self.given_bytes += given_bytes;
            self.left_bytes = self.left_bytes.saturating_sub(given_bytes);
            piece.start = data.end;
        }
        Ok(())
    }

    /// What of `range` is whole blocks; none where that is less than one.
    fn whole_blocks(&self, range: Range<u64>) -> Range<u64> {
        let start = range.start.next_multiple_of(self.block_bytes);
        let end = range.end / self.block_bytes * self.block_bytes;
        start.min(end)..end
    }
}
