//! One session's events for a page of all: past what is damaged, and no more than a page can have.

use coven_core::{Seq, SessionId};

use super::{ColdFile, Rows};
use crate::cold::order::Goes;
use crate::database::guarded;
use crate::fault::{Fault, damage};
use crate::read::ReadLimit;
use crate::read::record::known_record;
use crate::read::segments::Part;
use crate::read::unpacked::Row;

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
            let from = filled.last.unwrap_or(after).next();
            let at = damage.seq.unwrap_or(from).max(from);
            // Where that cannot be told either, nothing of the session is.
            let next = match cold.verified {
                Some(verified) => verified.after(self.slot, at),
                None => guarded(|| cold.segments.after(self.slot, at)).unwrap_or(None),
            };
            let until = next
                .map_or(*last, |next| Seq::new(next.get() - 1))
                .min(*last);
            if let Some((first, last)) = self.within(from, until) {
                cold.lose(first, last, damage);
            }
            filled.last = Some(until);
            filled.has_skipped = true;
            after = until;
        }
        if filled.is_more_than(self.limit) {
            return Ok(filled.last);
        }
        self.look_for_holes(cold, &filled)?;
        Ok(None)
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
                Some(_) => {}
            }
            if filled.is_more_than(self.limit) {
                return Ok(Goes::Enough);
            }
            filled.take(row.seq, row.bytes.len());
            rows.insert(row.seq, (self.id.clone(), row.bytes.to_vec()));
            Ok(Goes::On)
        };
        if let Some(verified) = cold.verified {
            let facts = verified.facts(self.slot, &self.id)?;
            let trimmed_bytes = facts.trimmed_bytes.max(in_tail);
            verified.each(of, &facts, trimmed_bytes, take)?;
        } else {
            let in_file = cold.segments.trimmed_bytes(cold.txn, self.slot, &self.id)?;
            cold.segments.each(of, in_file.max(in_tail), take)?;
        }
        Ok(())
    }

    /// A key that was damaged hides what it is of: looks whether all events are there, of a session
    /// none of whose may have been taken out.
    fn look_for_holes(&self, cold: &mut ColdFile<'_>, filled: &Filled) -> Result<(), Fault> {
        let expected: u64 = self
            .spans
            .iter()
            .map(|(first, last)| last.get() - first.get() + 1)
            .sum();
        let missing = expected.saturating_sub(filled.events as u64);
        if missing == 0 || filled.has_skipped {
            return Ok(());
        }
        let record = guarded(|| known_record(cold.txn, self.slot, &self.id))?;
        let is_trimmed = cold.tail.trimmed.contains_key(&self.slot);
        if is_trimmed || record.is_none_or(|record| record.session.trimmed_bytes > 0) {
            return Ok(());
        }
        if let (Some((first, _)), Some((_, last))) = (self.spans.first(), self.spans.last())
            && let Fault::Damage(mut damage) = damage(format!("{missing} events are missing"))
        {
            damage.session = Some(self.id.clone());
            cold.lose(*first, *last, damage);
        }
        Ok(())
    }

    /// The places of this session from `from` to `until`: the first, and the last.
    fn within(&self, from: Seq, until: Seq) -> Option<(Seq, Seq)> {
        let parts = self
            .spans
            .iter()
            .map(|(first, last)| ((*first).max(from), (*last).min(until)));
        let mut parts = parts.filter(|(first, last)| first <= last);
        let (first, last) = parts.next()?;
        Some((first, parts.next_back().map_or(last, |(_, last)| last)))
    }
}

/// How much of one session was read for a page.
#[derive(Debug, Default)]
struct Filled {
    events: usize,
    bytes: usize,
    last: Option<Seq>,
    /// Something was damaged, and is told already.
    has_skipped: bool,
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
