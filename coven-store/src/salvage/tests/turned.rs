//! A bit that turned in a page: its checksum tells which, and nothing is lost by it.

use std::collections::BTreeMap;

use super::*;
use crate::Loss;
use crate::raw::pages;

/// A log with folded sessions, one that was deleted, and groups in the journal, as a kill leaves it.
async fn log() -> (Home, Vec<Envelope>) {
    let (home, killed) = (Home::new(), Home::new());
    let store = home.open();
    for session in ["a", "b"] {
        running(&store, session).await;
        let said = vec![output(0, noise(1, 9_000)), output_closed(), exited(0)];
        append(&store, session, said).await.expect("it goes on");
    }
    append(&store, "b", vec![Event::Deleted])
        .await
        .expect("it has ended");
    store.fold();
    running(&store, "c").await;
    let events = store.read_all(Seq::ZERO, ALL).expect("a read");
    fs::copy(home.path(), killed.path()).expect("a copy");
    fs::copy(home.journal(), killed.journal()).expect("a copy");
    store.close().await;
    (killed, events)
}

/// Turns a bit in each page of a table, one after the other, behind the number of its rows.
async fn each_page_with_a_bit_turned(path: &Path, table: &str, look: impl AsyncFn()) -> usize {
    let pages = pages(path, table);
    for page in &pages {
        let before = fs::read(path).expect("a file");
        let at = page.place.start + 11;
        overwrite(path, at as u64, &[before[at] ^ 0x20]);
        look().await;
        overwrite(path, at as u64, &[before[at]]);
    }
    pages.len()
}

#[tokio::test]
async fn one_bit_that_turned_in_a_page_costs_nothing_that_is_salvaged() {
    let (home, events) = log().await;
    let salvages_all = async || {
        let (found, told) = salvaged(&home.path()).await;
        assert_eq!(found, events);
        assert_eq!(told.changed, Vec::new());
        let is_known = !told.newest_is_lost && told.untied == Default::default();
        assert!(is_known && told.untraced == 0, "{told:?}");
    };
    for table in ["meta", "slots", "ids", "segments", "order", "records"] {
        let pages = each_page_with_a_bit_turned(&home.path(), table, &salvages_all).await;
        assert!(pages > 0, "{table}");
    }
    for table in ["meta", "journal"] {
        let pages = each_page_with_a_bit_turned(&home.journal(), table, &salvages_all).await;
        assert!(pages > 0, "{table}");
    }
}

#[tokio::test]
async fn of_a_bit_that_turned_it_is_told_who_cannot_be_read_and_that_nothing_is_lost() {
    let (home, _) = log().await;
    let said = noise(1, 9_000);
    let before = fs::read(home.path()).expect("a file");
    let at = before.windows(64).position(|it| it == &said[..64]);
    let at = at.expect("it is not compressed");
    overwrite(&home.path(), at as u64, &[before[at] ^ 1]);
    let found = inspect(&home.path(), &mut |_| {}).expect("it can be looked at");
    assert_eq!(found.unreadable.into_keys().collect::<Vec<_>>(), [id("a")]);
    assert_eq!(found.lost, BTreeMap::new());
}

#[tokio::test]
async fn what_every_first_page_begins_with_costs_nothing_that_is_salvaged() {
    let (home, events) = log().await;
    for path in [home.path(), home.journal()] {
        let before = fs::read(&path).expect("a file");
        for at in [0, 8, 12, 17, 22] {
            overwrite(&path, at as u64, &[before[at] ^ 1]);
            let (found, told) = salvaged(&home.path()).await;
            assert_eq!(found, events, "{at}");
            assert!(told.changed.is_empty() && !told.newest_is_lost, "{at}");
            let found = inspect(&home.path(), &mut |_| {}).expect("it can be looked at");
            assert!(!found.newest_is_lost && found.lost.is_empty(), "{at}");
            assert_eq!(found.unreadable, BTreeMap::new(), "{at}");
            let told: Vec<_> = found.problems.iter().map(|it| it.loss).collect();
            assert_eq!(told, [Loss::Unopened], "{at}");
            overwrite(&path, at as u64, &[before[at]]);
        }
    }
}
