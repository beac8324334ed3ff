//! Whole logs as versions of Coven left them on the disk, with groups in the journal that were not
//! folded: `tests/format/home-vN`, one for each format, made once and never changed. Every later version
//! opens them and finds what they had.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use coven_core::{Envelope, Event, Record, Seq};

use super::write;
use crate::file::journal_path;
use crate::test_support::*;
use crate::{Archived, FORMAT, Page, Store};

const FORMATS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/format");

/// What a log has, told in a way that depends on no format and on no type's `Debug`.
fn tell(store: &Store) -> String {
    let mut text = String::new();
    for envelope in store.read_all(Seq::ZERO, ALL).expect("a read") {
        writeln!(text, "{}", told(&envelope)).expect("a string");
    }
    let page = Page {
        archived: Archived::Included,
        before: None,
        limit: usize::MAX,
    };
    for record in store.list(&page).expect("a read").records {
        writeln!(text, "{}", told_of(&record)).expect("a string");
    }
    text
}

fn told(envelope: &Envelope) -> String {
    let what = match &envelope.event {
        Event::Output { offset, data, .. } => {
            format!(" {offset} {} {:08x}", data.len(), crc32fast::hash(data))
        }
        Event::Trimmed {
            offset, len_bytes, ..
        } => format!(" {offset} {len_bytes}"),
        Event::Titled { title } => format!(" {}", title.as_str()),
        _ => String::new(),
    };
    let Envelope {
        seq, session, at, ..
    } = envelope;
    let actor = envelope.actor.as_ref().map_or(0, |actor| actor.uid);
    let kind = envelope.event.kind();
    format!("{seq} {session} {} {actor} {kind:?}{what}", at.as_nanos())
}

fn told_of(record: &Record) -> String {
    format!(
        "{} {:?} {}..={} {} of {} bytes, {}",
        record.session.id,
        record.session.status(),
        record.first_seq,
        record.last_seq,
        record.session.trimmed_bytes,
        record.session.output_bytes,
        record.session.title.as_str(),
    )
}

/// A session of more than one segment: some that compress, and some that do not.
async fn write_long(store: &Store) {
    running(store, "long").await;
    let mut offset = 0;
    for turn in 0..40_u64 {
        let data = match turn % 20 {
            0 => noise(turn, 20_000),
            _ => format!("\x1b[32mline {turn}\x1b[0m of a test run\r\n")
                .repeat(200)
                .into(),
        };
        let len = data.len() as u64;
        append(store, "long", vec![output(offset, data)])
            .await
            .expect("it follows");
        offset += len;
    }
    trim(store, "long", 0, 20_000).await;
}

fn unpack(from: &Path, to: &Path) {
    let bytes = std::fs::read(from).expect("a golden file");
    let bytes = zstd::decode_all(bytes.as_slice()).expect("it was packed");
    std::fs::write(to, bytes).expect("written");
}

fn pack(from: &Path, to: &Path) {
    let bytes = std::fs::read(from).expect("the log");
    let bytes = zstd::encode_all(bytes.as_slice(), 19).expect("packed");
    std::fs::write(to, bytes).expect("written");
}

#[tokio::test]
#[ignore = "makes the home of this format, once"]
async fn the_home_of_this_format_is_made() {
    let golden = PathBuf::from(format!("{FORMATS}/home-v{FORMAT}"));
    std::fs::create_dir(&golden).expect("it is made once");
    let home = Home::new();
    let store = home.open();
    write(&store).await;
    write_long(&store).await;
    // With that all is folded.
    store.verify().expect("a read");
    append(&store, "running", vec![output(0, "not folded yet")])
        .await
        .expect("it follows");
    std::fs::write(golden.join("events.txt"), tell(&store)).expect("written");
    pack(&home.path(), &golden.join("coven.redb.zst"));
    pack(
        &journal_path(&home.path()),
        &golden.join("coven.redb.journal.zst"),
    );
}

/// A copy of each home, with the folder that says what it has.
pub(crate) fn homes() -> impl Iterator<Item = (PathBuf, Home)> {
    let entries = std::fs::read_dir(FORMATS).expect("the golden files");
    let folders = entries.map(|entry| entry.expect("an entry").path());
    folders.filter(|path| path.is_dir()).map(|golden| {
        let home = Home::new();
        unpack(&golden.join("coven.redb.zst"), &home.path());
        let journal = journal_path(&home.path());
        unpack(&golden.join("coven.redb.journal.zst"), &journal);
        (golden, home)
    })
}

#[tokio::test]
async fn a_home_of_every_format_there_was_is_read_as_what_it_was_and_goes_on() {
    let mut formats = 0;
    for (golden, home) in homes() {
        formats += 1;
        let expected = std::fs::read_to_string(golden.join("events.txt")).expect("the events");
        let store = home.open();
        assert_eq!(tell(&store), expected, "{}", golden.display());
        assert_eq!(store.verify().expect("a read").problems, []);
        append(&store, "running", vec![output(14, ", and now it goes on")])
            .await
            .expect("it follows");
        store.close().await;
        let store = home.open();
        assert_eq!(
            all_output(&store, "running"),
            b"not folded yet, and now it goes on"
        );
    }
    assert!(formats > 0, "there is none");
}
