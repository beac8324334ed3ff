//! What is in a page that is damaged proves itself where it is, and is false all the same: it was true once, or is of
//! another table.

use std::fs;

use super::*;
use crate::raw::leading_to;
use crate::read::{Archived, Looked, Page};

/// A log of many sessions with short ids, one in each slot, closed.
async fn short() -> Story {
    let home = Home::new();
    let store = home.open();
    let short = |slot: u64| match slot {
        5 => "a".to_owned(),
        48 => "0".to_owned(),
        slot => format!("s-{slot}"),
    };
    for slot in 1..=50 {
        running(&store, &short(slot)).await;
    }
    store.fold();
    // The row at 101 is of one event of slot 48: of slot 101 it would say that it is that of a session `0`, which was
    // deleted at 202, which is where its events begin.
    append(&store, &short(48), vec![titled(&"t".repeat(196))])
        .await
        .expect("it goes on");
    store.fold();
    for slot in 51..=110 {
        running(&store, &short(slot)).await;
    }
    // The row of slot 5 says that `a` was deleted: of the place 5 it would say that it is of slot 97, whose letter
    // that is, and which was deleted as well.
    for slot in [5, 97] {
        for event in [output_closed(), exited(0), Event::Deleted] {
            let appended = append(&store, &short(slot), vec![event]).await;
            appended.expect("it goes on");
        }
    }
    store.fold();
    let story = Story::so_far(home, store).await;
    let run = |first: u64| {
        let run = story.order.iter().find(|run| run.first.get() == first);
        run.map(|run| (run.slot, run.len_bytes))
    };
    assert_eq!(run(101), Some((48, 202)));
    assert_eq!(run(202).map(|(slot, _)| slot), Some(101));
    story
}

#[tokio::test]
async fn a_page_of_another_table_is_believed_nothing_of_that_is_not_so() {
    let story = short().await;
    let file = fs::read(story.home.path()).expect("a file");
    for (table, other) in [("slots", "order"), ("order", "slots")] {
        let [leaf, astray] = [table, other].map(|table| leaves(&story.home, table));
        assert_eq!((leaf.len(), astray.len()), (1, 1));
        let [leaf, astray] = [&leaf[0], &astray[0]];
        let key = if table == "slots" { 101 } else { 5 };
        assert!(astray.keys.contains(&(key, 0)));
        assert_eq!(leaf.place.len(), astray.place.len());
        let page = &file[astray.place.clone()];
        let what = format!("{other} in the place of {table}");
        for lost in story.assert_told(&what, leaf.place.start, page) {
            assert!(lost.contains(&key), "{what}: {lost:?}");
        }
    }
}

#[tokio::test]
async fn no_session_is_left_out_of_the_list_without_its_index_as_a_page_of_another_table_would_have_it()
 {
    let story = short().await;
    let [leaf, astray] = ["slots", "order"].map(|table| leaves(&story.home, table).remove(0).place);
    let mut file = fs::read(story.home.path()).expect("a file");
    file.copy_within(astray, leaf.start);
    fs::write(story.home.path(), file).expect("a write");
    let store = Store::open_to_read(&story.home.path(), Options::default()).expect("it opens");
    let page = Page {
        before: None,
        limit: 1000,
        archived: Archived::Included,
    };
    let listing = store.list_without_index(&Looked::default(), &page);
    let listing = listing.expect("it can be read").expect("a list");
    // It cannot be told whose any of the slots is, but that two were deleted their last events say.
    assert_eq!((listing.records.len(), listing.damaged), (0, 108));
}

#[tokio::test]
async fn an_older_page_that_a_damaged_one_leads_to_brings_no_deleted_session_back() {
    let story = Story::of(MANY, 1).await;
    let before = &story.earlier[0];
    let bytes = fs::read(before.path()).expect("a file");
    let whole = fs::read(story.home.path()).expect("a file");
    // The list of sessions is not asked for their events.
    let spare = pages(&story.home.path(), "by_created")
        .remove(1)
        .place
        .start;
    let branch = pages(&story.home.path(), "slots").remove(0).place;
    for (number, (leaf, concerned)) in story.leaves("slots").into_iter().enumerate() {
        let was = leaves(before, "slots").into_iter();
        let mut was = was.filter(|was| was.keys[0] == leaf.keys[0]);
        let older = bytes[was.next().expect("it was there").place].to_vec();
        let leading = leading_to(&story.home.path(), "slots", number, &older, spare);
        let mut file = whole.clone();
        file[spare..spare + older.len()].copy_from_slice(&older);
        fs::write(story.home.path(), file).expect("a write");
        let what = format!("leaf {number} as it was");
        for lost in story.assert_told(&what, branch.start, &leading) {
            assert!(
                !lost.is_empty() && lost.is_subset(&concerned),
                "{what}: {lost:?}"
            );
        }
    }
}
