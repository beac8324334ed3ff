//! One file on the model of a disk: what is there for sure, what was done since, and what a cut leaves of
//! that.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// What a disk writes at once or not at all.
const SECTOR_BYTES: usize = 512;

/// What a cut leaves of what was not synced.
#[derive(Clone, Copy, Debug)]
pub(in crate::power_loss) enum Survival {
    Nothing,
    /// What a file begins with, which names a commit, and nothing of the commit.
    Beginning,
    All,
    /// A choice by lot, down to the sectors of one write.
    Some {
        seed: u64,
    },
}

/// One file: what the disk has of it for sure, and what was done since.
#[derive(Debug)]
pub(super) struct Drive {
    file: File,
    synced: Vec<u8>,
    pub(super) now: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug)]
pub(super) enum Change {
    Write { offset: usize, data: Vec<u8> },
    SetLen { len: usize },
}

impl Drive {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        // A file of its own: this one must not hold the lock of whoever has it open.
        let itself = format!("/proc/self/fd/{}", file.as_raw_fd());
        let file = File::options().read(true).write(true).open(itself)?;
        let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let mut now = vec![0; len];
        file.read_exact_at(&mut now, 0)?;
        Ok(Self {
            file,
            synced: now.clone(),
            now,
            pending: Vec::new(),
        })
    }

    /// Something that is under way when the power fails: it may be there or not.
    pub(super) fn begin(&mut self, change: Change) {
        self.pending.push(change);
    }

    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.synced);
        }
    }

    /// What the system does where a sync fails: of what was not synced, nothing is on the disk, what names a
    /// commit alone, or a choice by lot; and it takes the rest for written, which no later sync writes. It reads that as it was written
    /// all the same, or as it is on the disk. How long the file is, it knows.
    pub(super) fn sync_failed(&mut self, seed: u64) {
        let mut lot = Lot(seed);
        let survival = match lot.draw() % 3 {
            0 => Survival::Nothing,
            1 => Survival::Beginning,
            _ => Survival::Some { seed: lot.draw() },
        };
        self.synced = self.survivors(survival);
        self.synced.resize(self.now.len(), 0);
        self.pending.clear();
        if lot.draw().is_multiple_of(2) {
            self.now = self.synced.clone();
        }
    }

    /// From now on its first bytes are read as the disk has them, or what is to be written to it yet.
    pub(super) fn forget(&mut self, bytes: usize) {
        let there = self.survivors(Survival::All);
        let bytes = bytes.min(there.len()).min(self.now.len());
        self.now[..bytes].copy_from_slice(&there[..bytes]);
    }

    pub(super) fn survivors(&self, survival: Survival) -> Vec<u8> {
        let mut left = self.synced.clone();
        let mut lot = match survival {
            Survival::Nothing => return left,
            Survival::Beginning => {
                let first = self
                    .pending
                    .iter()
                    .filter(|change| change.is_at_the_beginning());
                first.for_each(|change| change.apply(&mut left));
                return left;
            }
            Survival::All => None,
            Survival::Some { seed } => Some(Lot(seed)),
        };
        for change in &self.pending {
            match &mut lot {
                None => change.apply(&mut left),
                Some(lot) => change.apply_some(&mut left, lot),
            }
        }
        left
    }

    pub(super) fn put(&self, bytes: &[u8]) -> io::Result<()> {
        self.file.set_len(bytes.len() as u64)?;
        self.file.write_all_at(bytes, 0)
    }
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => write(to, *offset, data),
            Self::SetLen { len } => to.resize(*len, 0),
        }
    }

    const fn is_at_the_beginning(&self) -> bool {
        matches!(self, Self::Write { offset: 0, .. })
    }

    /// All of it, nothing, or for a write some of its sectors.
    fn apply_some(&self, to: &mut Vec<u8>, lot: &mut Lot) {
        match (lot.draw() % 3, self) {
            (0, _) => {}
            (1, Self::Write { offset, data }) => {
                let mut sector = *offset;
                let end = offset + data.len();
                while sector < end {
                    let next = ((sector / SECTOR_BYTES + 1) * SECTOR_BYTES).min(end);
                    if lot.draw().is_multiple_of(2) {
                        write(to, sector, &data[sector - offset..next - offset]);
                    }
                    sector = next;
                }
            }
            (_, whole) => whole.apply(to),
        }
    }
}

fn write(to: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[offset..end].copy_from_slice(data);
}

/// SplitMix64.
pub(super) struct Lot(u64);

impl Lot {
    pub(super) const fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
