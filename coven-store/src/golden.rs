//! The bytes on disk: every variant of every stored type, and every table, as `tests/format/`
//! has them. What is there was written by a released version and must be read for ever: lines are
//! added to it and never changed. `COVEN_BLESS=1` writes it anew while a format is being made.

mod histories;
mod home;
mod rows;

use std::collections::BTreeSet;

use coven_core::{EventKind, Seq, Timestamp};
use redb::{Database, ReadableTable, TableDefinition};

use crate::file::journal_path;
use crate::layout::{ERASING, META, TRIMMING, meta};
use crate::stored::Mark;
use crate::test_support::*;

use histories::{histories, write};
pub(crate) use home::homes;
use rows::{dump, dump_journal, restore, unhex};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/format/v3.txt");

fn golden() -> String {
    std::fs::read_to_string(GOLDEN).expect("the golden file")
}

/// What is the same whenever it is written: no two logs have the same name, nor do two openings.
fn is_pinned(line: &&str) -> bool {
    let by_chance = ["meta \"log\"", "meta \"opened\""];
    !line.starts_with("segments ") && !by_chance.iter().any(|row| line.contains(row))
}

#[tokio::test]
async fn every_row_is_written_to_the_bytes_it_always_was() {
    let home = Home::new();
    let store = home.open();
    write(&store).await;
    store.close().await;
    let found = dump(&home.path()) + &dump_journal(&journal_path(&home.path()));
    if std::env::var_os("COVEN_BLESS").is_some() {
        std::fs::write(GOLDEN, &found).expect("the golden file");
    }
    let golden = golden();
    let found: Vec<&str> = found.lines().filter(is_pinned).collect();
    let golden: Vec<&str> = golden.lines().filter(is_pinned).collect();
    for (found, golden) in found.iter().zip(&golden) {
        assert_eq!(found, golden);
    }
    assert_eq!(found.len(), golden.len());
}

#[tokio::test]
async fn the_bytes_that_were_ever_written_are_read_as_what_they_were() {
    let home = Home::new();
    home.open().close().await;
    let db = Database::open(home.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    for line in golden().lines() {
        restore(&txn, line);
    }
    let folded = {
        let meta = txn.open_table(META).expect("a table");
        let folded = meta.get(meta::FOLDED).expect("a read").expect("a row");
        Mark::unseal(folded.value(), meta::FOLDED).expect("a mark")
    };
    txn.commit().expect("a commit");
    drop(db);
    empty_journal(&home, folded);

    let store = home.open();
    let mut expected = Seq::ZERO;
    for (session, events) in histories() {
        let stored = events_of(&store, session);
        if session == "gone" {
            assert_eq!(stored, Vec::new());
            expected = events.iter().fold(expected, |seq, _| seq.next());
            continue;
        }
        let mut stored = stored.iter();
        for (event, nanos) in events.iter().zip(1..) {
            expected = expected.next();
            if *event == output(0, "old") {
                continue;
            }
            let stored = stored.next().expect("it is there");
            assert_eq!(stored.seq, expected);
            assert_eq!(&stored.event, event, "{session}");
            let at = Timestamp::from_nanos(1_763_800_000_000_000_000 + nanos);
            assert_eq!(stored.at, at);
            assert_eq!(stored.actor, (nanos % 2 == 1).then(actor));
        }
        assert_eq!(stored.next(), None, "{session}");
    }
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
    let next = append(&store, "new", vec![created()]).await.expect("new");
    assert_eq!(next.first, expected.next());
}

#[test]
fn the_examples_of_the_document_are_rows_that_are_pinned_and_are_sealed_as_it_says() {
    let document = include_str!("../../docs/log-format.md");
    let pinned = golden();
    let is_row = |line: &&str| line.starts_with("slots ") || line.starts_with("events (");
    let examples: Vec<&str> = document.lines().filter(is_row).collect();
    assert_eq!(examples.len(), 2);
    for example in &examples {
        assert!(pinned.lines().any(|line| line == *example), "{example}");
    }
    let row = unhex("010466756c6c00778e89e4");
    let (body, sum) = row.split_at(row.len() - 4);
    let covered = [1_u64.to_be_bytes().as_slice(), body].concat();
    assert_eq!(crc32fast::hash(&covered).to_le_bytes(), sum);
    // A key of two parts, the last of which says by its end how long it is.
    let key = <(&str, &str, u64) as redb::Value>::as_bytes(&("sh", "talk", 7));
    let expected = [b"\x02\x04shtalk".as_slice(), &7_u64.to_le_bytes()].concat();
    assert_eq!(key.as_slice(), expected);
}

/// Has the journal say that it was emptied up to `mark`.
fn empty_journal(home: &Home, mark: Mark) {
    let db = Database::open(journal_path(&home.path())).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    let trimmed = mark.seal(meta::TRIMMED);
    txn.open_table(META)
        .expect("a table")
        .insert(meta::TRIMMED, trimmed.as_slice())
        .expect("a row");
    txn.commit().expect("a commit");
}

/// What is on these lists is gone in a moment, so that no log that was closed has any of it.
#[test]
fn the_lists_of_what_is_to_be_erased_and_trimmed_are_numbers_by_the_name_they_always_had() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let db = Database::create(folder.path().join("lists")).expect("a database");
    let txn = db.begin_write().expect("a transaction");
    for name in ["erasing", "trimming"] {
        let as_ever = TableDefinition::<u64, u64>::new(name);
        let mut table = txn.open_table(as_ever).expect("a table");
        table.insert(7, 300).expect("a row");
    }
    for table in [ERASING, TRIMMING] {
        let table = txn.open_table(table).expect("it is the same");
        let found = table.get(7).expect("a row").map(|row| row.value());
        assert_eq!(found, Some(300));
    }
    let bytes = <u64 as redb::Value>::as_bytes(&300).to_vec();
    assert_eq!(bytes, [0x2c, 1, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn every_kind_of_event_is_pinned() {
    let pinned: BTreeSet<String> = histories()
        .iter()
        .flat_map(|(_, events)| events)
        .map(|event| format!("{:?}", event.kind()))
        .collect();
    let all = EventKind::ALL.map(|kind| format!("{kind:?}"));
    assert_eq!(pinned, BTreeSet::from(all));
}
