//! Where rows are looked at: in a log that is open, or in a file that nobody has open.

use redb::{Key, ReadTransaction, TableDefinition, TableHandle, Value};

use crate::fault::Fault;
use crate::raw::{Bounds, Row, Snapshot, Widths};

#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    Open(&'a ReadTransaction),
    Closed(&'a Snapshot),
}

pub(crate) type Rows<'a> = Box<dyn Iterator<Item = Result<Row, Fault>> + 'a>;

impl<'a> Source<'a> {
    /// All rows of a table, by key. Of a file that is damaged those as well whose pages are.
    pub(crate) fn rows<K: Key + 'static, V: Value + 'static>(
        self,
        table: TableDefinition<'static, K, V>,
    ) -> Result<Rows<'a>, Fault> {
        match self {
            Source::Open(txn) => Ok(Box::new(open_rows(txn, table)?)),
            Source::Closed(snapshot) => {
                let name = name_of(&table);
                Ok(Box::new(snapshot.rows(name, widths(&table)).map(Ok)))
            }
        }
    }

    /// The same without what only a checksum of its own could vouch for, and has none.
    pub(crate) fn sound_rows<K: Key + 'static, V: Value + 'static>(
        self,
        table: TableDefinition<'static, K, V>,
    ) -> Result<Rows<'a>, Fault> {
        let rows = self.rows(table)?;
        Ok(Box::new(rows.filter(|row| {
            row.as_ref().map_or(true, |row| row.is_sound)
        })))
    }
}

fn open_rows<K: Key + 'static, V: Value + 'static>(
    txn: &ReadTransaction,
    table: TableDefinition<'static, K, V>,
) -> Result<impl Iterator<Item = Result<Row, Fault>> + use<K, V>, Fault> {
    let rows = txn.open_table(table)?.range::<K::SelfType<'static>>(..)?;
    Ok(rows.map(|row| {
        let (key, value) = row?;
        Ok(Row {
            key: K::as_bytes(&key.value()).as_ref().to_vec(),
            value: V::as_bytes(&value.value()).as_ref().to_vec(),
            at: 0,
            is_sound: true,
            bounds: Bounds::default(),
        })
    }))
}

/// The name of a table, which all of ours have in the code.
pub(crate) fn name_of<K: Key + 'static, V: Value + 'static>(
    table: &TableDefinition<'static, K, V>,
) -> &'static str {
    const NAMES: [&str; 14] = [
        "meta",
        "journal",
        "slots",
        "ids",
        "gone",
        "segments",
        "order",
        "erasing",
        "trimming",
        "records",
        "by_created",
        "by_conversation",
        "live",
        "output",
    ];
    let name = NAMES.into_iter().find(|name| *name == table.name());
    name.expect("every table is named above")
}

/// How wide its keys and values are.
pub(crate) fn widths<K: Key + 'static, V: Value + 'static>(
    _: &TableDefinition<'static, K, V>,
) -> Widths {
    Widths {
        key: K::fixed_width(),
        value: V::fixed_width(),
    }
}

/// A number as redb has it in keys and values.
pub(super) fn number(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 8)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}
