//! What is given of a session's output where its record cannot be read and what is damaged may hide some of it: what
//! follows on that is not taken for where the output begins that is left.

use std::fs;

use redb::TableHandle;

use super::logs::{fold, folded, halve, open_to_read, turn};
use crate::file::OsDisk;
use crate::layout::SEGMENTS;
use crate::raw::{RawFile, Snapshot, overwrite_first_page, pages, rows};
use crate::read::record::Known;
use crate::read::segments::Verified;
use crate::test_support::{Home, events_of, id, noise, output, resized, trim};
use crate::{OutputChunk, ReadError};

/// A log in which the session in slot 3 has output in two segments, the second from byte 5 on; where the first one
/// begins.
async fn in_two_segments() -> (Home, u64) {
    let home = folded(["a", "b", "c", "d"].map(str::to_owned)).await;
    let said = vec![output(0, "first"), resized(), output(5, "second")];
    fold(&home, "c", said).await;
    let first = events_of(&open_to_read(&home), "c")[0].seq.get();
    halve(&home, 3, first);
    (home, first)
}

fn texts(chunks: &[OutputChunk]) -> Vec<(u64, &[u8])> {
    let chunks = chunks.iter();
    chunks.map(|it| (it.offset, it.data.as_ref())).collect()
}

#[tokio::test]
async fn no_output_is_taken_for_trimmed_that_is_in_a_segment_whose_key_turned_into_anothers() {
    let (home, first) = in_two_segments().await;
    let key = [3_u64, first].map(u64::to_le_bytes).concat();
    turn(&home, SEGMENTS.name(), &key, 0);
    overwrite_first_page(&home.path(), "records");
    let store = open_to_read(&home);
    // Who asks for no more than the second one has meets nothing behind it.
    for (offset, max_bytes) in [(0, 6), (0, usize::MAX), (3, 6)] {
        let read = store.output(&id("c"), offset, max_bytes);
        assert!(matches!(read, Err(ReadError::Damaged(_))), "{read:?}");
    }
    let read = store.output(&id("c"), 5, 6).expect("it is whole");
    assert_eq!(texts(&read), [(5, &b"second"[..])]);
}

#[tokio::test]
async fn no_output_is_taken_for_trimmed_that_is_behind_what_was() {
    let home = folded(["a", "b", "c", "d"].map(str::to_owned)).await;
    let said = [output(0, "first"), output(5, "second"), output(11, "third")];
    fold(&home, "c", said.to_vec()).await;
    let first = events_of(&open_to_read(&home), "c")[0].seq.get();
    trim_to(&home, 5).await;
    halve(&home, 3, first);
    let key = [3_u64, first].map(u64::to_le_bytes).concat();
    turn(&home, SEGMENTS.name(), &key, 0);
    overwrite_first_page(&home.path(), "records");
    let store = open_to_read(&home);
    let read = store.output(&id("c"), 11, 5).expect("it is whole");
    assert_eq!(texts(&read), [(11, &b"third"[..])]);
    let read = store.output(&id("c"), 0, 5);
    assert!(matches!(read, Err(ReadError::Damaged(_))), "{read:?}");
}

/// Trims the session in slot 3, of which nothing was trimmed, until that is taken out.
async fn trim_to(home: &Home, end: u64) {
    let store = home.open();
    trim(&store, "c", 0, end).await;
    for _ in 0..4 {
        store.fold();
    }
    store.close().await;
    assert_eq!(rows(&home.path(), "trimming"), 0);
}

#[tokio::test]
async fn output_behind_what_was_trimmed_is_given_though_more_may_have_been_where_that_was() {
    let (home, first) = in_two_segments().await;
    trim_to(&home, 5).await;
    // That of the next session.
    let leaf = pages(&home.path(), SEGMENTS.name()).remove(0);
    let (slot, next) = *leaf.keys.last().expect("it has some");
    assert!(slot == 4 && leaf.keys.contains(&(3, first)));
    let key = [slot, next].map(u64::to_le_bytes).concat();
    turn(&home, SEGMENTS.name(), &key, 1);
    overwrite_first_page(&home.path(), "records");
    let store = open_to_read(&home);
    for max_bytes in [6, usize::MAX] {
        let read = store.output(&id("c"), 0, max_bytes).expect("it is whole");
        assert_eq!(texts(&read), [(5, &b"second"[..])]);
    }
}

#[tokio::test]
async fn who_is_refused_output_that_a_whole_record_says_is_there_reads_no_more_than_where_it_would_be()
 {
    let home = folded(["a".to_owned()]).await;
    for number in 0..40 {
        let said = output(number * 40_000, noise(number, 40_000));
        fold(&home, "a", vec![said]).await;
    }
    let leaves = pages(&home.path(), SEGMENTS.name()).into_iter();
    let leaves: Vec<_> = leaves.filter(|leaf| !leaf.keys.is_empty()).collect();
    assert!(leaves.len() > 10, "{}", leaves.len());
    let mut file = fs::read(home.path()).expect("a file");
    file[leaves[0].place.clone()].fill(0x77);
    fs::write(home.path(), file).expect("a write");
    let snapshot = Snapshot::at_last(RawFile::open(&OsDisk, &home.path()).expect("a file"));
    let verified = Verified::of(&snapshot);
    let record = verified.record_in(1, &id("a")).expect("it is whole");
    let known = Some(Known::from(&record));
    let before = snapshot.file.read_bytes();
    let begins = verified.begins((1, &id("a")), known, 0);
    assert!(begins.is_err());
    let read = snapshot.file.read_bytes() - before;
    let all: usize = leaves.iter().map(|leaf| leaf.place.len()).sum();
    assert!(read < all as u64 / 2, "{read} of {all}");
}
