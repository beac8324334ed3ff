mod kept;
mod long_leaf;

use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableHandle};

use super::*;
use crate::file::shadow::Locking;
use crate::layout::{IDS, SEGMENTS};
use crate::raw::Widths;

const ROWS: u64 = 1500;

/// Rows whose keys are of two parts, of a number and of text.
const OF_TWO: TableDefinition<(i64, &str), u64> = TableDefinition::new("of two");

fn proven(file: impl StorageBackend) -> Proven {
    proven_that_keeps(file, 0)
}

fn proven_that_keeps(file: impl StorageBackend, short_bytes: usize) -> Proven {
    let holes = tempfile::tempfile().expect("a file");
    let shadow = Shadow::held(Box::new(file), Box::new(holes), Locking::None);
    let shadow = shadow.expect("it has a length");
    shadow.release().expect("memory");
    Proven::new(shadow, &Past::default(), short_bytes)
}

/// A database of some levels that is open, of which some was written since and most was not.
fn database() -> (Proven, Database) {
    let (proven, db) = database_on(proven(InMemoryBackend::new()));
    write(&db, 0..1);
    (proven, db)
}

/// One that keeps no page itself, of which nothing was written since it is open.
fn database_on(proven: Proven) -> (Proven, Database) {
    let db = Database::builder()
        .set_cache_size(0)
        .create_with_backend(proven.clone())
        .expect("memory");
    write(&db, 0..ROWS);
    proven.learn().expect("memory");
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
fn no_page_is_handed_on_that_is_not_what_it_is_to_be_be_it_told_written_or_forgotten() {
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
        // The first one was written since.
        let leaves = leaves(&proven, table, widths);
        assert!(leaves.len() > 2, "{table}");
        for (at, is_forgotten) in leaves.into_iter().flat_map(|at| [(at, true), (at, false)]) {
            let (proven, db) = database();
            let forget = || {
                if is_forgotten {
                    proven.seen().known = Known::default();
                }
            };
            forget();
            assert_eq!(read(&db).expect("it is whole"), 3 * ROWS);
            forget();
            turn(&proven, at + 2, 3);
            read(&db).expect_err(&format!("{table}, the leaf at byte {at}, {is_forgotten}"));
        }
    }
}

#[test]
fn one_bit_that_turned_is_put_right_for_who_writes_and_two_are_not() {
    let (proven, db) = database();
    let widths = Widths {
        key: Some(16),
        value: None,
    };
    let at = leaves(&proven, SEGMENTS.name(), widths)[1];
    let mut page = vec![0; PAGE];
    proven.read(at, &mut page).expect("memory");
    let read = || {
        let mut found = vec![0; PAGE];
        proven.read(at, &mut found).map(|()| found)
    };
    for (turned, is_put_right) in [(&[2][..], true), (&[2, 700], false)] {
        turned.iter().for_each(|byte| turn(&proven, at + byte, 4));
        read().expect_err("others are told");
        let found = putting_right(read);
        assert_eq!(found.ok(), is_put_right.then(|| page.clone()));
        // From then on it is right for all.
        assert_eq!(read().ok(), is_put_right.then(|| page.clone()));
    }
    drop(db);
}

#[test]
fn of_the_pages_that_were_refused_those_are_told_in_which_a_bit_had_turned() {
    let (proven, db) = database();
    let widths = Widths {
        key: Some(16),
        value: None,
    };
    let leaves = leaves(&proven, SEGMENTS.name(), widths);
    let [turned, was_misread, altered] = leaves[..3] else {
        panic!("{leaves:?}");
    };
    let refuse = |at: u64, bits: u8| {
        turn(&proven, at + 2, bits);
        proven
            .read(at, &mut [0; PAGE])
            .expect_err("it is not right");
    };
    refuse(turned, 4);
    refuse(was_misread, 4);
    turn(&proven, was_misread + 2, 4);
    refuse(altered, 3);
    assert_eq!(proven.put_right_what_was_refused(), [turned]);
    let is_given = |at: u64| proven.read(at, &mut [0; PAGE]).is_ok();
    assert_eq!(
        [turned, was_misread, altered].map(is_given),
        [true, true, false]
    );
    drop(db);
}

#[test]
fn it_is_looked_for_bits_that_turned_for_so_long_and_no_longer() {
    let (proven, db) = database();
    let widths = Widths {
        key: Some(16),
        value: None,
    };
    let at = leaves(&proven, SEGMENTS.name(), widths)[1];
    let mut page = vec![0; PAGE];
    turn(&proven, at + 2, 3);
    putting_right(|| proven.read(at, &mut page)).expect_err("two bits turned");
    assert_eq!(proven.seen().effort, Effort(999));
    proven.seen().effort = Effort(0);
    turn(&proven, at + 2, 1);
    putting_right(|| proven.read(at, &mut page)).expect_err("it is not looked for");
    drop(db);
}

/// Turns bits of the byte at `at`.
fn turn(proven: &Proven, at: u64, bits: u8) {
    let mut byte = [0];
    proven.0.bare.file.read(at, &mut byte).expect("memory");
    proven
        .0
        .bare
        .file
        .write(at, &[byte[0] ^ bits])
        .expect("memory");
}

