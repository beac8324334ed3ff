use coven_core::Seq;

use crate::layout::TRIMMING;
use crate::options::Options;
use crate::raw::overwrite_first_page;
use crate::read::{Archived, OfSession, Page, ReadLimit, Verified};
use crate::store::Store;
use crate::test_support::{Home, append, id, noise, output, resized, running};

#[tokio::test]
async fn what_was_looked_at_without_the_index_is_let_go_of_by_who_reads_the_list_by_it_in_another_commit()
 {
    let home = Home::new();
    let store = home.open();
    running(&store, "one").await;
    store.fold();
    let page = Page {
        before: None,
        limit: 10,
        archived: Archived::Included,
    };
    let looked = &store.0.looked;
    let listing = store
        .list_without_index(looked, &page)
        .expect("it is whole");
    assert_eq!(listing.expect("a list").records.len(), 1);
    store.list(&page).expect("a list");
    assert!(looked.is_any());
    append(&store, "one", vec![resized()])
        .await
        .expect("it runs");
    store.fold();
    store.list(&page).expect("a list");
    assert!(!looked.is_any());
    store.close().await;
}

#[tokio::test]
async fn the_events_are_looked_at_once_for_what_was_trimmed_however_many_pages_of_them_are_read() {
    let home = Home::new();
    let store = home.open();
    running(&store, "long").await;
    for piece in 0..120 {
        let said = vec![output(piece * 40_000, noise(piece, 40_000))];
        append(&store, "long", said).await.expect("it goes on");
    }
    store.fold();
    store.close().await;
    let file = redb::Database::open(home.path()).expect("it is closed");
    let txn = file.begin_write().expect("a transaction");
    let mut trimming = txn.open_table(TRIMMING).expect("a table");
    trimming.insert(2, 1).expect("a row");
    drop(trimming);
    txn.commit().expect("a commit");
    drop(file);
    for table in ["records", "trimming"] {
        overwrite_first_page(&home.path(), table);
    }
    let store = Store::open_to_read(&home.path(), Options::default()).expect("it opens");
    let long = id("long");
    let limit = ReadLimit {
        events: 1,
        bytes: 0,
    };
    let read_bytes = [1, 2, 3].map(|after| {
        let page = OfSession::begin(&store.0.tail, &long, Seq::new(after), limit);
        let read = store.0.cold.read_verified(|txn, file| {
            let page = page.read_verified(txn, Verified::of(file))?;
            Ok((page.len(), file.file.read_bytes()))
        });
        let (events, bytes) = read.expect("it can be read").expect("an event");
        assert_eq!(events, 1);
        bytes
    });
    assert!(read_bytes[0] > 4_800_000, "{read_bytes:?}");
    let others = read_bytes[1..].iter();
    assert!(others.max() < Some(&1_000_000), "{read_bytes:?}");
    store.close().await;
}
