//! The tables: where everything is in the two files.
//!
//! The **journal** is small and takes every commit: one row for each group of batches. The **cold**
//! file has all that was folded out of it: the events of each session in [`SEGMENTS`], the order of
//! all in [`ORDER`], and the records and indexes that follow from them. A fold is one transaction
//! of the cold file and writes into it how far it came ([`meta::FOLDED`]), so the two files never
//! have to agree on anything but that; what is folded is then taken out of the journal.
//!
//! A session is known by its *slot* in every key, a short number that is never used again.

use redb::{Table, TableDefinition, WriteTransaction};

use crate::fault::Fault;

/// What `magic` holds in the cold file of every log of Coven, in every format.
pub(crate) const MAGIC: &[u8] = b"coven event log";

/// The same in every journal.
pub(crate) const JOURNAL_MAGIC: &[u8] = b"coven journal";

/// The keys of [`META`].
pub(crate) mod meta {
    /// [`MAGIC`](super::MAGIC), or [`JOURNAL_MAGIC`](super::JOURNAL_MAGIC).
    pub(crate) const MAGIC: &str = "magic";
    /// The format's number, a little-endian u32.
    pub(crate) const FORMAT: &str = "format";
    /// What a journal has in common with the cold file it belongs to, and with no other: 16 bytes.
    pub(crate) const LOG: &str = "log";
    /// In the cold file: how far it has everything, a [`Mark`](crate::stored::Mark).
    pub(crate) const FOLDED: &str = "folded";
    /// In the cold file, after an import and until the next fold: how far it had everything before,
    /// which is how far the journal is, a [`Mark`](crate::stored::Mark).
    pub(crate) const IMPORTED: &str = "imported";
    /// Once there is any: the slots that no session has, [`Aside`](crate::stored::Aside). In the cold file the one that
    /// an import has begun with is among them, in the journal those alone that came to nothing.
    pub(crate) const ASIDE: &str = "aside";
    /// In the journal: how far it was emptied, a [`Mark`](crate::stored::Mark).
    pub(crate) const TRIMMED: &str = "trimmed";
    /// In the journal: which opening of the log wrote the newest groups, [`Opened`](crate::stored::Opened).
    pub(crate) const OPENED: &str = "opened";
}

/// Both files: what it is, and how far it is. Stays as it is in every format, so that any version
/// of Coven can tell what it has before it.
pub(crate) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

/// The journal: (position, part) → a group of batches, in parts (`crate::journal`).
pub(crate) const JOURNAL: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("journal");

/// slot → whose it is. Kept for ever: a few bytes for each session there ever was.
pub(crate) const SLOTS: TableDefinition<u64, &[u8]> = TableDefinition::new("slots");

/// id → slot, of the sessions that are not deleted.
pub(crate) const IDS: TableDefinition<&str, u64> = TableDefinition::new("ids");

/// id → the place of its last `Deleted` event.
pub(crate) const GONE: TableDefinition<&str, u64> = TableDefinition::new("gone");

/// (slot, the first seq in it) → a run of the session's events (`crate::cold::segment`).
pub(crate) const SEGMENTS: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("segments");

/// The first seq of a stretch of the log → whose events follow one another in it
/// (`crate::cold::order`).
pub(crate) const ORDER: TableDefinition<u64, &[u8]> = TableDefinition::new("order");

/// The slots of deleted sessions whose events are not all erased yet → the place of `Deleted`.
pub(crate) const ERASING: TableDefinition<u64, u64> = TableDefinition::new("erasing");

/// The slots of sessions whose trimmed output is not all taken out of their segments yet → the
/// offset before which output was trimmed.
pub(crate) const TRIMMING: TableDefinition<u64, u64> = TableDefinition::new("trimming");

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

/// Projection: (slot, offset in its output) → the first seq of the segment whose output begins
/// there.
pub(crate) const OUTPUT: TableDefinition<(u64, u64), u64> = TableDefinition::new("output");

/// Every table of the cold file, open for writing.
pub(crate) struct Tables<'txn> {
    pub(crate) meta: Table<'txn, &'static str, &'static [u8]>,
    pub(crate) slots: Table<'txn, u64, &'static [u8]>,
    pub(crate) ids: Table<'txn, &'static str, u64>,
    pub(crate) gone: Table<'txn, &'static str, u64>,
    pub(crate) segments: Table<'txn, (u64, u64), &'static [u8]>,
    pub(crate) order: Table<'txn, u64, &'static [u8]>,
    pub(crate) erasing: Table<'txn, u64, u64>,
    pub(crate) trimming: Table<'txn, u64, u64>,
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
            segments: txn.open_table(SEGMENTS)?,
            order: txn.open_table(ORDER)?,
            erasing: txn.open_table(ERASING)?,
            trimming: txn.open_table(TRIMMING)?,
            records: txn.open_table(RECORDS)?,
            by_created: txn.open_table(BY_CREATED)?,
            by_conversation: txn.open_table(BY_CONVERSATION)?,
            live: txn.open_table(LIVE)?,
            output: txn.open_table(OUTPUT)?,
        })
    }
}
