//! The first page of a file: where its pages are, and the roots of its last two commits.

use super::page::{Geometry, PAGE, PageNumber};
use super::{RawFile, checksum};

const MAGIC: &[u8; 9] = b"redb\x1a\x0a\xa9\x0d\x0a";
const FLAGS_AT: usize = 9;
const GEOMETRY_AT: usize = 12;
const COMMITS_AT: usize = 64;
pub(super) const COMMIT_BYTES: usize = 128;
const COMMIT_SUM_AT: usize = COMMIT_BYTES - 16;
const SYSTEM_IS_THERE_AT: usize = 2;
const SYSTEM_AT: usize = 8 + Root::BYTES;
const FORMAT: u8 = 3;

const SECOND_IS_NEWER: u8 = 1;
const RECOVERY_REQUIRED: u8 = 2;
const TWO_PHASES: u8 = 4;

/// What the first page says, as far as it can be believed.
#[derive(Debug)]
pub(crate) struct Header {
    pub(super) geometry: Geometry,
    /// The commits that can be told, the one that redb would take first.
    pub(super) commits: Vec<Commit>,
    /// The last commit may have been interrupted as it was made: redb looks whether it is whole,
    /// and takes the one before it otherwise.
    pub(super) last_is_uncertain: bool,
    /// The last commit was durable before it was said to be the last one.
    pub(super) has_two_phases: bool,
    /// Where the slot of the commit is that redb takes without a look at its pages; `None` where it
    /// looks, or cannot be told.
    pub(super) believed_at: Option<usize>,
    /// What is wrong with it.
    pub(crate) problems: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Commit {
    pub(super) number: u64,
    /// The tree of tables.
    pub(super) user: Option<Root>,
    /// The tree of redb's own tables.
    pub(super) system: Option<Root>,
}

/// A page and what its checksum is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Root {
    pub(super) page: PageNumber,
    pub(super) checksum: u128,
}

impl Root {
    /// Bytes of a root as it is stored, with the number of rows behind it.
    pub(super) const BYTES: usize = 8 + 16 + 8;

    pub(super) fn read(bytes: &[u8; Self::BYTES]) -> Self {
        Self {
            page: PageNumber::from_bits(u64_at(bytes, 0)),
            checksum: u128_at(bytes, 8),
        }
    }
}

impl Header {
    pub(super) fn read(file: &RawFile) -> Self {
        let mut problems = Vec::new();
        let page = file.read(0, PAGE).unwrap_or_else(|_| vec![0; PAGE]);
        if page[..MAGIC.len()] != *MAGIC {
            problems.push("its beginning is not that of a database");
        }
        let flags = page[FLAGS_AT];
        let geometry = Geometry {
            region_header_pages: u32_at(&page, GEOMETRY_AT + 4),
            region_pages: u32_at(&page, GEOMETRY_AT + 8),
        };
        let geometry = if u32_at(&page, GEOMETRY_AT) as usize == PAGE && geometry.is_possible() {
            geometry
        } else {
            problems.push("where its pages begin cannot be told from its first page");
            Geometry::USUAL
        };
        let slot = |number: usize| {
            let at = COMMITS_AT + number * COMMIT_BYTES;
            Commit::read(&page[at..at + COMMIT_BYTES])
        };
        let newer = usize::from(flags & SECOND_IS_NEWER != 0);
        let [last, before] = [slot(newer), slot(newer ^ 1)];
        if last.is_none() {
            problems.push("its last commit cannot be read");
        }
        let mut commits: Vec<Commit> = last.into_iter().chain(before).collect();
        // A commit in two phases is durable before it is said to be the last one; after one in a
        // single phase that was interrupted, what is said may be old.
        if flags & TWO_PHASES == 0 {
            commits.sort_by_key(|commit| std::cmp::Reverse(commit.number));
        }
        let is_believed = flags & TWO_PHASES != 0 && last.is_some();
        Self {
            believed_at: is_believed.then_some(COMMITS_AT + newer * COMMIT_BYTES),
            geometry,
            commits,
            has_two_phases: flags & TWO_PHASES != 0,
            last_is_uncertain: flags & RECOVERY_REQUIRED != 0 && flags & TWO_PHASES == 0,
            problems,
        }
    }
}

impl Commit {
    fn read(bytes: &[u8]) -> Option<Self> {
        let is_whole = bytes[0] == FORMAT
            && checksum(&bytes[..COMMIT_SUM_AT]) == u128_at(bytes, COMMIT_SUM_AT);
        let root = |is_there: u8, at: usize| {
            let root = bytes[at..at + Root::BYTES].try_into();
            (is_there != 0).then(|| Root::read(root.expect("as many bytes")))
        };
        is_whole.then(|| Self {
            number: u64_at(bytes, 104),
            user: root(bytes[1], 8),
            system: root(bytes[SYSTEM_IS_THERE_AT], SYSTEM_AT),
        })
    }
}

/// A commit's slot without the root of redb's own tables.
pub(super) fn without_system(mut slot: Vec<u8>) -> Vec<u8> {
    slot[SYSTEM_IS_THERE_AT] = 0;
    slot[SYSTEM_AT..SYSTEM_AT + Root::BYTES].fill(0);
    let sum = checksum(&slot[..COMMIT_SUM_AT]);
    slot[COMMIT_SUM_AT..].copy_from_slice(&sum.to_le_bytes());
    slot
}

pub(super) fn u128_at(bytes: &[u8], at: usize) -> u128 {
    u128::from_le_bytes(bytes[at..at + 16].try_into().expect("16 bytes"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}
