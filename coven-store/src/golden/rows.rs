//! Rows of a log's files as lines of text, and back.

use std::fmt::Write;
use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableHandle};

use crate::cold::segment::Segment;
use crate::layout::{
    BY_CONVERSATION, BY_CREATED, ERASING, GONE, IDS, LIVE, META, ORDER, OUTPUT, RECORDS, SEGMENTS,
    SLOTS, TRIMMING, meta,
};

/// Every row of a cold file as a line of text: the table, the key, and the value. The events in a
/// segment are lines of their own, since how well it is compressed is nobody's business.
pub(super) fn dump(path: &Path) -> String {
    let db = Database::open(path).expect("it is closed");
    let txn = db.begin_read().expect("a transaction");
    let mut text = String::new();
    macro_rules! rows {
        ($table:expr, $show:expr) => {
            let table = txn.open_table($table).expect("a table");
            for row in table.iter().expect("rows") {
                let (key, value) = row.expect("a row");
                let (key, value) = (key.value(), $show(value.value()));
                writeln!(text, "{} {key:?} = {value}", $table.name()).expect("a string");
            }
        };
    }
    rows!(META, hex);
    rows!(SLOTS, hex);
    rows!(IDS, |slot| format!("{slot}"));
    rows!(GONE, |seq| format!("{seq}"));
    rows!(SEGMENTS, hex);
    let segments = txn.open_table(SEGMENTS).expect("a table");
    for entry in segments.iter().expect("rows") {
        let (key, bytes) = entry.expect("a row");
        let (slot, first) = key.value();
        let segment = Segment::decode(slot, first, bytes.value()).expect("a segment");
        for row in segment.rows() {
            let (seq, row) = row.expect("an event");
            let seq = seq.get();
            writeln!(text, "events ({slot}, {seq}) = {}", hex(row)).expect("a string");
        }
    }
    rows!(ORDER, hex);
    rows!(ERASING, |seq| format!("{seq}"));
    rows!(TRIMMING, |offset| format!("{offset}"));
    rows!(RECORDS, hex);
    rows!(BY_CREATED, |row| format!("{row:?}"));
    rows!(BY_CONVERSATION, |()| String::new());
    rows!(LIVE, |()| String::new());
    rows!(OUTPUT, |seq| format!("{seq}"));
    text
}

/// What a journal says of itself, in the same form.
pub(super) fn dump_journal(path: &Path) -> String {
    let db = Database::open(path).expect("it is closed");
    let txn = db.begin_read().expect("a transaction");
    let mut text = String::new();
    let table = txn.open_table(META).expect("a table");
    for row in table.iter().expect("rows") {
        let (key, value) = row.expect("a row");
        let (key, value) = (key.value(), hex(value.value()));
        writeln!(text, "journal_meta {key:?} = {value}").expect("a string");
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex"))
        .collect()
}

/// Writes a row of the log proper, or a record, from its line.
pub(super) fn restore(txn: &redb::WriteTransaction, line: &str) {
    let (place, value) = line.split_once(" =").expect("a row");
    let value = value.trim();
    let (table, key) = place.split_once(' ').expect("a table and a key");
    let text = key.trim_matches('"');
    let numbers = |text: &str| -> Vec<u64> {
        text.trim_matches(['(', ')'])
            .split(", ")
            .filter_map(|number| number.parse().ok())
            .collect()
    };
    let bytes = || unhex(value);
    macro_rules! put {
        ($table:expr, $key:expr, $value:expr) => {{
            let mut table = txn.open_table($table).expect("a table");
            table.insert($key, $value).expect("a row");
        }};
    }
    match table {
        // That is what the journal beside it belongs to.
        "meta" if text == meta::LOG => {}
        "meta" => put!(META, text, bytes().as_slice()),
        "slots" => put!(SLOTS, numbers(key)[0], bytes().as_slice()),
        "ids" => put!(IDS, text, numbers(value)[0]),
        "gone" => put!(GONE, text, numbers(value)[0]),
        "segments" => {
            let key = numbers(key);
            put!(SEGMENTS, (key[0], key[1]), bytes().as_slice());
        }
        // Made with the journal.
        "events" | "journal_meta" => {}
        "erasing" => put!(ERASING, numbers(key)[0], numbers(value)[0]),
        "trimming" => put!(TRIMMING, numbers(key)[0], numbers(value)[0]),
        "order" => put!(ORDER, numbers(key)[0], bytes().as_slice()),
        "records" => put!(RECORDS, numbers(key)[0], bytes().as_slice()),
        "by_created" => {
            let (nanos, id) = key.trim_matches(['(', ')']).split_once(", ").expect("two");
            let (slot, archived) = value
                .trim_matches(['(', ')'])
                .split_once(", ")
                .expect("two");
            put!(
                BY_CREATED,
                (nanos.parse().expect("nanos"), id.trim_matches('"')),
                (slot.parse().expect("a slot"), archived == "true")
            );
        }
        "by_conversation" => {
            let parts: Vec<&str> = key.trim_matches(['(', ')']).split(", ").collect();
            let [harness, conversation, slot] = parts[..] else {
                panic!("{line}")
            };
            put!(
                BY_CONVERSATION,
                (
                    harness.trim_matches('"'),
                    conversation.trim_matches('"'),
                    slot.parse().expect("a slot")
                ),
                ()
            );
        }
        "live" => put!(LIVE, numbers(key)[0], ()),
        "output" => {
            let key = numbers(key);
            put!(OUTPUT, (key[0], key[1]), numbers(value)[0]);
        }
        other => panic!("a table {other} in {line}"),
    }
}
