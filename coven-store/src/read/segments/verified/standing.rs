//! Whose the slots are, and how a session stands, by its record or, where that cannot be believed, by its events.

use coven_core::{Record, Seq, SessionId};
use redb::ReadTransaction;

use super::{Part, Verified, number};
use crate::fault::Fault;
use crate::layout::{RECORDS, SLOTS, TRIMMING};
use crate::projection::fold_rows;
use crate::raw::{Leaf, Order};
use crate::read::cache::Facts;
use crate::read::record::{Known, record_of_row, slot_of_row};

impl<'a> Verified<'a> {
    /// Which commit it is that is read; `None` where that cannot be told.
    pub(crate) fn commit(self) -> Option<u64> {
        self.0.commit_number()
    }

    /// Every slot, whose it is, and where that was deleted; `None` in the place of each of which that cannot be told, and
    /// wherever a page that is not what it is to be may have had others.
    pub(in crate::read) fn slots(
        self,
    ) -> impl Iterator<Item = Option<(u64, SessionId, Option<Seq>)>> + use<'a> {
        let leaves = self.reach(SLOTS, (0, 0), (u64::MAX, 0), Order::Forward);
        leaves.flat_map(move |leaf| {
            let is_current = leaf.is_current();
            let others = move || (!is_current).then_some(None);
            let slots = leaf.rows.into_iter().flat_map(move |((slot, _), row)| {
                let found = slot_of_row(slot, &row).ok();
                let found = found
                    .filter(|(id, deleted_at)| is_current || self.stands(slot, id, *deleted_at))
                    .map(|(id, deleted_at)| (slot, id, deleted_at));
                others().into_iter().chain([found])
            });
            slots.chain(others())
        })
    }

    /// Whether something else says of a session what a page does that may be from before it was deleted, or of another
    /// table: as one is deleted its record is taken out, and the event of that stays.
    fn stands(self, slot: u64, id: &SessionId, deleted_at: Option<Seq>) -> bool {
        match deleted_at {
            None => matches!(self.kept(slot, id), Kept::Current(_)),
            Some(at) => self.has_deleted(slot, id, at),
        }
    }

    /// A session's record; `None` where there is no such session, or it was deleted. Where it is damaged, or cannot be
    /// read, it is folded anew from the session's events.
    pub(crate) fn record(
        self,
        txn: &ReadTransaction,
        id: &SessionId,
    ) -> Result<Option<Record>, Fault> {
        let found = self.find(txn, id, None)?;
        found.map(|(slot, _)| self.record_in(slot, id)).transpose()
    }

    /// The same of a session whose slot that is.
    pub(crate) fn record_in(self, slot: u64, id: &SessionId) -> Result<Record, Fault> {
        match self.kept(slot, id) {
            Kept::Current(record) => Ok(record),
            Kept::Perhaps(_) | Kept::Nothing => self.folded(slot, id),
        }
    }

    /// The record of a session, from its events.
    pub(in crate::read) fn folded(self, slot: u64, id: &SessionId) -> Result<Record, Fault> {
        fold_rows(id, |fold| {
            let of = Part::after(slot, id, Seq::ZERO);
            self.each(of, &Facts::NONE, 0, fold).map(drop)
        })
    }

    /// The records that are as they were written last, by slot.
    pub(in crate::read) fn records(self) -> impl Iterator<Item = (u64, Vec<u8>)> + use<'a> {
        let leaves = self.reach(RECORDS, (0, 0), (u64::MAX, 0), Order::Forward);
        let sound = leaves.filter(Leaf::is_current);
        sound.flat_map(|leaf| leaf.rows.into_iter().map(|((slot, _), row)| (slot, row)))
    }

    /// The slot of a session by its record, which is sealed with its id and taken out as it is deleted.
    pub(super) fn slot_by_records(self, id: &SessionId) -> Option<u64> {
        let mut records = self.records();
        let found = records.find(|(slot, row)| record_of_row(*slot, id, row).is_ok());
        found.map(|(slot, _)| slot)
    }

    /// The record that is kept of a session.
    pub(super) fn kept(self, slot: u64, id: &SessionId) -> Kept {
        let record = |row: Vec<u8>| record_of_row(slot, id, &row).ok();
        match self.sound_row(RECORDS, slot) {
            Ok(row) => row.and_then(record).map_or(Kept::Nothing, Kept::Current),
            Err(_) => {
                let row = self.row(RECORDS, slot).ok().flatten();
                row.and_then(record).map_or(Kept::Nothing, Kept::Perhaps)
            }
        }
    }

    /// As [`Segments::facts`](super::Segments::facts).
    pub(in crate::read) fn facts(self, slot: u64, id: &SessionId) -> Result<Facts, Fault> {
        let kept = self.kept(slot, id);
        if let Kept::Current(record) = &kept {
            let known = Known::from(record);
            return Ok(Facts {
                trimmed_bytes: known.trimmed_bytes,
                known: Some(known),
            });
        }
        let was_trimmed = match kept {
            Kept::Perhaps(record) => record.session.trimmed_bytes,
            Kept::Current(_) | Kept::Nothing => 0,
        };
        let is_trimmed = match self.sound_row(TRIMMING, slot) {
            Ok(row) => row.map_or(0, |row| number(&row)),
            // Who reads page after page asks for each.
            Err(fault) => {
                let notes = &self.0.notes;
                notes
                    .of(slot, || self.trimmed_by_events(slot, id))
                    .ok_or(fault)?
            }
        };
        Ok(Facts {
            trimmed_bytes: is_trimmed.max(was_trimmed),
            known: None,
        })
    }
}

/// The record that is kept of a session.
pub(super) enum Kept {
    /// As it was written last.
    Current(Record),
    /// It proves itself, and is in a page that is not what it is to be: it may be what it was some commits before.
    Perhaps(Record),
    Nothing,
}

impl Kept {
    pub(super) const fn is_any(&self) -> bool {
        matches!(self, Self::Current(_) | Self::Perhaps(_))
    }
}
