//! The tables: where everything is in the file.
//!
//! A session is known by its *slot* in every key, a short number that is never used again. The
//! log proper is `events` with `order` (which batch came when), `slots`, `ids`, `gone` and
//! `erasing`. The rest are projections: they follow from the log, change in the same transaction
//! as it, and can be rebuilt to the same bytes.

use redb::{Table, TableDefinition, WriteTransaction};

use crate::fault::{Fault, damage};

/// What `magic` holds in every log of Coven, in every format.
pub(crate) const MAGIC: &[u8] = b"coven event log";

/// The keys of [`META`].
pub(crate) mod meta {
    /// [`MAGIC`](super::MAGIC).
    pub(crate) const MAGIC: &str = "magic";
    /// The format's number, a little-endian u32.
    pub(crate) const FORMAT: &str = "format";
    /// The last Seq given, a little-endian u64. Never derived from what is stored, since a
    /// deletion can lower that.
    pub(crate) const LAST_SEQ: &str = "last_seq";
    /// The last slot given, a little-endian u64.
    pub(crate) const LAST_SLOT: &str = "last_slot";
}

/// What the file is, and its counters. Stays as it is in every format, so that any version of
/// Coven can tell what it has before it.
pub(crate) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

/// slot → whose it is. Kept for ever: a few bytes for each session there ever was.
pub(crate) const SLOTS: TableDefinition<u64, &[u8]> = TableDefinition::new("slots");

/// id → slot, of the sessions that are not deleted.
pub(crate) const IDS: TableDefinition<&str, u64> = TableDefinition::new("ids");

/// id → the place of its last `Deleted` event.
pub(crate) const GONE: TableDefinition<&str, u64> = TableDefinition::new("gone");

/// (slot, seq) → event.
pub(crate) const EVENTS: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("events");

/// The first seq of a batch → (slot, its last seq). With one row a batch, the order of all
/// sessions costs next to nothing in a flood.
pub(crate) const ORDER: TableDefinition<u64, (u64, u64)> = TableDefinition::new("order");

/// The slots of deleted sessions whose events are not all erased yet → the place of `Deleted`.
pub(crate) const ERASING: TableDefinition<u64, u64> = TableDefinition::new("erasing");

/// Projection: slot → record.
pub(crate) const RECORDS: TableDefinition<u64, &[u8]> = TableDefinition::new("records");

/// Projection: (created at, id) → (slot, whether it is archived).
pub(crate) const BY_CREATED: TableDefinition<(i64, &str), (u64, bool)> =
    TableDefinition::new("by_created");

/// Projection: (harness, conversation id, slot), of launched sessions that have one.
pub(crate) const BY_CONVERSATION: TableDefinition<(&str, &str, u64), ()> =
    TableDefinition::new("by_conversation");

/// Projection: the slots of launched sessions that have not ended.
pub(crate) const LIVE: TableDefinition<u64, ()> = TableDefinition::new("live");

/// Projection: (slot, offset in its output) → the seq of the output event that begins there, for
/// the first such event of each batch.
pub(crate) const OUTPUT: TableDefinition<(u64, u64), u64> = TableDefinition::new("output");

/// Every table, open for writing.
pub(crate) struct Tables<'txn> {
    pub(crate) meta: Table<'txn, &'static str, &'static [u8]>,
    pub(crate) slots: Table<'txn, u64, &'static [u8]>,
    pub(crate) ids: Table<'txn, &'static str, u64>,
    pub(crate) gone: Table<'txn, &'static str, u64>,
    pub(crate) events: Table<'txn, (u64, u64), &'static [u8]>,
    pub(crate) order: Table<'txn, u64, (u64, u64)>,
    pub(crate) erasing: Table<'txn, u64, u64>,
    pub(crate) records: Table<'txn, u64, &'static [u8]>,
    pub(crate) by_created: Table<'txn, (i64, &'static str), (u64, bool)>,
    pub(crate) by_conversation: Table<'txn, (&'static str, &'static str, u64), ()>,
    pub(crate) live: Table<'txn, u64, ()>,
    pub(crate) output: Table<'txn, (u64, u64), u64>,
}

impl<'txn> Tables<'txn> {
    /// Opens all, and makes those that are missing.
    pub(crate) fn open(txn: &'txn WriteTransaction) -> Result<Self, Fault> {
        Ok(Self {
            meta: txn.open_table(META)?,
            slots: txn.open_table(SLOTS)?,
            ids: txn.open_table(IDS)?,
            gone: txn.open_table(GONE)?,
            events: txn.open_table(EVENTS)?,
            order: txn.open_table(ORDER)?,
            erasing: txn.open_table(ERASING)?,
            records: txn.open_table(RECORDS)?,
            by_created: txn.open_table(BY_CREATED)?,
            by_conversation: txn.open_table(BY_CONVERSATION)?,
            live: txn.open_table(LIVE)?,
            output: txn.open_table(OUTPUT)?,
        })
    }
}

/// A counter from its bytes in [`META`].
pub(crate) fn counter(bytes: &[u8]) -> Result<u64, Fault> {
    let bytes = bytes.try_into().map(u64::from_le_bytes);
    // Clients read a Seq as a signed number. Nothing counts as far as that.
    bytes
        .ok()
        .filter(|&count| i64::try_from(count).is_ok())
        .ok_or_else(|| damage("a counter is not one"))
}
