//! What the journal has, as far as its tree leads there.

use bytes::Bytes;

use super::super::groups::{self, Group};
use super::carved::Known;
use super::{Catalogue, Origin, has_lost_its_last, u64_of};
use crate::fit::Marks;
use crate::inspect::{OpenFile, groups, trimmed};
use crate::journal::{self, JournalBatch};
use crate::raw::Snapshot;
use crate::stored::Mark;

/// An event of the journal.
#[derive(Clone, Debug)]
pub(in crate::salvage) struct Recent {
    pub(in crate::salvage) bytes: Bytes,
    pub(super) origin: Origin,
}

/// How much is left of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    All,
    /// Not all, and what was recorded last.
    TheEnd,
    /// Perhaps not what was recorded last.
    NotTheEnd,
}

impl Catalogue {
    /// Takes the groups of a journal, and says how much of it that is.
    pub(super) fn take_journal(&mut self, journal: &Snapshot, cold: &OpenFile) -> Left {
        let mut has_end = !has_lost_its_last(journal) && !journal.header.has_one_after;
        let trimmed = trimmed(journal);
        let mut last = trimmed;
        match trimmed {
            Some(mark) => self.count(mark),
            None => has_end = false,
        }
        let folded = self.cold_marks.map(|(folded, _)| folded);
        let mut known = Known::up_to(trimmed, folded);
        let openings = self.openings(journal);
        let folded = folded.map_or(0, |folded| folded.position);
        let mut is_whole = true;
        // The last group that cannot be read.
        let mut unread = 0;
        for group in groups(journal) {
            let bytes: Bytes = group.bytes.into();
            let is_let_go = || openings.let_go(group.position, journal::opened(&bytes));
            match journal::read(group.position, &bytes) {
                // A page that is not what it is to be may be what it was before, of a commit that came to nothing.
                Ok((mark, batches)) if group.is_sound || !is_let_go() => {
                    known.add(mark, &batches);
                    let before = last.map_or(0, |last| last.position).max(folded);
                    is_whole &= mark.position <= before + 1;
                    has_end &= self.take_group(mark, batches, Origin::Tree);
                    last = Some(mark);
                }
                Ok(_) | Err(_) => {
                    is_whole = false;
                    unread = group.position.max(unread);
                }
            }
        }
        has_end &= self.fits(trimmed, last);
        let last = last.map_or(0, |last| last.position);
        for page in journal.take_bad() {
            is_whole = false;
            // What was in it came before a group that is whole, and is not in it.
            let up_to = page.up_to.filter(|_| page.table == "journal");
            has_end &= up_to.is_some_and(|key| u64_of(&key) < last);
        }
        has_end &= unread < last || is_whole;
        if !has_end || !is_whole {
            let groups = groups::found(journal);
            let end = last.max(folded);
            let is_beyond = |group: &Group| {
                group.position > end && !openings.let_go(group.position, group.opened)
            };
            // A first page may have been put back to what it was, or a commit have been cut short: nothing tells.
            has_end &= !(journal.header.is_open && groups.iter().any(is_beyond));
            let end = has_end.then_some(last);
            let witness = self.witness_beside(cold);
            self.carve_journal(groups, &witness, known, openings, end);
        }
        match (is_whole, has_end) {
            (true, true) => Left::All,
            (false, true) => Left::TheEnd,
            (_, false) => Left::NotTheEnd,
        }
    }

    /// Whether this journal is the one that had what was recorded last.
    fn fits(&self, trimmed: Option<Mark>, last: Option<Mark>) -> bool {
        let (Some((folded, imported)), Some(trimmed), Some(last)) =
            (self.cold_marks, trimmed, last)
        else {
            return true;
        };
        let marks = Marks {
            folded,
            imported,
            trimmed,
            last,
        };
        marks.misfit().is_none()
    }

    /// Takes in a group, but for what is of a slot that is another session's: then the journal is of another
    /// branch of the log's history than the cold file. What is known already of a place stays. Says whether it
    /// was all taken.
    pub(super) fn take_group(
        &mut self,
        mark: Mark,
        batches: Vec<JournalBatch>,
        origin: Origin,
    ) -> bool {
        self.count(mark);
        let mut is_all = true;
        for batch in batches {
            let owner = self.owner(batch.slot);
            if *owner.id.get_or_insert_with(|| batch.id.clone()) != batch.id {
                is_all = false;
                continue;
            }
            owner.is_led_to |= origin == Origin::Tree;
            let recent = self.recent.entry(batch.slot).or_default();
            for (seq, bytes) in batch.rows {
                let seq = seq.get();
                recent.entry(seq).or_insert(Recent { bytes, origin });
            }
        }
        is_all
    }
}
