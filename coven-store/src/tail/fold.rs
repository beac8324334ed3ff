//! What a fold takes out of the tail.

use coven_core::SessionId;

use super::{ROW_BYTES, Row, Run, SLOT_BYTES, Standing, Tail};
use crate::stored::Mark;

/// Everything that the tail has at one moment.
pub(crate) struct Fold {
    /// How far the cold file is when it has this.
    pub(crate) mark: Mark,
    /// By slot, ascending.
    pub(crate) slots: Vec<FoldedSlot>,
    pub(crate) runs: Vec<Run>,
    /// About what it takes in memory, less what was trimmed, and so no less than what it writes.
    pub(crate) len_bytes: u64,
}

pub(crate) struct FoldedSlot {
    pub(crate) slot: u64,
    pub(crate) id: SessionId,
    pub(crate) standing: Standing,
    pub(crate) rows: Vec<Row>,
}

impl Tail {
    /// What there is to fold; `None` when there is nothing.
    pub(crate) fn fold(&self) -> Option<Fold> {
        if self.groups.is_empty() {
            return None;
        }
        let rows = self.slots.values().flat_map(|slot| &slot.rows);
        let rows_bytes: u64 = rows.map(|row| ROW_BYTES + row.bytes.len() as u64).sum();
        let slots = self.slots.iter().map(|(&number, slot)| FoldedSlot {
            slot: number,
            id: slot.id.clone(),
            standing: slot.standing.clone(),
            rows: slot.rows.iter().cloned().collect(),
        });
        Some(Fold {
            mark: self.last,
            slots: slots.collect(),
            runs: self.runs.iter().copied().collect(),
            len_bytes: rows_bytes + SLOT_BYTES * self.slots.len() as u64,
        })
    }
}
