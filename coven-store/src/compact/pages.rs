//! Every single page that is said to be free, made a hole after every commit.

use std::collections::BTreeMap;

use redb::{Builder, Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition};

use crate::file::{Access, Disk, OsDisk, Shadow};
use crate::raw::{PAGE, RawFile, free_pages};
use crate::test_support::{Home, noise};

const TABLE: TableDefinition<u64, &[u8]> = TableDefinition::new("table");

type Rows = BTreeMap<u64, Vec<u8>>;

/// A database, and what is to be in it.
struct Kept {
    file: Shadow,
    db: Database,
    rows: Rows,
    lot: u64,
    punched_bytes: u64,
}

impl Kept {
    fn open(home: &Home, cache_bytes: usize, seed: u64) -> Self {
        let (file, db) = open(home, cache_bytes);
        Self {
            file,
            db,
            rows: Rows::new(),
            lot: seed,
            punched_bytes: 0,
        }
    }

    fn draw(&mut self, below: u64) -> u64 {
        // xorshift64
        self.lot ^= self.lot << 13;
        self.lot ^= self.lot >> 7;
        self.lot ^= self.lot << 17;
        self.lot % below
    }

    /// Changes some rows, and either commits that or does not.
    fn turn(&mut self) {
        let commits = self.draw(5) > 0;
        let mut rows = self.rows.clone();
        let mut txn = self.db.begin_write().expect("a transaction");
        txn.set_quick_repair(true);
        let mut table = txn.open_table(TABLE).expect("a table");
        let all_but = self.draw(12);
        for _ in 0..1 + self.draw(12) {
            let key = self.draw(40);
            let len = [100, 5000, 60_000, 300_000][usize::try_from(self.draw(4)).expect("small")];
            let value = noise(self.lot, len);
            table.insert(key, value.as_slice()).expect("it is taken");
            rows.insert(key, value);
        }
        if all_but == 0 {
            let from = self.draw(40);
            table.retain(|key, _| key < from).expect("they go");
            rows.retain(|key, _| *key < from);
        }
        drop(table);
        if commits {
            txn.commit().expect("a commit");
            self.rows = rows;
        } else {
            txn.abort().expect("it is given up");
        }
    }

    fn punch_everything(&mut self) {
        let file = RawFile::lent(&self.file).expect("a file");
        let free = free_pages(&file, PAGE as u64).expect("it is kept with each commit");
        let free_bytes: u64 = free.runs.iter().map(|run| run.end - run.start).sum();
        assert_eq!(free.used_bytes + free_bytes, file.len());
        for run in free.runs {
            self.punched_bytes += self.file.punch(run).expect("it is punched");
        }
    }

    fn check(&self) {
        assert!(rows(&self.db.begin_read().expect("a read")) == self.rows);
    }
}

fn open(home: &Home, cache_bytes: usize) -> (Shadow, Database) {
    let file = OsDisk.open(&home.path(), Access::Create).expect("a file");
    let holes = OsDisk.holes(&file).expect("a file");
    let file = Shadow::none(OsDisk.backend(file).expect("a file"), holes);
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    let db = builder.create_with_backend(file.clone());
    (file, db.expect("a database"))
}

fn rows(txn: &ReadTransaction) -> Rows {
    let table = txn.open_table(TABLE).expect("a table");
    let rows = table.iter().expect("rows").map(|row| {
        let (key, value) = row.expect("a row");
        (key.value(), value.value().to_vec())
    });
    rows.collect()
}

/// Lives a while, with readers that stay for some commits.
fn live(cache_bytes: usize, seed: u64) {
    let home = Home::new();
    let mut kept = Kept::open(&home, cache_bytes, seed);
    let mut readers: Vec<(ReadTransaction, Rows)> = Vec::new();
    kept.turn();
    while kept.rows.is_empty() {
        kept.turn();
    }
    for _ in 0..40 {
        kept.punch_everything();
        kept.check();
        if kept.draw(4) == 0 {
            let reader = kept.db.begin_read().expect("a read");
            readers.push((reader, kept.rows.clone()));
        }
        if kept.draw(6) == 0 && !readers.is_empty() {
            let (reader, seen) = readers.remove(0);
            assert!(rows(&reader) == seen, "it sees what it saw");
        }
        kept.turn();
    }
    for (reader, seen) in readers {
        assert!(rows(&reader) == seen, "it sees what it saw");
    }
    assert!(kept.punched_bytes > 10 << 20, "{}", kept.punched_bytes);
    let expected = std::mem::take(&mut kept.rows);
    drop(kept);
    let (_file, mut db) = open(&home, cache_bytes);
    assert!(db.check_integrity().expect("a look"));
    assert!(rows(&db.begin_read().expect("a read")) == expected);
}

#[test]
fn whatever_is_said_to_be_free_may_be_zeros_at_any_time() {
    for seed in 1..5 {
        // Without a cache, what was begun after a commit is in the file too.
        live(0, seed);
        live(256 << 10, 100 + seed);
        live(8 << 20, 200 + seed);
    }
}
