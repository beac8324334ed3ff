//! What is given of a session's output where its record cannot be read and what is damaged may hide some of it: what
//! follows on that is not taken for where the output begins that is left.

use redb::TableHandle;

use super::logs::{fold, folded, halve, open_to_read, turn};
use crate::layout::SEGMENTS;
use crate::raw::{overwrite_first_page, pages, rows};
use crate::test_support::{Home, events_of, id, output, resized, trim};
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
