use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableHandle};

use super::*;
use crate::file::shadow::Locking;
use crate::layout::{IDS, SEGMENTS};
use crate::raw::Widths;

const ROWS: u64 = 1500;

/// Rows whose keys are of two parts, of a number and of text.
const OF_TWO: TableDefinition<(i64, &str), u64> = TableDefinition::new("of two");

/// A database of some levels that is open, of which some was written since and most was not.
fn database() -> (Proven, Database) {
    let holes = tempfile::tempfile().expect("a file");
    let file = Box::new(InMemoryBackend::new());
    let shadow = Shadow::held(file, Box::new(holes), Locking::None).expect("it has a length");
    shadow.release().expect("memory");
    let proven = Proven::new(shadow, DeadSectors::default());
    let db = Database::builder()
        .set_cache_size(0)
        .create_with_backend(proven.clone())
        .expect("memory");
    write(&db, 0..ROWS);
    proven.learn().expect("memory");
    write(&db, 0..1);
    (proven, db)
}

fn write(db: &Database, rows: std::ops::Range<u64>) {
    let txn = db.begin_write().expect("memory");
    {
        let mut segments = txn.open_table(SEGMENTS).expect("a table");
        let mut ids = txn.open_table(IDS).expect("a table");
        let mut of_two = txn.open_table(OF_TWO).expect("a table");
        for row in rows {
            let name = format!("session-{row}");
            segments.insert((row, 1), &[1; 300][..]).expect("memory");
            ids.insert(&*name, row).expect("memory");
            let key = ((ROWS - row).cast_signed(), &*name);
            of_two.insert(key, row).expect("memory");
        }
    }
    txn.commit().expect("memory");
}

/// How many rows are read.
fn read(db: &Database) -> Result<u64, redb::Error> {
    fn count<K: redb::Key, V: redb::Value>(
        txn: &redb::ReadTransaction,
        table: TableDefinition<K, V>,
    ) -> Result<u64, redb::Error> {
        let table = txn.open_table(table)?;
        let mut rows = table.iter()?;
        rows.try_fold(0, |count, row| {
            row.map(|_| count + 1).map_err(redb::Error::from)
        })
    }
    let txn = db.begin_read()?;
    Ok(count(&txn, SEGMENTS)? + count(&txn, IDS)? + count(&txn, OF_TWO)?)
}

/// Where the leaves of a table are, some of them.
fn leaves(proven: &Proven, table: &'static str, widths: Widths) -> Vec<u64> {
    let file = proven.last().expect("memory");
    let rows = file.rows(table, widths);
    let mut leaves: Vec<u64> = rows.map(|row| row.at / PAGE as u64 * PAGE as u64).collect();
    leaves.dedup();
    leaves.into_iter().step_by(7).collect()
}

#[test]
fn of_a_page_that_was_forgotten_it_is_looked_up_what_it_is_to_be() {
    let (proven, _) = database();
    let width = |key| Widths { key, value: None };
    let of_number = Widths {
        value: Some(8),
        ..width(None)
    };
    let of_each = [
        (SEGMENTS.name(), width(Some(16))),
        (IDS.name(), of_number),
        (OF_TWO.name(), of_number),
    ];
    for (table, widths) in of_each {
        let leaves = leaves(&proven, table, widths);
        assert!(leaves.len() > 2, "{table}");
        for at in leaves {
            let (proven, db) = database();
            proven.seen().known = Known::default();
            assert_eq!(read(&db).expect("it is whole"), 3 * ROWS);
            proven.seen().known = Known::default();
            let mut rows = [0];
            proven.0.file.read(at + 2, &mut rows).expect("memory");
            proven.0.file.write(at + 2, &[rows[0] - 1]).expect("memory");
            read(&db).expect_err(&format!("{table}, the leaf at byte {at}"));
        }
    }
}
