//! A bit that turned in a page of a journal, in which no more is wrong, and a first page that was not written: nothing is
//! lost by either.

use std::fs;

use coven_core::{Envelope, Seq};

use crate::raw::PAGE;
use crate::test_support::{ALL, Home, append, noise, output, resized, running};
use crate::{Options, Store, salvage};

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

/// A log as a kill leaves it of whose journal's last commit the first page was not written, and its events.
async fn without_its_last_first_page() -> (Home, Vec<Envelope>) {
    let (home, killed) = (Home::new(), Home::new());
    let store = home.open();
    running(&store, "a").await;
    let first_page = fs::read(home.journal()).expect("a file")[..PAGE].to_vec();
    let said = vec![output(0, noise(1, 20_000)), resized()];
    append(&store, "a", said).await.expect("it goes on");
    let events = all(&store);
    fs::copy(home.path(), killed.path()).expect("a copy");
    let mut journal = fs::read(home.journal()).expect("a file");
    journal[..PAGE].copy_from_slice(&first_page);
    fs::write(killed.journal(), journal).expect("a write");
    store.close().await;
    (killed, events)
}

#[tokio::test]
async fn a_journal_whose_last_first_page_was_not_written_has_its_last_group_all_the_same() {
    let (home, events) = without_its_last_first_page().await;
    let new = Home::new();
    let told = salvage(&home.path(), &new.path(), &mut |_| {}).expect("it is salvaged");
    assert_eq!(told.events, events.len() as u64);
    assert!(told.changed.is_empty() && !told.newest_is_lost, "{told:?}");
    assert_eq!(all(&new.open()), events);
    let read = Store::open_to_read(&home.path(), Options::default()).expect("it opens");
    assert_eq!(all(&read), events);
    drop(read);
    let store = home.open();
    assert_eq!(all(&store), events);
    // Nothing is given the places that it has.
    let more = append(&store, "a", vec![resized()])
        .await
        .expect("it goes on");
    assert!(more.last > events.last().expect("some").seq);
    store.close().await;
    assert_eq!(all(&home.open()).len(), events.len() + 1);
}
