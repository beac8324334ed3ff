//! What a fold takes out of the tail.

use coven_core::SessionId;

use super::{Row, Run, Standing, Tail};
use crate::stored::Mark;

/// Everything that the tail has at one moment.
pub(crate) struct Fold {
    /// How far the cold file is when it has this.
    pub(crate) mark: Mark,
    /// By slot, ascending.
    pub(crate) slots: Vec<FoldedSlot>,
    pub(crate) runs: Vec<Run>,
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
        })
    }
}
