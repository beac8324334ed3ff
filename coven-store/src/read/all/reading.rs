//! One session's events for a page of all: past what is damaged, and no more than a page can have.

#[cfg(test)]
mod tests;

use coven_core::{Seq, SessionId};

use super::Rows;
use super::cold_file::{ColdFile, From};
use crate::cold::order::Goes;
use crate::database::guarded;
use crate::error::Damage;
use crate::fault::Fault;
use crate::read::ReadLimit;
use crate::read::record::{Known, known_record};
use crate::read::segments::Part;
use crate::read::unpacked::Row;
use crate::stored::{EventRow, decode};

/// One session's events in a page.
pub(super) struct Reading<'a> {
    pub(super) slot: u64,
    pub(super) id: SessionId,
    /// Where they are, in order.
    pub(super) spans: &'a [(Seq, Seq)],
    pub(super) limit: ReadLimit,
}

impl Reading<'_> {
    /// Reads them past the segments that are damaged; gives the last one where there may be more.
    pub(super) fn read(
        &self,
        cold: &mut ColdFile<'_>,
        rows: &mut Rows,
    ) -> Result<Option<Seq>, Fault> {
        let (Some((first, _)), Some((_, last))) = (self.spans.first(), self.spans.last()) else {
            return Ok(None);
        };
        let mut after = Seq::new(first.get() - 1);
        let mut filled = Filled::default();
        while after < *last {
            let found = guarded(|| self.some(cold, after, &mut filled, rows));
            let Err(fault) = found else {
                break;
            };
            let Fault::Damage(mut damage) = fault else {
                return Err(fault);
            };
            damage.session.get_or_insert_with(|| self.id.clone());
            let before = filled.last.unwrap_or(after);
            self.look_for_holes(cold, rows, (after.next(), before))?;
            let from = before.next();
            let at = damage.seq.unwrap_or(from).max(from);
            // Where that cannot be told either, nothing of the session is.
            let next = match &cold.events {
                From::File(file) => file.after(self.slot, at),
                From::Database(tables) => {
                    guarded(|| tables.segments.after(self.slot, at)).unwrap_or(None)
                }
            };
            // Nor where what comes next is none of what comes after it: it goes forward from here, or ends.
            let until = next
                .filter(|next| *next > at)
                .map_or(*last, |next| Seq::new(next.get() - 1))
                .min(*last);
            if let Some((first, last)) = self.within(from, until) {
                cold.lose(first, last, damage);
            }
            filled.last = Some(until);
            after = until;
        }
        let cut_at = filled.last.filter(|_| filled.is_more_than(self.limit));
        self.look_for_holes(cold, rows, (after.next(), cut_at.unwrap_or(*last)))?;
        Ok(cut_at)
    }

    /// Reads them up to what is damaged, or is more than a page has.
    fn some(
        &self,
        cold: &ColdFile<'_>,
        after: Seq,
        filled: &mut Filled,
        rows: &mut Rows,
    ) -> Result<(), Fault> {
        let last = self.spans.last().map_or(after, |(_, last)| *last);
        let of = Part {
            slot: self.slot,
            id: &self.id,
            after,
            last,
        };
        let in_tail = cold.tail.trimmed.get(&self.slot).copied().unwrap_or(0);
        let mut spans = self.spans.iter().copied();
        let mut span = spans.next();
        let take = |row: Row<'_>| {
            while let Some((_, last)) = span
                && last < row.seq
            {
                span = spans.next();
            }
            match span {
                None => return Ok(Goes::Enough),
                Some((first, _)) if first > row.seq => return Ok(Goes::On),
                // What is behind others and belongs before them is met by nobody who looks for it there.
                Some(_) if filled.last.is_some_and(|last| row.seq <= last) => return Ok(Goes::On),
                Some(_) => {}
            }
            if filled.is_more_than(self.limit) {
                return Ok(Goes::Enough);
            }
            let is_new = rows.insert(row.seq, (self.id.clone(), row.bytes.to_vec()));
            if is_new.is_none() {
                filled.take(row.seq, row.bytes.len());
            }
            Ok(Goes::On)
        };
        match &cold.events {
            From::File(file) => {
                let facts = file.facts(self.slot, &self.id)?;
                let trimmed_bytes = facts.trimmed_bytes.max(in_tail);
                file.each(of, &facts, trimmed_bytes, take)?;
            }
            From::Database(tables) => {
                let segments = &tables.segments;
                let in_file = segments.trimmed_bytes(cold.txn, self.slot, &self.id)?;
                segments.each(of, in_file.max(in_tail), take)?;
            }
        }
        Ok(())
    }

    /// A key that was damaged hides what it is of: looks whether all events are there from one place to another.
    /// Of one that was trimmed, or may have been, some are not, but what begins it is, and all that come behind
    /// output that is left: as do those before output which is not the first that is left.
    fn look_for_holes(
        &self,
        cold: &mut ColdFile<'_>,
        rows: &Rows,
        (from, until): (Seq, Seq),
    ) -> Result<(), Fault> {
        let mut holes = self.holes(rows, from, until);
        if holes.is_empty() {
            return Ok(());
        }
        let known = self.known(cold)?;
        let in_tail = cold.tail.trimmed.get(&self.slot).copied().unwrap_or(0);
        let trimmed_bytes = known.map_or(u64::MAX, |known| known.trimmed_bytes.max(in_tail));
        if trimmed_bytes > 0 {
            let left = self.first_output(rows, from, until);
            holes.retain(|(first, last)| {
                let begins = known.is_some_and(|it| (*first..=*last).contains(&it.first_seq));
                begins || left.is_some_and(|(seq, at)| seq < *first || at > trimmed_bytes)
            });
        }
        if let (Some((first, _)), Some((_, last))) = (holes.first(), holes.last()) {
            let missing: u64 = holes
                .iter()
                .map(|(first, last)| last.get() - first.get() + 1)
                .sum();
            let damage = Damage {
                session: Some(self.id.clone()),
                seq: None,
                problem: format!("{missing} events are missing"),
            };
            cold.lose(*first, *last, damage);
        }
        Ok(())
    }

    /// The places of this session from `from` to `until` at which nothing was read.
    fn holes(&self, rows: &Rows, from: Seq, until: Seq) -> Vec<(Seq, Seq)> {
        let mut holes = Vec::new();
        for (first, last) in self.parts(from, until) {
            let mut next = first;
            for (seq, _) in rows.range(first..=last) {
                if next < *seq {
                    holes.push((next, Seq::new(seq.get() - 1)));
                }
                next = seq.next();
            }
            if next <= last {
                holes.push((next, last));
            }
        }
        holes
    }

    /// The first output that was read of those places: where it is, and where in the session's output it begins.
    fn first_output(&self, rows: &Rows, from: Seq, until: Seq) -> Option<(Seq, u64)> {
        let mut read = self
            .parts(from, until)
            .flat_map(|(first, last)| rows.range(first..=last));
        read.find_map(|(seq, (_, row))| {
            let (offset, _) = decode::<EventRow<&[u8]>>(row).ok()?.output()?;
            Some((*seq, offset))
        })
    }

    fn known(&self, cold: &ColdFile<'_>) -> Result<Option<Known>, Fault> {
        let known = guarded(|| match &cold.events {
            From::File(file) => Ok(file.facts(self.slot, &self.id)?.known),
            From::Database(_) => Ok(known_record(cold.txn, self.slot, &self.id)?
                .as_ref()
                .map(Known::from)),
        });
        match known {
            Err(Fault::Damage(_)) => Ok(None),
            known => known,
        }
    }

    /// The first place of this session from `from` to `until`, and the last.
    fn within(&self, from: Seq, until: Seq) -> Option<(Seq, Seq)> {
        let mut parts = self.parts(from, until);
        let (first, last) = parts.next()?;
        Some((first, parts.next_back().map_or(last, |(_, last)| last)))
    }

    /// The places of this session from `from` to `until`.
    fn parts(&self, from: Seq, until: Seq) -> impl DoubleEndedIterator<Item = (Seq, Seq)> {
        let parts = self
            .spans
            .iter()
            .map(move |(first, last)| ((*first).max(from), (*last).min(until)));
        parts.filter(|(first, last)| first <= last)
    }
}

/// How much of one session was read for a page.
#[derive(Debug, Default)]
struct Filled {
    events: usize,
    bytes: usize,
    last: Option<Seq>,
}

impl Filled {
    fn take(&mut self, seq: Seq, len_bytes: usize) {
        self.events += 1;
        self.bytes += len_bytes;
        self.last = Some(seq);
    }

    /// Whether a page would be full before the last of it, whatever it has of other sessions.
    const fn is_more_than(&self, limit: ReadLimit) -> bool {
        self.events > 1 && (self.events > limit.events || self.bytes > limit.bytes)
    }
}
