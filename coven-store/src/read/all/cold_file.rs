//! The cold file as who reads all sessions sees it: through redb, or, for who met damage, without it.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use coven_core::{Seq, SessionId};
use redb::{ReadOnlyTable, ReadTransaction};

use super::Lost;
use crate::cold::order::{Goes, runs_after};
use crate::database::guarded;
use crate::error::Damage;
use crate::fault::Fault;
use crate::layout::{ORDER, SLOTS};
use crate::read::record::{folded, slot_row};
use crate::read::segments::{Segments, Verified};
use crate::tail::{AllRows, Run};

/// The cold file, whose slots are whose, and what of it was found to be damaged.
pub(super) struct ColdFile<'a> {
    pub(super) txn: &'a ReadTransaction,
    pub(super) events: From<'a>,
    pub(super) tail: &'a AllRows,
    /// The sessions that were met, and from where on their events are to be shown.
    owners: HashMap<u64, (SessionId, Seq)>,
    pub(super) lost: Vec<Lost>,
}

/// What it is read from.
pub(super) enum From<'a> {
    Database(Box<Tables<'a>>),
    /// The file itself.
    File(Verified<'a>),
}

/// Its tables in redb.
pub(super) struct Tables<'a> {
    pub(super) segments: Segments<'a>,
    slots: ReadOnlyTable<u64, &'static [u8]>,
}

impl<'a> Tables<'a> {
    pub(super) fn open(txn: &ReadTransaction, segments: Segments<'a>) -> Result<Box<Self>, Fault> {
        Ok(Box::new(Self {
            segments,
            slots: txn.open_table(SLOTS)?,
        }))
    }
}

impl<'a> ColdFile<'a> {
    pub(super) fn new(txn: &'a ReadTransaction, events: From<'a>, tail: &'a AllRows) -> Self {
        Self {
            txn,
            events,
            tail,
            owners: HashMap::new(),
            lost: Vec::new(),
        }
    }

    /// Calls `each` with the runs after a place, as [`runs_after`] does, and with itself.
    pub(super) fn runs_after(
        &mut self,
        after: Seq,
        mut each: impl FnMut(&mut Self, Result<Run, Damage>) -> Result<Goes, Fault>,
    ) -> Result<(), Fault> {
        let end = self.end();
        if let From::File(file) = self.events {
            return file.runs_after(after, end, |run| each(self, run));
        }
        let order = self.txn.open_table(ORDER)?;
        runs_after(&order, after, end, |run| each(self, run))
    }

    /// Where the order ends. It may have been folded since the tail was looked at; where the file no longer says that,
    /// the tail has what comes after.
    fn end(&self) -> Seq {
        let folded = guarded(|| folded(self.txn)).map_or(Seq::ZERO, |mark| mark.seq());
        folded.max(self.tail.folded)
    }

    pub(super) fn owner(&mut self, slot: u64) -> Result<&(SessionId, Seq), Fault> {
        match self.owners.entry(slot) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let (id, deleted_at) = match &self.events {
                    From::File(file) => file.owner(self.txn, slot)?,
                    From::Database(tables) => guarded(|| slot_row(&tables.slots, slot))?,
                };
                let deleted_at = deleted_at.or_else(|| self.tail.deleted.get(&slot).copied());
                Ok(unknown.insert((id, deleted_at.unwrap_or(Seq::ZERO))))
            }
        }
    }

    pub(super) fn lose(&mut self, first: Seq, last: Seq, damage: Damage) {
        tracing::error!(%damage, %first, %last, "events are passed over");
        self.lost.push(Lost {
            first,
            last,
            damage,
        });
    }
}
