//! A bit that turned in a page in which no more is wrong: it is put right, and nothing is lost by it.

use std::fs;
use std::os::unix::fs::FileExt;

use coven_core::{Envelope, Seq};

use crate::raw::PAGE;
use crate::test_support::{ALL, Home, append, id, noise, output, places_of, running};
use crate::{Options, Store};

/// A log with more than a page of groups in the journal, as a kill leaves it, and its events.
async fn killed() -> (Home, Vec<Envelope>) {
    let (home, killed) = (Home::new(), Home::new());
    let store = home.open();
    running(&store, "a").await;
    for number in 0..20 {
        let said = output(number * 900, noise(number, 900));
        append(&store, "a", vec![said]).await.expect("it goes on");
    }
    let events = all(&store);
    fs::copy(home.path(), killed.path()).expect("a copy");
    fs::copy(home.journal(), killed.journal()).expect("a copy");
    store.close().await;
    (killed, events)
}

fn all(store: &Store) -> Vec<Envelope> {
    store.read_all(Seq::ZERO, ALL).expect("a read")
}

#[tokio::test]
async fn a_bit_that_turned_in_a_journal_that_was_not_closed_costs_nothing() {
    let (home, events) = killed().await;
    let path = home.journal();
    let before = [home.path(), path.clone()].map(|it| (fs::read(&it).expect("a file"), it));
    // Of the first page it is told which bit turned.
    let pages = before[1].0.chunks(PAGE).enumerate().skip(1);
    let written = pages.filter(|(_, page)| page.iter().any(|byte| *byte != 0));
    for (number, _) in written.clone() {
        let mut turned = before[1].0.clone();
        turned[number * PAGE + 9] ^= 1 << (number % 8);
        fs::write(&path, turned).expect("a write");
        let read = Store::open_to_read(&home.path(), Options::default()).expect("it opens");
        assert_eq!(all(&read), events, "page {number}");
        drop(read);
        let store = home.open();
        assert_eq!(all(&store), events, "page {number}");
        store.close().await;
        for (bytes, path) in &before {
            fs::write(path, bytes).expect("a write");
        }
    }
    assert!(written.count() > 10);
}

#[tokio::test]
async fn who_reads_a_page_in_which_a_bit_turned_is_given_it_once_that_is_put_right() {
    let home = Home::new();
    let options = Options {
        cache_bytes: 0,
        segment_cache_bytes: 0,
        ..Options::default()
    };
    let store = Store::open(&home.path(), options).expect("it opens");
    running(&store, "a").await;
    let said = noise(1, 9_000);
    let more = append(&store, "a", vec![output(0, said.clone())]).await;
    more.expect("it goes on");
    store.fold();
    let events = all(&store);
    // Noise is not compressed, and was folded once.
    let places = places_of(&said[..64], &home.path());
    let [at] = places[..] else {
        panic!("{places:?}");
    };
    let file = fs::OpenOptions::new().write(true).open(home.path());
    let turned = [said[0] ^ 1];
    let file = file.expect("a file");
    file.write_all_at(&turned, at).expect("a write");
    assert_eq!(store.read(&id("a"), Seq::ZERO, ALL), Ok(events));
    assert_eq!(places_of(&said[..64], &home.path()), [at]);
    let told = store.health().last_error.expect("it is told");
    assert!(told.contains("put right"), "{told}");
    store.close().await;
}
