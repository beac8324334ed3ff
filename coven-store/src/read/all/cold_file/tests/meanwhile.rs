//! What is damaged while the log is open, of which who opened it knows all that he needs.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use super::*;
use crate::read::{Look, OfAll};
use crate::test_support::{NEVER, events_of};

/// Without a cache of the cold file, so that what is damaged is met.
fn options() -> Options {
    Options {
        cache_bytes: 0,
        segment_cache_bytes: 0,
        fold_after: NEVER,
        ..Options::default()
    }
}

/// Writes over the page in which the cold file says how far it has everything.
fn damage_meta(home: &Home) {
    let place = pages(&copy(home).path(), "meta").remove(0).place;
    let file = OpenOptions::new().write(true).open(home.path());
    let file = file.expect("a file");
    file.write_all_at(&vec![0x77; place.len()], place.start as u64)
        .expect("a write");
}

fn assert_gives_all(store: &Store, truth: &[Envelope]) {
    for events in [1, 3, 1000] {
        let limit = ReadLimit { events, ..ALL };
        let pages = told(|after| store.page_of_all(after, limit).expect("a page"));
        let past = told(|after| {
            let page = store.page_of_all_as_past_damage(after, limit);
            page.expect("a page")
        });
        for (given, lost) in [pages, past] {
            assert!(lost.is_empty(), "{lost:?}");
            assert!(given == truth, "{} of {}", given.len(), truth.len());
        }
    }
}

#[tokio::test]
async fn where_the_cold_file_no_longer_says_how_far_it_goes_all_is_given_and_nothing_twice() {
    let story = Story::of(FEW, 1).await;
    let store = Store::open_to_read(&story.home.path(), options()).expect("it opens");
    damage_meta(&story.home);
    assert_gives_all(&store, &story.truth);
    store.close().await;

    let story = Story::of(FEW, 1).await;
    let store = Store::open(&story.home.path(), options()).expect("it opens");
    store.fold();
    add(&store, 3, titled("in the tail")).await;
    damage_meta(&story.home);
    let added = events_of(&store, &name(3)).pop().expect("it is there");
    let truth = [story.truth, vec![added]].concat();
    assert_gives_all(&store, &truth);
    store.close().await;
}

#[tokio::test]
async fn nothing_is_lost_of_what_was_folded_once_the_tail_was_looked_at() {
    let home = Home::new();
    let store = home.open();
    running(&store, &name(0)).await;
    store.fold();
    let before = store.tail().look().folded().seq();
    add(&store, 0, titled("in the tail")).await;
    let limit = ReadLimit { events: 1, ..ALL };
    let begun = [ALL, limit].map(|limit| OfAll::begin(store.tail(), before, limit));
    store.fold();
    let truth = store.read_all(before, ALL).expect("a read");
    for page in begun {
        let page = store
            .run(|txn| page.read(txn, &Look::blind()))
            .expect("a page");
        assert_eq!((page.events, page.lost), (truth.clone(), Vec::new()));
    }
    store.close().await;
}
