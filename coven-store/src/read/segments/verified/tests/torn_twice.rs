//! Two of the tables are damaged that say what a session is and how it stands: what the third one says, or the events
//! do, is enough to read it.

use std::fs;

use coven_core::{Event, Seq};
use redb::{Database, TableHandle};

use super::copy;
use super::logs::{fold, folded, open_to_read, turn};
use crate::cold::pack::Packer;
use crate::cold::segment::{self, Segment, SegmentRow};
use crate::layout::{IDS, RECORDS, SEGMENTS, SLOTS, TRIMMING};
use crate::raw::{overwrite_first_page, pages, rows};
use crate::test_support::{ALL, Home, events_of, exited, id, output, output_closed, resized, trim};
use crate::{ReadError, inspect};

const SESSIONS: [&str; 5] = ["a", "b", "c", "d", "e"];
/// The slot of the one that is trimmed, which is `c`.
const TRIMMED: u64 = 3;

/// A log of sessions with output, and one, `gone`, that was deleted.
async fn log() -> Home {
    let home = folded(SESSIONS.into_iter().chain(["gone"]).map(str::to_owned)).await;
    for session in SESSIONS {
        let said = vec![output(0, "first"), resized(), output(5, "second")];
        fold(&home, session, said).await;
    }
    fold(&home, "gone", vec![output_closed(), exited(0)]).await;
    fold(&home, "gone", vec![Event::Deleted]).await;
    home
}

/// Trims the one, and has it as it is before anything of that is taken out of its segments.
async fn trim_one(home: &Home) {
    let before = copy(home);
    let store = home.open();
    let trimmed = trim(&store, "c", 0, 5).await.record.last_seq;
    for _ in 0..4 {
        store.fold();
    }
    store.close().await;
    assert_eq!(rows(&home.path(), TRIMMING.name()), 0);
    let [before, file] =
        [&before, home].map(|home| Database::open(home.path()).expect("it is closed"));
    let before = redb::ReadableDatabase::begin_read(&before).expect("a transaction");
    let before = before.open_table(SEGMENTS).expect("a table");
    let txn = file.begin_write().expect("a transaction");
    {
        let mut segments = txn.open_table(SEGMENTS).expect("a table");
        let of_it = (TRIMMED, 0)..(TRIMMED + 1, 0);
        let of_it_now = segments.extract_from_if(of_it.clone(), |_, _| true);
        let mut left: Vec<Vec<u8>> = Vec::new();
        for row in of_it_now.expect("rows") {
            let (key, bytes) = row.expect("a row");
            let segment = Segment::decode(TRIMMED, key.value().1, bytes.value());
            let segment = segment.expect("it is whole");
            let rows = segment.rows().map(|row| row.expect("it is whole"));
            let last = rows.filter(|(seq, _)| *seq == trimmed);
            left.extend(last.map(|(_, bytes)| bytes.to_vec()));
        }
        let row = SegmentRow {
            seq: trimmed,
            bytes: &left[0],
            output: None,
        };
        let bytes = segment::encode(&mut Packer::new(), TRIMMED, &[row]);
        segments
            .insert((TRIMMED, trimmed.get()), &*bytes)
            .expect("a row");
        for row in before.range(of_it).expect("rows") {
            let (key, bytes) = row.expect("a row");
            segments.insert(key.value(), bytes.value()).expect("a row");
        }
        let mut trimming = txn.open_table(TRIMMING).expect("a table");
        trimming.insert(TRIMMED, 5).expect("a row");
    }
    txn.commit().expect("a commit");
}

