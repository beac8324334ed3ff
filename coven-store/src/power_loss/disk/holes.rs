//! The blocks of a file on the model of a disk, and giving them back.

use std::io;
use std::ops::Range;

use super::drive::Change;
use super::{ModelDisk, Operation, position};
use crate::file::{Blocks, Holes};

/// What the file system takes for a file at once. One that is all zeros counts as a hole.
const BLOCK_BYTES: usize = 4096;

#[derive(Debug)]
pub(super) struct ModelHoles {
    pub(super) disk: ModelDisk,
    pub(super) inode: u64,
}

impl Holes for ModelHoles {
    fn blocks(&self) -> io::Result<Blocks> {
        Ok(Blocks {
            held_bytes: held_bytes(&self.disk.state().drive(self.inode)?.now),
            block_bytes: BLOCK_BYTES as u64,
        })
    }

    fn data(&self, range: Range<u64>) -> io::Result<Option<Range<u64>>> {
        let mut state = self.disk.state();
        let within = &state.drive(self.inode)?.now[position(range.start)..position(range.end)];
        let mut blocks = within.chunks(BLOCK_BYTES).map(is_hole);
        let Some(first) = blocks.position(|is_hole| !is_hole) else {
            return Ok(None);
        };
        let more = blocks.position(|is_hole| is_hole);
        let at = |block: usize| range.start + (block * BLOCK_BYTES) as u64;
        let end = more.map_or(range.end, |more| at(first + 1 + more));
        Ok(Some(at(first)..end))
    }

    /// Zeros that are written, or not, like any others; but the file does not become longer.
    fn punch(&self, range: Range<u64>) -> io::Result<()> {
        let change = Operation::Hole(Change::Write {
            offset: position(range.start),
            data: vec![0; position(range.end - range.start)],
        });
        *self.disk.state().holes.entry(self.inode).or_default() += 1;
        self.disk.operate(self.inode, change)
    }
}

/// Bytes of the blocks that `file` has.
pub(super) fn held_bytes(file: &[u8]) -> u64 {
    let blocks = file.chunks(BLOCK_BYTES);
    (blocks.filter(|block| !is_hole(block)).count() * BLOCK_BYTES) as u64
}

fn is_hole(block: &[u8]) -> bool {
    // At once: byte by byte takes a while where nothing is optimised.
    block == &[0; BLOCK_BYTES][..block.len()]
}
