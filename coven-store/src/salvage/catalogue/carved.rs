//! What is found in a file beside its trees, as far as what is known does not speak against it.

use std::collections::{BTreeMap, HashSet};

use super::super::carve;
use super::super::groups::Group;
use super::super::witness::Witness;
use super::openings::Openings;
use super::{Catalogue, Origin, Piece, has_lost_its_last};
use crate::cold::order::runs_of_row;
use crate::cold::segment::Segment;
use crate::inspect::OpenFile;
use crate::journal::JournalBatch;
use crate::raw::Snapshot;
use crate::read::slot_of_row;
use crate::stored::Mark;

impl Catalogue {
    /// Takes what can be found in a cold file without following its trees, which were gone through.
    pub(super) fn carve(&mut self, cold: &Snapshot) {
        let witness = self.witness(cold);
        self.pieces.sort_unstable();
        let referred = |piece: &Piece| (piece.slot, piece.first, piece.last);
        self.referred = self.pieces.iter().map(referred).collect();
        // Of these all is known, unless the last commit is not.
        let told: HashSet<u64> = match witness.knows_the_end() {
            true => self.named().collect(),
            false => HashSet::new(),
        };
        carve::cold(&cold.file, |leaf| match leaf {
            carve::Leaf::Segments(rows, are_all) => {
                if are_all {
                    self.join(rows.iter().map(|row| row.key));
                }
                for row in rows {
                    if self.is_lost((row.key.0, row.key.1), &row.value, &witness) {
                        self.take_segment(row.key, &row.value, row.at, Origin::Carved);
                    }
                }
            }
            carve::Leaf::Slots(rows) => {
                for row in rows {
                    let slot = row.key.0;
                    if !told.contains(&slot)
                        && witness.reaches(slot, 0)
                        && self.can_be_named(slot, &row.value)
                    {
                        self.take_slot(slot, &row.value);
                    }
                }
            }
            carve::Leaf::Order(rows) => {
                let runs = |row: &carve::Found| runs_of_row(row.key.0, &row.value);
                let runs = rows.iter().flat_map(|row| runs(row).unwrap_or_default());
                let runs = runs.filter(|run| witness.reaches(run.slot, run.last.get()));
                self.carved_order.extend(runs);
            }
        });
        self.carved_order.sort_unstable_by_key(|run| run.first);
        self.carved_order.dedup();
    }

    /// What the cold file knows of its past.
    fn witness(&self, cold: &Snapshot) -> Witness {
        let end = self.cold_marks.map(|(folded, _)| folded);
        Witness::of(cold, end.filter(|_| !has_lost_its_last(cold)))
    }

    /// What the cold file beside a journal knows of its past.
    pub(super) fn witness_beside(&self, cold: &OpenFile) -> Witness {
        match cold {
            OpenFile::There(cold) => self.witness(cold),
            OpenFile::Missing => Witness::default(),
        }
    }

    fn named(&self) -> impl Iterator<Item = u64> {
        let named = self.owners.iter().filter(|(_, owner)| owner.id.is_some());
        named.map(|(&slot, _)| slot)
    }

    /// Whether a slot is not known to be another session's.
    fn can_be_named(&self, slot: u64, row: &[u8]) -> bool {
        let known = self.owners.get(&slot).and_then(|owner| owner.id.as_ref());
        known.is_none_or(|known| slot_of_row(slot, row).is_ok_and(|(id, _)| id == *known))
    }

    /// Whether a segment has events that the trees do not lead to, and they can have been in the log.
    fn is_lost(&self, (slot, first): (u64, u64), bytes: &[u8], witness: &Witness) -> bool {
        let Ok(head) = Segment::head(slot, first, bytes) else {
            return false;
        };
        if !witness.reaches(slot, head.last) {
            return false;
        }
        let Ok(segment) = Segment::decode(slot, first, bytes) else {
            return false;
        };
        let rows = || segment.rows().map_while(Result::ok);
        rows().any(|(seq, _)| !self.is_referred(slot, seq.get()))
            && witness.bears_out(slot, rows().map(|(seq, row)| (seq.get(), row.len() as u64)))
    }

