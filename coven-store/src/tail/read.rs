//! What reads take out of the tail.

use std::collections::HashMap;
use std::sync::Arc;

use coven_core::{HarnessId, Origin, Record, Seq, SessionId};

use super::{Row, Slot, Span, Standing, Tail};
use crate::read::ReadLimit;

/// Events of one session after some place, or its output from some offset on.
#[derive(Default)]
pub(crate) struct TailRows {
    /// The session's slot, where the tail knows it.
    pub(crate) slot: Option<u64>,
    /// Nothing of it is to be read any more.
    pub(crate) is_deleted: bool,
    /// Whether the cold file has nothing that comes before these and is asked for.
    pub(crate) is_whole: bool,
    /// The offset before which output is not to be read, as far as the tail knows.
    pub(crate) trimmed_bytes: u64,
    pub(crate) rows: Vec<Row>,
}

/// Events of all sessions after some place.
pub(crate) struct AllRows {
    pub(crate) is_whole: bool,
    /// The cold file has all up to here, or more since.
    pub(crate) folded: Seq,
    pub(crate) rows: Vec<(SessionId, Row)>,
    /// Sessions that were deleted here: of what the cold file has of them nothing is left.
    pub(crate) deleted: HashMap<u64, Seq>,
    /// The offset before which output is not to be read, of sessions that were trimmed and are
    /// here.
    pub(crate) trimmed: HashMap<u64, u64>,
}

impl Tail {
    /// Where a session stands, if it is here.
    pub(crate) fn standing(&self, id: &SessionId) -> Option<(u64, &Standing)> {
        let number = *self.ids.get(id)?;
        Some((number, &self.slots.get(&number)?.standing))
    }

    /// Every session that is here, by slot, as it stands.
    pub(crate) fn standings(&self) -> HashMap<u64, Option<Arc<Record>>> {
        self.slots
            .iter()
            .map(|(&number, slot)| {
                let record = match &slot.standing {
                    Standing::Living(record) => Some(Arc::clone(record)),
                    Standing::Deleted { .. } => None,
                };
                (number, record)
            })
            .collect()
    }

    /// The newest living session here of a conversation, and which sessions are deleted.
    pub(crate) fn of_conversation(
        &self,
        harness: &HarnessId,
        conversation: &str,
    ) -> (Option<(u64, SessionId)>, Vec<u64>) {
        let mut newest = None;
        let mut deleted = Vec::new();
        for (&number, slot) in &self.slots {
            match &slot.standing {
                Standing::Living(record) => {
                    if is_of_conversation(record, harness, conversation) {
                        newest = Some((number, slot.id.clone()));
                    }
                }
                Standing::Deleted { .. } => deleted.push(number),
            }
        }
        (newest, deleted)
    }

    pub(crate) fn rows(&self, id: &SessionId, after: Seq, limit: ReadLimit) -> TailRows {
        let is_whole = after >= self.folded.seq();
        let Some((slot, state)) = self.slot(id) else {
            return TailRows {
                is_whole,
                ..TailRows::default()
            };
        };
        let is_deleted = matches!(state.standing, Standing::Deleted { .. });
        TailRows {
            slot: Some(slot),
            is_deleted,
            // One that began here has nothing anywhere else.
            is_whole: is_whole || state.began_after(self.folded.seq()),
            trimmed_bytes: state.standing.trimmed_bytes(),
            rows: if is_deleted {
                Vec::new()
            } else {
                state.after(after, limit)
            },
        }
    }

    pub(crate) fn all_rows(&self, after: Seq, limit: ReadLimit) -> AllRows {
        let from = self.runs.partition_point(|run| run.last <= after);
        let mut rows = Vec::new();
        let mut bytes = 0;
        for run in self.runs.range(from..) {
            let Some(slot) = self.slots.get(&run.slot) else {
                continue;
            };
            let at = slot
                .rows
                .partition_point(|row| row.seq < run.first.max(after.next()));
            for row in slot.rows.range(at..).take_while(|row| row.seq <= run.last) {
                bytes += row.bytes.len();
                rows.push((slot.id.clone(), row.clone()));
            }
            if rows.len() >= limit.events || bytes >= limit.bytes {
                break;
            }
        }
        let deleted = self.slots.iter().filter_map(|(&number, slot)| {
            let Standing::Deleted { at } = slot.standing else {
                return None;
            };
            Some((number, at))
        });
        let trimmed = self.slots.iter().filter_map(|(&number, slot)| {
            let trimmed_bytes = slot.standing.trimmed_bytes();
            (trimmed_bytes > 0).then_some((number, trimmed_bytes))
        });
        AllRows {
            is_whole: after >= self.folded.seq(),
            folded: self.folded.seq(),
            rows,
            deleted: deleted.collect(),
            trimmed: trimmed.collect(),
        }
    }

    /// At most `max_bytes` from `offset` on, or from where the output that is left begins.
    pub(crate) fn output(&self, id: &SessionId, offset: u64, max_bytes: u64) -> TailRows {
        let Some((slot, state)) = self.slot(id) else {
            return TailRows::default();
        };
        let trimmed_bytes = state.standing.trimmed_bytes();
        let spans = || {
            let rows = state.rows.iter();
            rows.filter_map(|row| row.output.map(|span| (row, span)))
        };
        let offset = offset.max(trimmed_bytes);
        let end = offset.saturating_add(max_bytes);
        let begins = spans().next().map(|(_, span)| span.offset);
        let within = |span: &Span| span.offset < end && span.offset + span.len_bytes > offset;
        let rows = spans().filter(|(_, span)| within(span));
        TailRows {
            slot: Some(slot),
            is_deleted: matches!(state.standing, Standing::Deleted { .. }),
            is_whole: begins.is_some_and(|begins| begins <= offset)
                || state.began_after(self.folded.seq()),
            trimmed_bytes,
            rows: rows.map(|(row, _)| row.clone()).collect(),
        }
    }

    fn slot(&self, id: &SessionId) -> Option<(u64, &Slot)> {
        let number = *self.ids.get(id)?;
        Some((number, self.slots.get(&number)?))
    }
}

impl Slot {
    fn began_after(&self, seq: Seq) -> bool {
        match &self.standing {
            Standing::Living(record) => record.first_seq > seq,
            Standing::Deleted { .. } => false,
        }
    }

    fn after(&self, after: Seq, limit: ReadLimit) -> Vec<Row> {
        let from = self.rows.partition_point(|row| row.seq <= after);
        let mut bytes = 0;
        let mut rows = Vec::new();
        for row in self.rows.range(from..) {
            if rows.len() >= limit.events || (bytes >= limit.bytes && !rows.is_empty()) {
                break;
            }
            bytes += row.bytes.len();
            rows.push(row.clone());
        }
        rows
    }
}

fn is_of_conversation(record: &Record, harness: &HarnessId, conversation: &str) -> bool {
    match &record.session.origin {
        Origin::Launched {
            conversation_id, ..
        } => {
            record.session.harness == *harness
                && conversation_id
                    .as_ref()
                    .is_some_and(|id| id.as_str() == conversation)
        }
        Origin::External { .. } => false,
    }
}
