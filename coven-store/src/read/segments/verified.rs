//! The same out of the file itself: each page is believed by the checksum that the one above it has of it, and
//! one that is damaged costs what is in it and no more.
//!
//! redb looks at no checksum, and to go through one session's segments it looks into the page beside theirs: so
//! damage of another's keeps it from them. This is for who met that, and takes longer.

mod of_all;
mod output;
mod standing;
#[cfg(test)]
mod tests;

use coven_core::{Event, Seq, SessionId};
use redb::{Key as RedbKey, ReadTransaction, TableDefinition, Value};

use super::{END, Part, Seeing, Seen};
use crate::cold::order::Goes;
use crate::cold::segment::Segment;
use crate::database::guarded;
use crate::error::Damage;
use crate::fault::{Fault, damage};
use crate::inspect::{name_of, widths};
use crate::layout::{SEGMENTS, SLOTS};
use crate::raw::{Key, Leaf, Order, Reach, Snapshot};
use crate::read::cache::Facts;
use crate::read::record::{slot_of_row, slot_unproven};
use crate::read::unpacked::Row;

/// The file as one commit left it.
#[derive(Clone, Copy)]
pub(crate) struct Verified<'a>(&'a Snapshot);

impl<'a> Verified<'a> {
    pub(crate) const fn of(snapshot: &'a Snapshot) -> Self {
        Self(snapshot)
    }

    /// The slot of a session, and what there is to know of it beside its events; `None` where there is none, or
    /// it was deleted.
    pub(in crate::read) fn find(
        self,
        txn: &ReadTransaction,
        id: &SessionId,
        tail: Option<u64>,
    ) -> Result<Option<(u64, Facts)>, Fault> {
        let found = guarded(|| slot_unproven(txn, id, tail));
        let found = match found {
            Err(Fault::Damage(damage)) => self.slot_by_slots(id, damage)?,
            found => found?,
        };
        let Some(slot) = found else {
            return Ok(None);
        };
        let facts = self.facts(slot, id)?;
        let row = self.row(SLOTS, slot).ok().flatten();
        match row.and_then(|row| slot_of_row(slot, &row).ok()) {
            Some((owner, deleted_at)) if owner == *id => {
                Ok(deleted_at.is_none().then_some((slot, facts)))
            }
            // The cold file may have nothing of it yet; and its record proves whose the slot is as well. So does a
            // page of `ids`, which the database was handed as it was written, where that of the slots is damaged.
            None if tail.is_some()
                || self.kept(slot, id).is_any()
                || self.sound_row(SLOTS, slot).is_err() =>
            {
                Ok(Some((slot, facts)))
            }
            Some(_) | None => Err(Fault::Damage(Damage {
                session: Some(id.clone()),
                seq: None,
                problem: format!("nothing says that slot {slot} is its own"),
            })),
        }
    }

    /// The same where the index of ids is damaged: all slots are looked at, which takes as long as there are sessions.
    fn slot_by_slots(self, id: &SessionId, damage: Damage) -> Result<Option<u64>, Fault> {
        let mut found = None;
        let mut is_whole = true;
        for slot in self.slots() {
            match slot {
                Some((slot, owner, deleted_at)) if owner == *id => {
                    found = deleted_at.is_none().then_some(slot);
                }
                Some(_) => {}
                None => is_whole = false,
            }
        }
        match found {
            None if !is_whole => match self.slot_by_records(id) {
                None => Err(Fault::Damage(damage)),
                found => Ok(found),
            },
            found => Ok(found),
        }
    }

