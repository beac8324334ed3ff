use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use coven_core::Event;

use super::*;
use crate::raw;
use crate::test_support::{Home, append, ended, noise, running};
use crate::{Options, Store};

const SESSIONS: usize = 30;

/// Pages of the list, by its index or without it, up to its end.
fn pages(archived: Archived, limit: usize, read: impl Fn(&Page) -> Listing) -> Vec<Listing> {
    let mut page = Page {
        before: None,
        limit,
        archived,
    };
    let mut pages = Vec::new();
    loop {
        let listing = read(&page);
        page.before.clone_from(&listing.next);
        pages.push(listing);
        if page.before.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn without_its_index_the_list_is_what_it_is_with_it_whatever_is_remembered_of_it() {
    let home = Home::new();
    let store = home.open();
    for number in 0..SESSIONS {
        let session = format!("one-{number}");
        ended(&store, &session).await;
        let left = match number % 4 {
            0 => Event::Archived,
            1 => Event::Deleted,
            _ => continue,
        };
        append(&store, &session, vec![left])
            .await
            .expect("it ended");
    }
    let looked = [1, 4, SESSIONS].map(|most| Looked {
        most,
        ..Looked::default()
    });
    assert_is_the_list(&store, &looked);
    store.fold();
    assert_is_the_list(&store, &looked);
    // The next commit has others.
    running(&store, "newest").await;
    append(&store, "one-4", vec![Event::Summoned])
        .await
        .expect("it is archived");
    assert_is_the_list(&store, &looked);
    store.fold();
    assert_is_the_list(&store, &looked);
}

fn assert_is_the_list(store: &Store, looked: &[Looked]) {
    for archived in [Archived::Hidden, Archived::Included] {
        for limit in [1, 3, 7, 2 * SESSIONS] {
            let truth = pages(archived, limit, |page| store.list(page).expect("a list"));
            for looked in looked {
                let found = pages(archived, limit, |page| {
                    let found = store.list_without_index(looked, page);
                    found.expect("it is whole").expect("a list")
                });
                assert_eq!(found, truth, "{archived:?}, {limit}, {}", looked.most);
            }
        }
    }
}

fn moment(opening: u64, commit: u64) -> Option<Moment> {
    Some(Moment { opening, commit })
}

fn nobody_looks() -> Result<Stretch, Fault> {
    panic!("it is known")
}

#[test]
fn who_waits_for_one_who_looks_is_given_what_that_finds_and_who_wants_what_is_known_waits_for_nobody()
 {
    let looked = Looked::default();
    let [known, wanted] = [moment(1, 1), moment(1, 2)];
    let known_stretch = looked.stretch(known, None, || Ok(Stretch::begin(known, None)));
    let (is_looking, looks) = mpsc::channel();
    let (goes_on, may_go_on) = mpsc::channel();
    let (is_given, given) = mpsc::channel();
    thread::scope(|scope| {
        let looked = &looked;
        let look = move || {
            is_looking.send(()).expect("somebody waits");
            may_go_on.recv().expect("it is told to");
            Ok(Stretch::begin(wanted, None))
        };
        let first = scope.spawn(move || looked.stretch(wanted, None, look));
        looks.recv().expect("it looks");
        let second = scope.spawn(|| looked.stretch(wanted, None, nobody_looks));
        scope.spawn(move || is_given.send(looked.stretch(known, None, nobody_looks)));
        let given = given.recv_timeout(Duration::from_secs(30));
        goes_on.send(()).expect("it waits");
        let known_stretch = known_stretch.expect("it was looked at");
        let given = given.expect("it does not wait").expect("it is known");
        assert!(Arc::ptr_eq(&given, &known_stretch));
        let [first, second] = [first, second].map(|it| it.join().expect("nobody looks again"));
        let found = [first, second].map(|it| it.expect("it was looked at"));
        assert!(Arc::ptr_eq(&found[0], &found[1]));
    });
}

#[test]
fn what_was_looked_at_is_not_of_another_commit_nor_of_one_that_has_its_number_in_another_opening() {
    let looked = Looked::default();
    let is_looked_at = |moment| {
        let mut is_asked = false;
        let found = looked.stretch(moment, None, || {
            is_asked = true;
            Ok(Stretch::begin(moment, None))
        });
        found.expect("it was looked at");
        is_asked
    };
    for other in [moment(1, 1), moment(1, 2), moment(2, 2)] {
        assert!(is_looked_at(other) && !is_looked_at(other), "{other:?}");
    }
    assert!(is_looked_at(None) && is_looked_at(None));
}

#[test]
fn what_was_looked_at_is_let_go_of_once_there_is_another_commit() {
    let looked = Looked::default();
    for (other, is_kept) in [
        ((1, Some(1)), true),
        ((1, Some(2)), false),
        ((2, Some(1)), false),
        ((1, None), false),
    ] {
        let known = moment(1, 1);
        let stretch = looked.stretch(known, None, || Ok(Stretch::begin(known, None)));
        stretch.expect("it was looked at");
        looked.keep_of(other.0, other.1);
        assert_eq!(looked.is_any(), is_kept, "{other:?}");
    }
}

#[tokio::test]
async fn of_sessions_that_nothing_names_those_that_were_deleted_are_not_counted() {
    for others in [&[][..], &["records"]] {
        let home = Home::new();
        let store = home.open();
        for number in 0..SESSIONS {
            let session = format!("one-{number}");
            ended(&store, &session).await;
            if number % 3 == 0 || number + 1 == SESSIONS {
                let deleted = append(&store, &session, vec![Event::Deleted]).await;
                deleted.expect("it ended");
            }
        }
        store.fold();
        store.close().await;
        let tables = ["slots", "ids", "by_created"].iter().chain(others);
        let places = tables.flat_map(|table| raw::pages(&home.path(), table));
        let mut file = std::fs::read(home.path()).expect("a file");
        for page in places {
            file[page.place.clone()].copy_from_slice(&noise(3, page.place.len()));
        }
        std::fs::write(home.path(), file).expect("a write");
        let store = Store::open_to_read(&home.path(), Options::default()).expect("it opens");
        let found = pages_of_all(&store);
        assert_eq!(found, (0, SESSIONS - 11), "{others:?}");
        store.close().await;
    }
}

/// How many sessions are listed, and how many told to be damaged.
fn pages_of_all(store: &Store) -> (usize, usize) {
    let found = pages(Archived::Included, 7, |page| {
        store.list(page).expect("a list")
    });
    let records = found.iter().map(|listing| listing.records.len()).sum();
    (records, found.iter().map(|listing| listing.damaged).sum())
}
