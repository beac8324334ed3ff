//! `Holes`: which blocks of a file there are, and giving some back to the file system.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::Errno;

/// Where a block may begin in any file system that has blocks of one size; larger ones are those of
/// arrays and networks, which take what is smaller than a block as zeros to be written.
const MAX_BLOCK_BYTES: u64 = 64 << 10;

/// What the file system has of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    /// Bytes of the blocks behind it.
    pub(crate) held_bytes: u64,
    /// Bytes of one.
    pub(crate) block_bytes: u64,
}

pub(crate) trait Holes: Debug + Send + Sync {
    fn blocks(&self) -> io::Result<Blocks>;

    /// The first bytes within `range` that have blocks behind them, as far as they go.
    fn data(&self, range: Range<u64>) -> io::Result<Option<Range<u64>>>;

    /// Gives back the blocks of `range`, which is all zeros then; the file stays as long as it is.
    fn punch(&self, range: Range<u64>) -> io::Result<()>;
}

impl Holes for File {
    fn blocks(&self) -> io::Result<Blocks> {
        let file = self.metadata()?;
        Ok(Blocks {
            held_bytes: file.blocks() * 512,
            block_bytes: file.blksize().clamp(512, MAX_BLOCK_BYTES),
        })
    }

    fn data(&self, range: Range<u64>) -> io::Result<Option<Range<u64>>> {
        let start = match rustix::fs::seek(self, SeekFrom::Data(range.start)) {
            // There is none up to the end of the file.
            Err(Errno::NXIO) => return Ok(None),
            // A file system that does not tell: it may have blocks behind all of it.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some(range)),
            start => start?,
        };
        if start >= range.end {
            return Ok(None);
        }
        let end = rustix::fs::seek(self, SeekFrom::Hole(start))?;
        Ok(Some(start..end.min(range.end)))
    }

    fn punch(&self, range: Range<u64>) -> io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let len = range.end - range.start;
        rustix::io::retry_on_intr(|| rustix::fs::fallocate(self, flags, range.start, len))?;
        Ok(())
    }
}