    /// As [`Segments::each`](super::Segments::each). Where a page is damaged that may have some of the session,
    /// what is in it before that is given, and nothing after it.
    pub(in crate::read) fn each(
        self,
        of: Part<'_>,
        facts: &Facts,
        trimmed_bytes: u64,
        each: impl FnMut(Row<'_>) -> Result<Goes, Fault>,
    ) -> Result<Seen, Fault> {
        if facts.known.is_some_and(|known| known.last_seq <= of.after) {
            return Ok(Seen::NOTHING);
        }
        let mut seeing = Seeing::new(of, trimmed_bytes, each);
        let wanted = of.after.get().saturating_add(1);
        let begins = facts.known.map_or(0, |known| known.first_seq.get());
        let from = self.near(of.slot, wanted).unwrap_or(0);
        let mut may_lack = None;
        for leaf in self.segments((of.slot, from), (of.slot, of.last.get()), Order::Forward) {
            let problem = leaf.problem.map(|problem| page_damaged(of.id, &problem));
            // Before the first row too: its key may have become another's.
            may_lack = may_lack.or_else(|| problem.clone());
            for ((_, first), bytes) in &leaf.rows {
                // What is damaged before it has none that are wanted if there is no place for them.
                let next = seeing
                    .last
                    .map_or(wanted.max(begins), |last| last.next().get());
                if let Some(fault) = may_lack.take().filter(|_| *first > next)
                    && !(seeing.last.is_none() && begins_session(of, *first, bytes))
                {
                    return Err(fault);
                }
                // This one may be what it was some commits before, and had less then.
                may_lack.clone_from(&problem);
                let is_behind = seeing.last.is_none_or(|last| last.get() < *first);
                let segment = match Segment::decode(of.slot, *first, bytes) {
                    Ok(segment) if is_behind || problem.is_none() => segment,
                    // It is in the place of others, or itself not what it was: as if it were not there.
                    Ok(_) => continue,
                    Err(malformed) if problem.is_none() => {
                        return Err(of.damaged(*first, &malformed));
                    }
                    Err(malformed) => {
                        may_lack = Some(of.damaged(*first, &malformed));
                        continue;
                    }
                };
                if seeing.take_some(&segment)? == Goes::Enough {
                    return Ok(seeing.seen(Goes::Enough));
                }
            }
        }
        let end = facts.known.map_or(END, |known| known.last_seq).min(of.last);
        match may_lack {
            Some(fault) if seeing.last.is_none_or(|last| last < end) => Err(fault),
            Some(_) | None => Ok(seeing.seen(Goes::On)),
        }
    }

    /// As [`Segments::after`](super::Segments::after).
    pub(in crate::read) fn after(self, slot: u64, seq: Seq) -> Option<Seq> {
        let from = (slot, seq.get().saturating_add(1));
        let mut leaves = self.segments(from, (slot, u64::MAX), Order::Forward);
        let next = leaves.find_map(|leaf| leaf.believed(proves_itself).next());
        next.map(|(_, first)| Seq::new(first))
    }

    /// Where the last segment of a slot begins that does so at or before a place.
    fn near(self, slot: u64, seq: u64) -> Option<u64> {
        let mut leaves = self.segments((slot, 0), (slot, seq), Order::Backward);
        let last = leaves.find_map(|leaf| leaf.believed(proves_itself).next_back());
        last.map(|(_, first)| first)
    }

    fn segments(self, from: Key, to: Key, order: Order) -> Reach<'a> {
        self.reach(SEGMENTS, from, to, order)
    }

    fn reach<K: RedbKey + 'static, V: Value + 'static>(
        self,
        table: TableDefinition<'static, K, V>,
        from: Key,
        to: Key,
        order: Order,
    ) -> Reach<'a> {
        self.0
            .reach(name_of(&table), widths(&table), (from, to), order)
    }

    /// A row that has a checksum of its own.
    fn row<V: Value + 'static>(
        self,
        table: TableDefinition<'static, u64, V>,
        key: u64,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let mut problem = None;
        for Leaf {
            mut rows,
            problem: found,
            ..
        } in self.reach(table, (key, 0), (key, 0), Order::Forward)
        {
            if let Some((_, row)) = rows.pop() {
                return Ok(Some(row));
            }
            problem = problem.or(found);
        }
        problem.map_or(Ok(None), |problem| Err(damage(problem)))
    }

    /// One that has none.
    fn sound_row<V: Value + 'static>(
        self,
        table: TableDefinition<'static, u64, V>,
        key: u64,
    ) -> Result<Option<Vec<u8>>, Fault> {
        for mut leaf in self.reach(table, (key, 0), (key, 0), Order::Forward) {
            if let Some(doubt) = doubt_of(&leaf) {
                return Err(damage(doubt));
            }
            if let Some((_, row)) = leaf.rows.pop() {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

/// Why what a page has need not be as it was written last, nor all there is; `None` where it is.
fn doubt_of(leaf: &Leaf) -> Option<String> {
    let may_be_another = || "what leads to its page is damaged".to_owned();
    let doubt = || leaf.problem.clone().unwrap_or_else(may_be_another);
    (!leaf.is_current()).then(doubt)
}

/// Whether a segment has the event that begins its session: nothing of that comes before it.
fn begins_session(of: Part<'_>, first: u64, bytes: &[u8]) -> bool {
    let event = Segment::decode(of.slot, first, bytes)
        .ok()
        .and_then(|segment| {
            let row = Row::all_after(&segment, Seq::ZERO).next()?.ok()?;
            Some(row.event(of.id).ok()?.event)
        });
    matches!(
        event,
        Some(Event::Created { .. } | Event::Registered { .. })
    )
}

/// Whether a segment is whole, and in its place.
fn proves_itself((slot, first): Key, bytes: &[u8]) -> bool {
    Segment::head(slot, first, bytes).is_ok()
}

fn page_damaged(id: &SessionId, problem: &str) -> Fault {
    Fault::Damage(Damage {
        session: Some(id.clone()),
        seq: None::<Seq>,
        problem: format!("a page of its events is damaged: {problem}"),
    })
}

fn number(row: &[u8]) -> u64 {
    row.try_into().map_or(0, u64::from_le_bytes)
}
