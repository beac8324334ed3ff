//! Looking at so many sessions at a time, by slot.

#[cfg(test)]
mod tests;

use std::iter::Peekable;
use std::ops::RangeInclusive;

use super::cold::Inspection;
use super::finding::{Finding, Loss};
use super::sessions::{Sessions, is_nowhere};
use super::slots::Slots;
use super::source::{Rows, number};
use crate::fault::Fault;
use crate::layout::SLOTS;

/// Slots that are looked at together: some 250 bytes each.
pub(super) const WINDOW_SLOTS: usize = 1 << 16;

/// Every slot there can be.
pub(super) const ALL_SLOTS: RangeInclusive<u64> = 0..=u64::MAX;

impl Inspection<'_> {
    /// Looks at everything but the counters, at most so many slots at a time.
    pub(super) fn look_at_windows(&mut self, most_slots: usize) -> Result<(), Fault> {
        let mut slots = self.source.rows(SLOTS)?.peekable();
        let mut sessions = Sessions::begin(self.source)?;
        let mut from = 0;
        loop {
            self.slots = Slots::default();
            let to = self.take_slots(&mut slots, most_slots)?;
            self.window = from..=to;
            self.look_at_slots()?;
            self.look_at_sessions(&mut sessions)?;
            self.look_at_indexes()?;
            self.look_at_order()?;
            self.keep_what_is_wanted();
            match to.checked_add(1) {
                Some(next) => from = next,
                None => break,
            }
        }
        self.look_for_stray_deletions();
        Ok(())
    }

    /// Takes in the slots of the next window, and says where it ends.
    fn take_slots(
        &mut self,
        rows: &mut Peekable<Rows<'_>>,
        most_slots: usize,
    ) -> Result<u64, Fault> {
        // A window does not end where a key may not be what it was.
        while let Some(row) = rows.next_if(|row| {
            let is_certain = row.as_ref().is_ok_and(|row| row.is_sound);
            !is_certain || self.slots.known.len() < most_slots
        }) {
            let row = row?;
            if !is_nowhere(&row) {
                self.take_slot(&row);
            }
        }
        self.take_bad();
        let last = self.slots.known.last_key_value();
        let last = last.map_or(0, |(slot, _)| *slot);
        Ok(match rows.peek() {
            Some(Ok(row)) => number(&row.key, 0).saturating_sub(1).max(last),
            Some(Err(_)) | None => u64::MAX,
        })
    }

    /// Whether what is told of all windows together is told in this one.
    pub(super) fn is_first_window(&self) -> bool {
        *self.window.start() == 0
    }

    /// Whether every slot is in this window.
    pub(super) fn is_only_window(&self) -> bool {
        self.window == ALL_SLOTS
    }

    fn keep_what_is_wanted(&mut self) {
        for slot in &self.wanted {
            if let Some(known) = self.slots.known.get(slot) {
                self.met.insert(*slot, known.deleted_at.is_none());
            }
        }
    }

    /// Rows that lead to no session's deletion in any window.
    fn look_for_stray_deletions(&mut self) {
        let stray = self.gone.rows.saturating_sub(self.gone.told);
        if stray > 0 && !self.is_only_window() && !self.is_torn("gone") {
            let problem = format!("{stray} of its rows are not where a session's deletion is");
            self.findings
                .add(Finding::of("gone", problem, Loss::Nothing));
        }
    }
}

/// The rows of the deletions of ids, over all windows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gone {
    pub(super) rows: u64,
    /// Those that are right, or were told.
    pub(super) told: u64,
}