    /// Takes of the groups that can be put together out of what is found in a journal, by position: of each position
    /// that is not `known` one that fits those that are, and that no later opening of the log let go of. None
    /// is beyond the end, where that is known.
    pub(super) fn carve_journal(
        &mut self,
        groups: Vec<Group>,
        witness: &Witness,
        mut known: Known,
        mut openings: Openings,
        end: Option<u64>,
    ) {
        for group in &groups {
            openings.meet(group.position, group.opened);
        }
        let can_be = |group: &Group, known: &Known| {
            end.is_none_or(|end| group.position <= end)
                && !openings.let_go(group.position, group.opened)
                && known.takes(group.mark, group.first())
                && group
                    .batches
                    .iter()
                    .all(|batch| is_borne_out(batch, witness))
        };
        let mut groups = groups.into_iter().peekable();
        while let Some(group) = groups.next() {
            let others = std::iter::from_fn(|| groups.next_if(|it| it.position == group.position));
            let others: Vec<Group> = others.collect();
            let mut left = std::iter::once(group).chain(others);
            let Some(group) = left.find(|group| can_be(group, &known)) else {
                continue;
            };
            // Nothing says which of two openings wrote what was committed: it may be either, or neither.
            if left.any(|it| it.opened != group.opened && can_be(&it, &known)) {
                continue;
            }
            known.add(group.mark, &group.batches);
            // The journal is known not to be whole.
            let _ = self.take_group(group.mark, group.batches, Origin::Carved);
        }
    }
}

fn is_borne_out(batch: &JournalBatch, witness: &Witness) -> bool {
    let rows = batch.rows.iter();
    let rows = rows.map(|(seq, row)| (seq.get(), row.len() as u64));
    witness.bears_out(batch.slot, rows)
}

/// The groups that are known, by position: the place of the first event, if that is known too, and
/// the counters after the last.
pub(super) struct Known(BTreeMap<u64, (Option<u64>, Mark)>);

impl Known {
    /// Those that the marks are of.
    pub(super) fn up_to(trimmed: Option<Mark>, folded: Option<Mark>) -> Self {
        let marks = trimmed.into_iter().chain(folded);
        Self(marks.map(|mark| (mark.position, (None, mark))).collect())
    }

    pub(super) fn add(&mut self, mark: Mark, batches: &[JournalBatch]) {
        let first = batches.first().and_then(|batch| batch.rows.first());
        let first = first.map(|(seq, _)| seq.get());
        self.0.insert(mark.position, (first, mark));
    }

    /// Whether a group can be the one at its position, which is not known, as those are that are known next
    /// before and behind it.
    fn takes(&self, mark: Mark, first: Option<u64>) -> bool {
        let is_free = match self.0.get(&mark.position) {
            Some((Some(_), _)) => false,
            Some((None, known)) => *known == mark,
            None => true,
        };
        let before = self.0.range(..mark.position).next_back();
        let behind = mark.position.checked_add(1);
        let behind = behind.and_then(|from| self.0.range(from..).next());
        is_free
            && before.is_none_or(|(_, (_, before))| follows(before, (mark, first)))
            && behind.is_none_or(|(_, &(first, behind))| follows(&mark, (behind, first)))
    }
}

/// Whether a group, the place of whose first event may be known, can be one that comes after another.
fn follows(before: &Mark, (mark, first): (Mark, Option<u64>)) -> bool {
    let is_next = mark.position == before.position + 1;
    let first_fits = match first {
        Some(first) if is_next => before.last_seq + 1 == first,
        Some(first) => before.last_seq < first,
        // An import takes positions for which there are no events.
        None => before.last_seq <= mark.last_seq,
    };
    first_fits && before.last_slot <= mark.last_slot
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn mark(position: u64, last_seq: u64) -> Mark {
        Mark {
            position,
            last_seq,
            last_slot: 1,
        }
    }

    #[test]
    fn a_group_is_not_taken_whose_places_others_have_however_many_are_lost_between_them() {
        let mut known = Known::up_to(Some(mark(2, 20)), None);
        known.0.insert(9, (Some(41), mark(9, 50)));
        assert!(known.takes(mark(5, 33), Some(30)));
        assert!(known.takes(mark(3, 21), Some(21)), "the next one");
        assert!(known.takes(mark(8, 40), Some(40)), "the last one before");
        for (group, first) in [
            (mark(5, 33), 20),
            (mark(5, 260), 21),
            (mark(5, 41), 30),
            (mark(3, 22), 22),
            (mark(8, 39), 39),
            (mark(10, 55), 50),
            (mark(12, 55), 50),
        ] {
            assert!(!known.takes(group, Some(first)), "{group:?} from {first}");
        }
    }
}
