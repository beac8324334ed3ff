//! The first page of a file: where its pages are, and the roots of its last two commits.
//!
//! What it says of the commits is in one sector, which a disk writes at once or not at all. So a
//! commit that is not what its checksum says was damaged later: no loss of power leaves that. redb
//! goes back to the commit before it then and says nothing, so such a file is not handed to it.

use super::page::{Geometry, PAGE, PageNumber};
use super::{RawFile, checksum};

const MAGIC: &[u8; 9] = b"redb\x1a\x0a\xa9\x0d\x0a";
const FLAGS_AT: usize = 9;
const GEOMETRY_AT: usize = 12;
pub(super) const COMMITS_AT: usize = 64;
pub(super) const COMMIT_BYTES: usize = 128;
pub(super) const COMMIT_SUM_AT: usize = COMMIT_BYTES - 16;
const SYSTEM_IS_THERE_AT: usize = 2;
const SYSTEM_AT: usize = 8 + Root::BYTES;

/// Bytes of the first page that say anything.
pub(crate) const HEADER_BYTES: usize = COMMITS_AT + 2 * COMMIT_BYTES;

const FORMAT: u8 = 3;

const SECOND_IS_NEWER: u8 = 1;
const RECOVERY_REQUIRED: u8 = 2;
const TWO_PHASES: u8 = 4;
const PRIMARY_UNFLUSHED: u8 = 8;
const FLAGS: u8 = SECOND_IS_NEWER | RECOVERY_REQUIRED | TWO_PHASES | PRIMARY_UNFLUSHED;

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
    pub(crate) last: Last,
    /// There is a commit after the one that is called the last, and is not known to have been made: one in two
    /// phases was interrupted between them, or what says which is the last was damaged.
    pub(crate) has_one_after: bool,
    /// It was not closed in order, or is open.
    pub(crate) is_open: bool,
    /// What says how the file was left has a bit that is never set.
    pub(crate) has_odd_flags: bool,
    /// What else is wrong with it.
    pub(crate) problems: Vec<&'static str>,
}

/// What can be told of the last commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// It is there.
    Told,
    /// It is there, and the first page calls the one before it the last.
    Hidden,
    /// One bit of what says it turned, which its checksum tells: it is known.
    Mended,
    /// It cannot be told.
    Lost,
}

impl Last {
    /// What is wrong with it.
    pub(crate) const fn problem(self) -> Option<&'static str> {
        match self {
            Self::Told => None,
            Self::Hidden => Some("its first page calls the commit before its last one the last"),
            Self::Mended => Some("a bit turned in what says which its last commit is"),
            Self::Lost => Some("its last commit cannot be read"),
        }
    }
}

/// What a commit made of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made(Option<Root>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) number: u64,
    /// The tree of tables.
    pub(super) user: Option<Root>,
    /// The tree of redb's own tables.
    pub(super) system: Option<Root>,
}

/// A page and what its checksum is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    pub(crate) fn read(file: &RawFile) -> Self {
        let page = file.read(0, HEADER_BYTES);
        let mut header = Self::of(&page.unwrap_or_else(|_| vec![0; HEADER_BYTES]));
        if !file.is_given(0, HEADER_BYTES) {
            header
                .problems
                .insert(0, "the disk does not give its first page");
        }
        header
    }

    /// Reads the first [`HEADER_BYTES`] of a file.
    pub(crate) fn of(page: &[u8]) -> Self {
        let mut problems = Vec::new();
        if page[..MAGIC.len()] != *MAGIC {
            problems.push("its beginning is not that of a database");
        }
        let flags = page[FLAGS_AT];
        let geometry = Geometry {
            region_header_pages: u32_at(page, GEOMETRY_AT + 4),
            region_pages: u32_at(page, GEOMETRY_AT + 8),
        };
        // No log was ever made with another.
        let geometry = if u32_at(page, GEOMETRY_AT) as usize == PAGE && geometry == Geometry::USUAL
        {
            geometry
        } else {
            problems.push("where its pages begin cannot be told from its first page");
            Geometry::USUAL
        };
        let is_open = flags & RECOVERY_REQUIRED != 0;
        let in_two_phases = flags & TWO_PHASES != 0;
        let newer = usize::from(flags & SECOND_IS_NEWER != 0);
        let (mut last, before) = (Last::Told, Commit::read(slot(page, newer ^ 1)));
        let newest = Commit::read(slot(page, newer)).or_else(|| {
            let mended = Commit::mend(slot(page, newer));
            last = mended.map_or(Last::Lost, |_| Last::Mended);
            mended
        });
        let is_hidden =
            matches!((newest, before), (Some(it), Some(other)) if other.number > it.number);
        let mut commits: Vec<Commit> = newest.into_iter().chain(before).collect();
        // A commit in two phases is durable before it is said to be the last one, and one that is
        // not said to be may not be whole; after one in a single phase that was interrupted, what
        // is said may be old. Where nothing was interrupted, the last one is the newer one.
        if !in_two_phases || !is_open {
            commits.sort_by_key(|commit| std::cmp::Reverse(commit.number));
        }
        if is_hidden && in_two_phases && !is_open {
            last = Last::Hidden;
        }
        let is_believed = in_two_phases && last == Last::Told;
        Self {
            believed_at: is_believed.then_some(COMMITS_AT + newer * COMMIT_BYTES),
            geometry,
            commits,
            has_two_phases: in_two_phases,
            last_is_uncertain: is_open && !in_two_phases,
            last,
            has_one_after: is_hidden && in_two_phases && is_open,
            is_open,
            has_odd_flags: flags & !FLAGS != 0,
            problems,
        }
    }

    /// What the last commit made of the file, where redb looks whether that is whole, and takes the commit
    /// before it otherwise.
    pub(crate) fn uncertain(&self) -> Option<Made> {
        let last = self.commits.first().filter(|_| self.last_is_uncertain)?;
        Some(Made(last.user))
    }

    /// Whether one of its commits has made this.
    pub(crate) fn has(&self, made: Made) -> bool {
        self.commits.iter().any(|commit| commit.user == made.0)
    }

    /// Whether the newest commit that can be told of either is the same one.
    pub(crate) fn ends_as(&self, other: &Self) -> bool {
        let newest = |header: &Self| header.commits.iter().copied().max_by_key(|it| it.number);
        newest(self).is_some_and(|it| newest(other) == Some(it))
    }

    /// The commit with the highest number takes the place of the one that is called the last.
    pub(super) fn take_the_newest(&mut self) {
        self.commits
            .sort_by_key(|commit| std::cmp::Reverse(commit.number));
        self.last = Last::Hidden;
        self.has_one_after = false;
        self.believed_at = None;
    }

    /// The first of its commits.
    pub(super) fn newest(&self) -> Option<Commit> {
        self.commits.first().copied()
    }

    /// Whether it calls the same commit the last as another one does, as well.
    pub(crate) fn says_what(&self, other: &Self) -> bool {
        self.ends_as(other) && self.commits.first() == other.commits.first()
    }

    /// Whether the commit that it calls the last is the one that `before` does, or a later one.
    pub(crate) fn goes_on_from(&self, before: &Self) -> bool {
        let (last, before) = (self.newest(), before.newest());
        last == before || last.map(|it| it.number) > before.map(|it| it.number)
    }

    /// Whether all is well with it.
    pub(crate) fn is_sound(&self) -> bool {
        self.problems.is_empty() && self.last == Last::Told
    }
}