/// Asserts that all are read as they are, of a log with two tables none of whose rows can be read, and that none is
/// told to be unreadable.
fn assert_are_read(home: &Home, tables: [&str; 2]) {
    let whole = open_to_read(home);
    let torn = copy(home);
    for table in tables {
        overwrite_first_page(&torn.path(), table);
    }
    let store = open_to_read(&torn);
    for session in SESSIONS {
        let what = format!("{session} without {tables:?}");
        assert_eq!(
            events_of(&store, session),
            events_of(&whole, session),
            "{what}"
        );
        let [record, truth] = [&store, &whole].map(|it| it.record(&id(session)).expect("a read"));
        assert!(truth.is_some() && record == truth, "{what}: {record:?}");
        for offset in [0, 3, 5, 8] {
            let [output, truth] =
                [&store, &whole].map(|it| it.output(&id(session), offset, usize::MAX));
            let [output, truth] = [output, truth].map(|it| it.expect(&what));
            assert_eq!(output, truth, "{what} from {offset}");
        }
    }
    for gone in ["gone", "never"] {
        match store.read(&id(gone), Seq::ZERO, ALL) {
            Ok(events) => assert!(events.is_empty(), "{events:?}"),
            Err(error) => assert!(matches!(error, ReadError::Damaged(_)), "{error}"),
        }
    }
    drop((store, whole));
    let found = inspect(&torn.path(), &mut |_| {}).expect("a look");
    assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
}

#[tokio::test]
async fn without_records_nor_what_is_being_trimmed_the_events_say_what_was_trimmed() {
    let home = log().await;
    trim_one(&home).await;
    let trimmed = open_to_read(&home)
        .output(&id("c"), 0, 1)
        .expect("it is whole");
    assert_eq!(trimmed[0].offset, 5);
    assert_are_read(&home, [RECORDS.name(), TRIMMING.name()]);
}

#[tokio::test]
async fn without_records_nor_slots_the_index_of_ids_says_whose_a_slot_is() {
    assert_are_read(&log().await, [RECORDS.name(), SLOTS.name()]);
}

#[tokio::test]
async fn without_slots_nor_the_index_of_ids_the_records_say_whose_a_slot_is() {
    assert_are_read(&log().await, [SLOTS.name(), IDS.name()]);
}

#[tokio::test]
async fn events_that_may_lack_some_do_not_say_what_was_trimmed_and_who_is_refused_for_it_is_named()
{
    let home = log().await;
    trim_one(&home).await;
    let record = open_to_read(&home).record(&id("c")).expect("a read");
    let last = record.expect("it is there").last_seq.get();
    let key = [TRIMMED, last].map(u64::to_le_bytes).concat();
    turn(&home, SEGMENTS.name(), &key, 1);
    for table in [RECORDS.name(), TRIMMING.name()] {
        overwrite_first_page(&home.path(), table);
    }
    let store = open_to_read(&home);
    let read = store.read(&id("c"), Seq::ZERO, ALL);
    assert!(matches!(read, Err(ReadError::Damaged(_))), "{read:?}");
    let output = store.output(&id("c"), 0, 5);
    assert!(matches!(output, Err(ReadError::Damaged(_))), "{output:?}");
    let is_refused = |session: &&str| store.read(&id(session), Seq::ZERO, ALL).is_err();
    let refused: Vec<_> = SESSIONS.into_iter().filter(is_refused).map(id).collect();
    drop(store);
    let found = inspect(&home.path(), &mut |_| {}).expect("a look");
    assert_eq!(found.unreadable.into_keys().collect::<Vec<_>>(), refused);
}

#[tokio::test]
async fn an_index_of_ids_that_is_damaged_says_of_no_slot_whose_it_is() {
    let home = log().await;
    let leaf = pages(&home.path(), IDS.name()).remove(0).place;
    let mut file = fs::read(home.path()).expect("a file");
    let slot = TRIMMED.to_le_bytes();
    let at = file[leaf.clone()].windows(8).rposition(|it| it == slot);
    // It leads to the one before it then.
    file[leaf.start + at.expect("it is there")] ^= 1;
    fs::write(home.path(), file).expect("a write");
    for table in [RECORDS.name(), SLOTS.name()] {
        overwrite_first_page(&home.path(), table);
    }
    let read = open_to_read(&home).read(&id("c"), Seq::ZERO, ALL);
    assert!(matches!(read, Err(ReadError::Damaged(_))), "{read:?}");
}