/// The branch that leads to a page.
fn branch_above(proven: &Proven, at: u64) -> u64 {
    let file = proven.last().expect("memory");
    let (teller, mut told) = Teller::of(&file);
    while let Some(page) = told.pop() {
        let bytes = file.file.read(page.at, page.len_bytes).expect("memory");
        let below: Vec<_> = teller.below(&bytes, page.widths).collect();
        if below.iter().any(|it| it.at == at) {
            return page.at;
        }
        told.extend(below);
    }
    panic!("nothing leads there")
}

/// As after an opening: no more is known than what everything is below of.
fn know_roots_alone(proven: &Proven) {
    proven.seen().known = Known::default();
    proven.learn().expect("memory");
}

#[test]
fn a_page_below_a_branch_that_is_put_right_is_held_to_what_the_branch_tells_of_it() {
    let (proven, db) = database();
    let widths = Widths {
        key: Some(16),
        value: None,
    };
    let leaf = leaves(&proven, SEGMENTS.name(), widths)[3];
    let branch = branch_above(&proven, leaf);
    for (in_leaf, is_right) in [(0, true), (3, false)] {
        know_roots_alone(&proven);
        turn(&proven, branch + 12, 1);
        turn(&proven, leaf + 2, in_leaf);
        let rows = putting_right(|| read(&db));
        assert_eq!(rows.ok(), is_right.then_some(3 * ROWS));
    }
}

#[test]
fn a_page_is_refused_where_what_may_lead_to_it_is_damaged() {
    let (proven, db) = database();
    let widths = Widths {
        key: Some(16),
        value: None,
    };
    let leaf = leaves(&proven, SEGMENTS.name(), widths)[3];
    let branch = branch_above(&proven, leaf);
    let mut page = vec![0; PAGE];
    know_roots_alone(&proven);
    proven
        .read(leaf, &mut page)
        .expect("it is what was written");
    turn(&proven, branch + 12, 3);
    know_roots_alone(&proven);
    proven
        .read(leaf, &mut page)
        .expect_err("whether it is cannot be told");
    drop(db);
}

#[test]
fn what_leads_to_a_page_is_found_whatever_keys_it_has() {
    let (proven, _) = database();
    let file = proven.last().expect("memory");
    let (_, mut told) = Teller::of(&file);
    let teller = proven.seen().teller.expect("it is open");
    let mut pages = 0;
    while let Some(page) = told.pop() {
        let bytes = file.file.read(page.at, page.len_bytes).expect("memory");
        for content in [&bytes, &vec![1; bytes.len()]] {
            let Lead::Told(found) = file.lead_to(page.at, content) else {
                panic!("nothing leads to {page:?}");
            };
            assert_eq!(found.sum, page.sum, "{page:?}");
        }
        told.extend(teller.below(&bytes, page.widths));
        pages += 1;
    }
    assert!(pages > 100, "{pages}");
    let nowhere = file.lead_to(file.file.len() - PAGE as u64, &[1; PAGE]);
    assert!(matches!(nowhere, Lead::Nothing), "{nowhere:?}");
    assert!(!proven.seen().known.has_new(), "all is committed");
}

/// A file that fails once.
#[derive(Debug)]
struct Failing {
    file: InMemoryBackend,
    /// It gives a byte that is not there.
    read: Arc<AtomicBool>,
    /// It takes half of what is written.
    write: Arc<AtomicBool>,
}

impl StorageBackend for Failing {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)?;
        if self.read.swap(false, Ordering::Relaxed) {
            out[2] ^= 1;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.write.swap(false, Ordering::Relaxed) {
            self.file.write(offset, &data[..data.len() / 2])?;
            return Err(rustix::io::Errno::IO.into());
        }
        self.file.write(offset, data)
    }
}

#[test]
fn a_read_that_goes_wrong_once_is_done_again_and_of_a_write_that_failed_nothing_is_known() {
    let [failing_read, failing_write] = <[Arc<AtomicBool>; 2]>::default();
    let proven = proven(Failing {
        file: InMemoryBackend::new(),
        read: Arc::clone(&failing_read),
        write: Arc::clone(&failing_write),
    });
    let db = Database::builder().create_with_backend(proven.clone());
    write(&db.expect("memory"), 0..1);
    proven.learn().expect("memory");
    // Nothing leads there.
    let at = proven.len().expect("memory");
    proven.set_len(at + PAGE as u64).expect("memory");
    let mut page = vec![7; PAGE];
    proven.write(at, &page).expect("memory");
    failing_read.store(true, Ordering::Relaxed);
    proven.read(at, &mut page).expect("it is read again");
    assert_eq!(page, [7; PAGE]);
    failing_write.store(true, Ordering::Relaxed);
    proven.write(at, &[8; PAGE]).expect_err("it fails");
    proven.read(at, &mut page).expect("it may be anything");
    assert_eq!(page[PAGE / 2 - 1..=PAGE / 2], [8, 7]);
}
