//! What who reads all sessions asks for beside their events: their order, and whose the slots are.

use coven_core::{Event, Seq, SessionId};
use redb::ReadTransaction;

use super::Verified;
use crate::cold::order::{Goes, RunsAfter, runs_of_row};
use crate::cold::segment::Segment;
use crate::database::guarded;
use crate::error::Damage;
use crate::fault::{Fault, damage};
use crate::layout::{ORDER, SLOTS};
use crate::raw::Order;
use crate::read::record::{slot_in_row, slot_of_row, slot_unproven};
use crate::read::unpacked::Row;
use crate::tail::Run;

impl Verified<'_> {
    /// As [`runs_after`](crate::cold::order::runs_after); of a page that is damaged that is told behind what it has.
    ///
    /// A row of the order is written once, and nothing of it changes or is taken out until the log is salvaged. So one
    /// that proves itself is right however old the page is, and what the page lacks leaves a gap.
    pub(in crate::read) fn runs_after(
        self,
        after: Seq,
        end: Seq,
        mut each: impl FnMut(Result<Run, Damage>) -> Result<Goes, Fault>,
    ) -> Result<(), Fault> {
        let mut walk = RunsAfter::new(after, end);
        let from = self.row_with(after.next()).unwrap_or(0);
        for leaf in self.reach(ORDER, (from, 0), (u64::MAX, 0), Order::Forward) {
            for ((first, _), row) in &leaf.rows {
                let runs = runs_of_row(*first, row).map_err(|problem| problem.to_string());
                // The place of one that is of `slots`, in a page of those that is here, is sealed as this is.
                let runs = match slot_of_row(*first, row) {
                    Ok(_) if !leaf.is_current() => Err("it may be of another table".to_owned()),
                    Ok(_) | Err(_) => runs,
                };
                if walk.row(*first, runs, &mut each)? == Goes::Enough {
                    return Ok(());
                }
            }
            if let Some(problem) = leaf.problem
                && each(Err(order_damaged(&problem)))? == Goes::Enough
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Where the row of the order begins that has a place, or an earlier one.
    fn row_with(self, seq: Seq) -> Option<u64> {
        self.reach(ORDER, (0, 0), (seq.get(), 0), Order::Backward)
            .find_map(|leaf| {
                let proves_itself = |(first, _), row: &[u8]| runs_of_row(first, row).is_ok();
                leaf.believed(proves_itself).next_back()
            })
            .map(|(first, _)| first)
    }

    /// Whose a slot is, and where that was deleted.
    ///
    /// What a page says that is not what it is to be is believed where something else says so too: it may be from
    /// before the session was deleted, or of another table.
    pub(in crate::read) fn owner(
        self,
        txn: &ReadTransaction,
        slot: u64,
    ) -> Result<(SessionId, Option<Seq>), Fault> {
        let mut problem = None;
        for mut leaf in self.reach(SLOTS, (slot, 0), (slot, 0), Order::Forward) {
            let Some((_, row)) = leaf.rows.pop() else {
                problem = problem.or(leaf.problem);
                continue;
            };
            let (id, deleted_at) = slot_in_row(slot, &row)?;
            let is_right = leaf.is_current()
                || match deleted_at {
                    None => is_living(txn, slot, &id),
                    Some(at) => self.has_deleted(slot, &id, at),
                };
            if is_right {
                return Ok((id, deleted_at));
            }
            problem = problem.or(leaf.problem);
        }
        let problem = problem.unwrap_or_else(|| "nothing says it".to_owned());
        Err(damage(format!(
            "whose slot {slot} is cannot be read: {problem}"
        )))
    }

    /// Whether a session was deleted at a place: the event of that stays there.
    pub(super) fn has_deleted(self, slot: u64, id: &SessionId, at: Seq) -> bool {
        let place = (slot, at.get());
        let mut leaves = self.segments(place, place, Order::Forward);
        leaves.any(|leaf| {
            let mut rows = leaf.rows.iter();
            rows.any(|((_, first), bytes)| deletes((slot, id), *first, bytes))
        })
    }

    /// Whether the last event that can be read of a slot says that its session was deleted, whoever that was.
    pub(crate) fn ends_deleted(self, slot: u64) -> bool {
        let nobody = SessionId::parse("nobody").expect("it is an id");
        let mut leaves = self.segments((slot, 0), (slot, u64::MAX), Order::Backward);
        let last = leaves.find_map(|mut leaf| leaf.rows.pop());
        last.is_some_and(|((_, first), bytes)| deletes((slot, &nobody), first, &bytes))
    }
}

/// Whether a segment is the one of a session that was deleted: it has nothing else.
fn deletes((slot, id): (u64, &SessionId), first: u64, bytes: &[u8]) -> bool {
    let segment = Segment::decode(slot, first, bytes).ok();
    let event = segment.and_then(|segment| {
        let row = Row::all_after(&segment, Seq::ZERO).next()?.ok()?;
        Some(row.event(id).ok()?.event)
    });
    event == Some(Event::Deleted)
}

/// Whether a session is there and that is its slot: as it is deleted it is taken out there.
fn is_living(txn: &ReadTransaction, slot: u64, id: &SessionId) -> bool {
    guarded(|| slot_unproven(txn, id, None)).is_ok_and(|found| found == Some(slot))
}

fn order_damaged(problem: &str) -> Damage {
    Damage {
        session: None,
        seq: None,
        problem: format!("a page of the order of events is damaged: {problem}"),
    }
}
