//! Logs to be damaged, and some damage.

use std::fs;

use coven_core::Event;
use redb::Database;

use crate::cold::pack::Packer;
use crate::cold::segment::{self, Segment, SegmentRow};
use crate::layout::SEGMENTS;
use crate::raw::pages;
use crate::stored::{EventRow, decode};
use crate::test_support::{Home, append, running};
use crate::{Options, Store};

/// Opens a log, has more of a session folded into it, and closes it.
pub(super) async fn fold(home: &Home, session: &str, events: Vec<Event>) {
    let store = home.open();
    append(&store, session, events).await.expect("it goes on");
    store.fold();
    store.close().await;
}

/// A log with sessions that are running; closed.
pub(super) async fn folded(sessions: impl IntoIterator<Item = String>) -> Home {
    let home = Home::new();
    let store = home.open();
    for session in sessions {
        running(&store, &session).await;
    }
    store.fold();
    store.close().await;
    home
}

pub(super) fn open_to_read(home: &Home) -> Store {
    Store::open_to_read(&home.path(), Options::default()).expect("it opens")
}

/// Turns a bit of the first byte of a key in the first leaf of a table.
pub(super) fn turn(home: &Home, table: &str, key: &[u8], bit: u32) {
    let leaf = pages(&home.path(), table).remove(0).place;
    let mut file = fs::read(home.path()).expect("a file");
    let at = file[leaf.clone()]
        .windows(key.len())
        .position(|it| it == key);
    file[leaf.start + at.expect("it is there")] ^= 1 << bit;
    fs::write(home.path(), file).expect("a write");
}

/// Gives the events of a segment two segments of half as many.
pub(super) fn halve(home: &Home, slot: u64, first: u64) {
    let file = Database::open(home.path()).expect("it is closed");
    let txn = file.begin_write().expect("a transaction");
    let mut table = txn.open_table(SEGMENTS).expect("a table");
    let row = redb::ReadableTable::get(&table, (slot, first)).expect("a read");
    let segment = Segment::decode(slot, first, row.expect("it is there").value());
    let segment = segment.expect("it is whole");
    let rows: Vec<_> = segment
        .rows()
        .map(|row| row.expect("it is whole"))
        .collect();
    for half in rows.chunks(rows.len().div_ceil(2)) {
        let half = half.iter().map(|(seq, bytes)| SegmentRow {
            seq: *seq,
            bytes,
            output: decode::<EventRow<&[u8]>>(bytes)
                .ok()
                .and_then(|row| row.output())
                .map(|(offset, _)| offset),
        });
        let half: Vec<_> = half.collect();
        let bytes = segment::encode(&mut Packer::new(), slot, &half);
        table
            .insert((slot, half[0].seq.get()), &*bytes)
            .expect("a row");
    }
    drop(table);
    txn.commit().expect("a commit");
}
