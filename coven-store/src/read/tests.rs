//! What is read while the log changes between a look into the tail and one into the cold file.

use coven_core::{Event, Seq};

use super::*;
use crate::test_support::{ALL, Home, append, exited, id, noise, output, output_closed, running};

#[tokio::test]
async fn of_a_session_that_is_deleted_while_it_is_read_there_is_all_or_nothing() {
    const LEN: u64 = 200_000;
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    for turn in 0..100 {
        let said = output(turn * LEN, noise(turn, 200_000));
        append(&store, "a", vec![said]).await.expect("it runs");
    }
    store.fold();
    let end = vec![output(100 * LEN, "the end"), output_closed(), exited(0)];
    append(&store, "a", end).await.expect("it runs");
    let (id, tail) = (id("a"), store.tail());
    let events = OfSession::begin(tail, &id, Seq::ZERO, ALL);
    let chunks = OutputRange::begin(tail, &id, 0, usize::MAX);
    assert!(events.without_the_cold_file().is_none() && chunks.without_the_cold_file().is_none());
    let read = || {
        store.run(|txn| {
            let look = Look::blind();
            let events = events.read(txn, &look)?;
            Ok((events.len(), chunks.read(txn, &look)?.found.len()))
        })
    };
    assert_eq!(read().expect("a read"), (2 + 100 + 3, 101));
    let deleted = append(&store, "a", vec![Event::Deleted]);
    deleted.await.expect("it has ended");
    // With that some of it is erased, if not all.
    store.fold();
    assert_eq!(read().expect("a read"), (0, 0));
}
