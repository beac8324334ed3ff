//! The group behind the end of a journal that was not closed: whole, and nothing leads to it.
//!
//! A commit writes its pages first, and then the first page, which leads to them. Where a kill came in between, nobody
//! was told of the group; where the first page never reached the disk, somebody was. The group tells that it is whole
//! and that it was the next one, so it is taken either way.

use redb::TableHandle;

use super::groups;
use crate::inspect::{Source, trimmed, widths};
use crate::journal;
use crate::layout::{JOURNAL, META, meta};
use crate::raw::Snapshot;
use crate::stored::{Mark, Opened};

/// A group that is to be put behind the last one.
#[derive(Debug)]
pub(crate) struct Beyond {
    pub(crate) mark: Mark,
    pub(crate) bytes: Vec<u8>,
}

/// What is behind the last group of a journal.
#[derive(Debug)]
pub(crate) enum Behind {
    /// Nothing that could be the next one.
    Nothing,
    /// The next one.
    Next(Beyond),
    /// What could be the next one, and is not taken for it: it is to be let go of for good.
    Doubtful,
}

/// The group behind the last one of a journal, if there is one, and one alone that can be it.
pub(crate) fn behind(journal: &Snapshot) -> Behind {
    let Some(last) = last(journal).filter(|_| journal.header.is_open) else {
        return Behind::Nothing;
    };
    let told = opened(journal);
    let mut groups = groups::found_at(journal, last.position + 1);
    groups.retain(|group| {
        let first = group.first();
        let follows = |opened| follows((group.mark, opened), first, last, told);
        group.opened.is_some_and(follows)
    });
    // Where a page is damaged, or the last commit is not whole, the end may be further on.
    let is_the_end = !journal.has_lost_its_last && !journal.has_bad();
    match groups.as_slice() {
        [] => Behind::Nothing,
        [group] if is_the_end && let Some(bytes) = group.bytes(journal) => Behind::Next(Beyond {
            mark: group.mark,
            bytes,
        }),
        _ => Behind::Doubtful,
    }
}

/// Whether the group that begins with an event of the seq `first` was the next one behind `last`: of the opening that is
/// `told` to have written last, or the first of a later one.
fn follows(
    (mark, opened): (Mark, Opened),
    first: Option<u64>,
    last: Mark,
    told: Option<Opened>,
) -> bool {
    let is_next = first == Some(last.last_seq + 1) && mark.last_slot >= last.last_slot;
    let is_later = told.is_none_or(|told| told.began < opened.began);
    is_next && (Some(opened) == told || opened.began == mark.position && is_later)
}

/// The counters at the end of a journal, by what its tree leads to.
fn last(journal: &Snapshot) -> Option<Mark> {
    let trimmed = trimmed(journal)?;
    let rows = Source::Closed(journal).rows(JOURNAL).ok()?;
    let heads = rows.flatten().filter_map(|row| {
        let (position, part) = row.key.split_first_chunk::<8>()?;
        let is_first = part.iter().all(|byte| *byte == 0);
        let position = u64::from_le_bytes(*position);
        is_first.then(|| journal::mark(position, &row.value).ok())
    });
    match heads.last() {
        Some(head) => head.filter(|head| head.position >= trimmed.position),
        None => Some(trimmed),
    }
}

/// Which opening of the log wrote the newest groups.
fn opened(journal: &Snapshot) -> Option<Opened> {
    let mut rows = journal.rows(META.name(), widths(&META));
    let row = rows.find(|row| row.is_sound && row.key == meta::OPENED.as_bytes());
    row.and_then(|row| Opened::unseal(&row.value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_of_the_opening_that_wrote_last_or_the_first_of_a_later_one() {
        let mark = |position, last_seq| Mark {
            position,
            last_seq,
            last_slot: 2,
        };
        let (last, next) = (mark(7, 40), mark(8, 43));
        let opened = |began| Opened { began, by: [3; 8] };
        let told = Some(opened(5));
        for (began, first, is_next) in [
            (5, 41, true),
            (8, 41, true),
            (7, 41, false),
            (1, 41, false),
            (5, 40, false),
            (5, 42, false),
        ] {
            let found = follows((next, opened(began)), Some(first), last, told);
            assert_eq!(found, is_next, "{began} {first}");
        }
        let other = Opened {
            began: 5,
            by: [4; 8],
        };
        assert!(!follows((next, other), Some(41), last, told));
        // Who opened the log let go of that.
        let here = Some(Opened {
            began: 8,
            by: [4; 8],
        });
        assert!(!follows((next, opened(8)), Some(41), last, here));
        assert!(!follows((next, opened(5)), Some(41), last, here));
        assert!(!follows((next, opened(5)), None, last, told));
    }
}