fn slot(page: &[u8], number: usize) -> &[u8] {
    let at = COMMITS_AT + number * COMMIT_BYTES;
    &page[at..at + COMMIT_BYTES]
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

    /// What one says of which one bit turned, in it or in its checksum.
    fn mend(bytes: &[u8]) -> Option<Self> {
        let mut mended = bytes.to_vec();
        (0..COMMIT_BYTES * 8).find_map(|bit| {
            mended[bit / 8] ^= 1 << (bit % 8);
            let commit = Self::read(&mended);
            mended[bit / 8] ^= 1 << (bit % 8);
            commit
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Two commits, the second of which is the last, closed in order or not.
    fn page(flags: u8) -> Vec<u8> {
        let mut page = vec![0; HEADER_BYTES];
        page[..MAGIC.len()].copy_from_slice(MAGIC);
        page[FLAGS_AT] = flags | SECOND_IS_NEWER;
        page[GEOMETRY_AT..GEOMETRY_AT + 4].copy_from_slice(&4096_u32.to_le_bytes());
        page[GEOMETRY_AT + 8..GEOMETRY_AT + 12].copy_from_slice(&(1_u32 << 20).to_le_bytes());
        for (number, commit) in [7_u64, 8].into_iter().enumerate() {
            let at = COMMITS_AT + number * COMMIT_BYTES;
            page[at] = FORMAT;
            page[at + 104..at + 112].copy_from_slice(&commit.to_le_bytes());
            let sum = checksum(&page[at..at + COMMIT_SUM_AT]).to_le_bytes();
            page[at + COMMIT_SUM_AT..at + COMMIT_BYTES].copy_from_slice(&sum);
        }
        page
    }

    fn numbers(header: &Header) -> Vec<u64> {
        header.commits.iter().map(|commit| commit.number).collect()
    }

    #[test]
    fn a_bit_that_turned_anywhere_in_the_last_commit_is_told_and_mended() {
        for flags in [
            0,
            RECOVERY_REQUIRED,
            TWO_PHASES,
            RECOVERY_REQUIRED | TWO_PHASES,
        ] {
            let whole = Header::of(&page(flags));
            assert!(whole.is_sound());
            assert_eq!(numbers(&whole), [8, 7]);
            for bit in 0..COMMIT_BYTES * 8 {
                let mut page = page(flags);
                page[COMMITS_AT + COMMIT_BYTES + bit / 8] ^= 1 << (bit % 8);
                let header = Header::of(&page);
                assert_eq!((header.last, numbers(&header)), (Last::Mended, vec![8, 7]));
            }
        }
    }

    #[test]
    fn a_last_commit_that_is_more_than_a_bit_away_is_lost() {
        let mut page = page(RECOVERY_REQUIRED);
        page[COMMITS_AT + COMMIT_BYTES + 20] ^= 3;
        let header = Header::of(&page);
        assert_eq!((header.last, numbers(&header)), (Last::Lost, vec![7]));
    }

    #[test]
    fn an_older_commit_that_a_closed_file_calls_its_last_is_not_taken_for_it() {
        let mut page = page(TWO_PHASES);
        page[FLAGS_AT] ^= SECOND_IS_NEWER;
        let header = Header::of(&page);
        assert_eq!((header.last, numbers(&header)), (Last::Hidden, vec![8, 7]));
    }

    #[test]
    fn flags_that_turned_are_seen_where_they_call_an_older_commit_the_last_or_are_never_set() {
        let whole = Header::of(&page(RECOVERY_REQUIRED));
        assert!(!whole.has_one_after && !whole.has_odd_flags);
        let mut page = page(RECOVERY_REQUIRED);
        page[FLAGS_AT] ^= SECOND_IS_NEWER | TWO_PHASES;
        assert!(Header::of(&page).has_one_after);
        page[FLAGS_AT] ^= 0x40;
        assert!(Header::of(&page).has_odd_flags);
    }
}
