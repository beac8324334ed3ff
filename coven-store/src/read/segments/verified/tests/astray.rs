//! What is believed of keys that turned into others', and of leaves that an older branch leads to.

use std::fs;

use coven_core::{Event, Seq};
use redb::TableHandle;

use super::copy;
use super::logs::{fold, folded, halve, open_to_read, turn};
use crate::layout::{IDS, ORDER, SEGMENTS};
use crate::raw::{leading_to, overwrite_first_page, pages};
use crate::read::{Archived, Looked, Page};
use crate::test_support::{ALL, Home, events_of, exited, id, output_closed, resized};

#[tokio::test]
async fn nothing_is_given_behind_a_segment_whose_key_turned_into_anothers() {
    let home = folded(["a", "b", "c", "d"].map(str::to_owned)).await;
    fold(&home, "c", vec![resized(); 4]).await;
    let all = events_of(&open_to_read(&home), "c");
    let first = all[0].seq.get();
    halve(&home, 3, first);
    assert_eq!(events_of(&open_to_read(&home), "c"), all);
    // Slot 3 becomes 2, and the keys are in order still.
    turn(
        &home,
        SEGMENTS.name(),
        &[3_u64, first].map(u64::to_le_bytes).concat(),
        0,
    );
    let without_records = copy(&home);
    overwrite_first_page(&without_records.path(), "records");
    for home in [home, without_records] {
        let store = open_to_read(&home);
        for after in [Seq::ZERO, all[0].seq, all[1].seq] {
            let read = store.read(&id("c"), after, ALL);
            assert!(read.is_err(), "after {after}: {read:?}");
        }
        let page = store.page_of_all(Seq::ZERO, ALL).expect("a page");
        let is_told = |seq| {
            page.lost
                .iter()
                .any(|it| (it.first..=it.last).contains(&seq))
        };
        let given = |seq| page.events.iter().any(|it| it.seq == seq);
        for event in &all {
            assert!(given(event.seq) || is_told(event.seq), "{}", event.seq);
        }
        for session in ["a", "b", "d"] {
            assert_eq!(events_of(&store, session).len(), 2, "{session}");
        }
    }
}

#[tokio::test]
async fn no_record_is_believed_that_an_older_branch_leads_to() {
    let home = folded((0..60).map(|number| format!("s{number}"))).await;
    let before = copy(&home);
    let was_last = open_to_read(&home)
        .record(&id("s3"))
        .expect("a read")
        .expect("it is there")
        .last_seq;
    fold(&home, "s3", vec![resized(), resized()]).await;
    let truth = open_to_read(&home).record(&id("s3")).expect("a read");
    let [old, new] = [&before, &home].map(|home| pages(&home.path(), "records").remove(0));
    assert!(
        old.keys.is_empty() && new.keys.is_empty(),
        "they lead to others"
    );
    let branch = fs::read(before.path()).expect("a file")[old.place].to_vec();
    let mut file = fs::read(home.path()).expect("a file");
    file[new.place].copy_from_slice(&branch);
    fs::write(home.path(), file).expect("a write");
    let store = open_to_read(&home);
    assert_eq!(store.record(&id("s3")).expect("a read"), truth);
    let page = Page {
        before: None,
        limit: 100,
        archived: Archived::Included,
    };
    let without_index = store.list_without_index(&Looked::default(), &page);
    for listing in [store.list(&page).ok(), without_index.and_then(Result::ok)] {
        let listing = listing.expect("a list");
        let mut records = listing.records.into_iter();
        let listed = records.find(|it| it.session.id == id("s3"));
        assert_eq!((&listed, listing.damaged), (&truth, 0));
    }
    let read = store.read_as_past_damage(&id("s3"), was_last, ALL);
    assert_eq!(read.expect("a read").len(), 2);
}

#[tokio::test]
async fn whether_a_session_is_archived_is_not_what_a_record_says_that_an_older_branch_leads_to() {
    let home = folded((0..60).map(|number| format!("s{number}"))).await;
    for session in ["s3", "s5"] {
        fold(&home, session, vec![output_closed(), exited(0)]).await;
    }
    fold(&home, "s3", vec![Event::Archived]).await;
    let before = copy(&home);
    fold(&home, "s3", vec![Event::Summoned]).await;
    fold(&home, "s5", vec![Event::Archived]).await;
    let page = Page {
        before: None,
        limit: 100,
        archived: Archived::Hidden,
    };
    let truth = open_to_read(&home).list(&page).expect("a list");
    let is_listed = |session| truth.records.iter().any(|it| it.session.id == id(session));
    assert!(is_listed("s3") && !is_listed("s5"));
    put_leaf_of(&before, &home, "records", 0);
    let store = open_to_read(&home);
    let listing = store.list_without_index(&Looked::default(), &page);
    assert_eq!(listing.and_then(Result::ok), Some(truth));
}

/// Has the page that leads to the leaves of a table lead to one of them as another file of that log has it.
fn put_leaf_of(other: &Home, home: &Home, table: &str, number: usize) {
    let leaf = pages(&other.path(), table).remove(1 + number).place;
    let leaf = fs::read(other.path()).expect("a file")[leaf].to_vec();
    // In a page that is not asked for.
    let spare = pages(&home.path(), IDS.name()).remove(0).place;
    assert_eq!(leaf.len(), spare.len());
    let leading = leading_to(&home.path(), table, number, &leaf, spare.start);
    let branch = pages(&home.path(), table).remove(0).place;
    let mut file = fs::read(home.path()).expect("a file");
    file[spare].copy_from_slice(&leaf);
    file[branch].copy_from_slice(&leading);
    fs::write(home.path(), file).expect("a write");
}

#[tokio::test]
async fn who_goes_on_behind_a_key_of_the_order_that_turned_is_given_what_comes_before_it() {
    let home = folded(["a".to_owned()]).await;
    for events in [200, 2, 2] {
        fold(&home, "a", vec![resized(); events]).await;
    }
    let leaf = pages(&home.path(), ORDER.name()).remove(0);
    let [_, (second, _), (third, _), _] = leaf.keys[..] else {
        panic!("{:?}", leaf.keys);
    };
    let bit = (0..8).find(|bit| (second + 10..third - 10).contains(&(third ^ (1 << bit))));
    let bit = bit.expect("there is one");
    let moved = third ^ (1 << bit);
    turn(&home, ORDER.name(), &third.to_le_bytes(), bit);
    let store = open_to_read(&home);
    for after in [0, moved - 5, moved + 5, third - 3] {
        let page = store.page_of_all(Seq::new(after), ALL).expect("a page");
        let lost = page
            .lost
            .iter()
            .flat_map(|it| it.first.get()..=it.last.get());
        assert_eq!(
            lost.collect::<Vec<_>>(),
            [third, third + 1],
            "after {after}"
        );
    }
}
