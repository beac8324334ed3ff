//! The group behind the end of a journal that was not closed: whole, and nothing leads to it.
//!
//! A commit writes its pages first, and then the first page, which leads to them. Where a kill came in between, nobody
//! was told of the group; where the first page never reached the disk, somebody was. The group tells that it is whole
//! and that it was the next one, so it is taken either way.

use redb::TableHandle;

use super::groups::{self, Group};
use crate::inspect::{Source, trimmed, widths};
use crate::journal;
use crate::layout::{JOURNAL, META, meta};
use crate::raw::Snapshot;
use crate::stored::{Mark, Opened};

/// A group that is to be put behind the last one.
#[derive(Debug)]
pub(crate) struct Beyond {
    pub(crate) mark: Mark,
    pub(crate) opened: Opened,
    pub(crate) bytes: Vec<u8>,
}

/// The group behind the last one of a journal, if there is one, and one alone that can be it.
pub(crate) fn beyond(journal: &Snapshot) -> Option<Beyond> {
    let (last, told) = (last(journal)?, opened(journal));
    // Where a page is damaged, or the last commit is not whole, the end may be further on.
    if !journal.header.is_open || journal.has_lost_its_last || journal.has_bad() {
        return None;
    }
    let groups = groups::found_at(journal, last.position + 1);
    let mut groups = groups.iter().filter(|group| follows(group, last, told));
    let group = groups.next()?;
    if groups.next().is_some() {
        return None;
    }
    Some(Beyond {
        mark: group.mark,
        opened: group.opened?,
        bytes: group.bytes(journal)?,
    })
}

/// Whether a group was the next one: of the opening that wrote last, or the first of a later one.
fn follows(group: &Group, last: Mark, told: Option<Opened>) -> bool {
    let is_next = group.first() == Some(last.last_seq + 1);
    let is_of = |opened: Opened| Some(opened) == told || opened.began == group.position;
    is_next && group.mark.last_slot >= last.last_slot && group.opened.is_some_and(is_of)
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
