//! Comparing the projections with the log they follow from.

use std::collections::BTreeSet;

use coven_core::{Record, Seq, SessionId};
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata};

use super::rebuild::{fold_session, for_each_output_segment, living_slots};
use super::{conversation_key, created_key, is_live, record_row};
use crate::cold::order::{Goes, runs_after};
use crate::fault::Fault;
use crate::layout::{
    BY_CONVERSATION, BY_CREATED, ERASING, IDS, LIVE, ORDER, OUTPUT, RECORDS, SEGMENTS, SLOTS,
};
use crate::read::{folded, session_of_slot};

/// Problems that are told one by one; more help nobody.
const MAX_PROBLEMS: usize = 100;

/// What an inspection of the log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Sessions that were folded.
    pub sessions: u64,
    /// Events that were folded.
    pub events: u64,
    /// What is not as it should be, in words, at most a hundred of them. Empty: all is well.
    pub problems: Vec<String>,
}

/// Folds every session of the cold file and compares.
pub(crate) fn verify(txn: &ReadTransaction) -> Result<Findings, Fault> {
    let slots = txn.open_table(SLOTS)?;
    let segments = txn.open_table(SEGMENTS)?;
    let projections = Projections::open(txn)?;
    let mut findings = Findings::default();
    let mut expected = Sizes::default();
    let mut output = BTreeSet::new();
    for slot in living_slots(&txn.open_table(IDS)?)? {
        let id = session_of_slot(&slots, slot)?;
        let folded = fold_session(&segments, slot, &id).and_then(|folded| {
            for_each_output_segment(&segments, slot, &id, |key, seq| {
                output.insert((key, seq));
                Ok(())
            })?;
            Ok(folded)
        });
        match folded {
            Ok((record, count)) => {
                findings.sessions += 1;
                findings.events += count;
                projections.compare(slot, &id, &record, &mut expected, &mut findings)?;
            }
            Err(Fault::Damage(damage)) => findings.report(damage.to_string()),
            Err(fault) => return Err(fault),
        }
    }
    projections.compare_sizes(&expected, &mut findings)?;
    compare_output(txn, output, &mut findings)?;
    compare_order(txn, &mut findings)?;
    Ok(findings)
}

impl Findings {
    fn report(&mut self, problem: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

struct Projections {
    records: ReadOnlyTable<u64, &'static [u8]>,
    by_created: ReadOnlyTable<(i64, &'static str), (u64, bool)>,
    by_conversation: ReadOnlyTable<(&'static str, &'static str, u64), ()>,
    live: ReadOnlyTable<u64, ()>,
}

/// How many rows each projection is to have.
#[derive(Default)]
struct Sizes {
    records: u64,
    by_conversation: u64,
    live: u64,
}

impl Projections {
    fn open(txn: &ReadTransaction) -> Result<Self, Fault> {
        Ok(Self {
            records: txn.open_table(RECORDS)?,
            by_created: txn.open_table(BY_CREATED)?,
            by_conversation: txn.open_table(BY_CONVERSATION)?,
            live: txn.open_table(LIVE)?,
        })
    }

    fn compare(
        &self,
        slot: u64,
        id: &SessionId,
        record: &Record,
        expected: &mut Sizes,
        findings: &mut Findings,
    ) -> Result<(), Fault> {
        let row = record_row(slot, record);
        let stored = self.records.get(slot)?;
        if stored.is_none_or(|stored| stored.value() != row) {
            findings.report(format!("the record of {id} is not what its events fold to"));
        }
        let listed = self.by_created.get(created_key(record))?;
        if listed.is_none_or(|listed| listed.value() != (slot, record.session.archived)) {
            findings.report(format!("{id} is not in its place in the list"));
        }
        let conversation = conversation_key(record);
        if let Some((harness, conversation)) = conversation
            && self
                .by_conversation
                .get((harness, conversation, slot))?
                .is_none()
        {
            findings.report(format!("{id} is not found by its conversation"));
        }
        if self.live.get(slot)?.is_some() != is_live(record) {
            findings.report(format!("{id} is counted as live, or dead, and is not"));
        }
        expected.records += 1;
        expected.by_conversation += u64::from(conversation.is_some());
        expected.live += u64::from(is_live(record));
        Ok(())
    }

    fn compare_sizes(&self, expected: &Sizes, findings: &mut Findings) -> Result<(), Fault> {
        let sizes = [
            ("records", self.records.len()?, expected.records),
            ("the list", self.by_created.len()?, expected.records),
            (
                "the conversations",
                self.by_conversation.len()?,
                expected.by_conversation,
            ),
            ("the live sessions", self.live.len()?, expected.live),
        ];
        for (what, found, expected) in sizes {
            if found != expected {
                findings.report(format!("{what}: {found} rows instead of {expected}"));
            }
        }
        Ok(())
    }
}

fn compare_output(
    txn: &ReadTransaction,
    mut expected: BTreeSet<((u64, u64), u64)>,
    findings: &mut Findings,
) -> Result<(), Fault> {
    let erasing = txn.open_table(ERASING)?;
    for row in txn.open_table(OUTPUT)?.iter()? {
        let (key, seq) = row?;
        let is_erased = erasing.get(key.value().0)?.is_some();
        if !is_erased && !expected.remove(&(key.value(), seq.value())) {
            findings.report(format!(
                "the index of output has a row for event {} that it should not have",
                seq.value()
            ));
        }
    }
    for ((_, offset), seq) in expected {
        findings.report(format!(
            "the index of output lacks event {seq}, at offset {offset}"
        ));
    }
    Ok(())
}

/// The order has every event once, up to where the cold file says that it has everything.
fn compare_order(txn: &ReadTransaction, findings: &mut Findings) -> Result<(), Fault> {
    let mut last = Seq::ZERO;
    let mut gap = None;
    let read = runs_after(&txn.open_table(ORDER)?, Seq::ZERO, |run| {
        if run.first != last.next() {
            gap.get_or_insert(run.first);
        }
        last = run.last;
        Ok(Goes::On)
    });
    match read {
        Err(Fault::Damage(damage)) => findings.report(damage.to_string()),
        result => result?,
    }
    if let Some(seq) = gap {
        findings.report(format!("the order of events has a gap before event {seq}"));
    }
    let folded = folded(txn)?.seq();
    if gap.is_none() && last != folded {
        findings.report(format!(
            "the order of events ends at {last}, and the cold file has all up to {folded}"
        ));
    }
    Ok(())
}
