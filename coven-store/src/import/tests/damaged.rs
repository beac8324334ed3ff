//! What a salvage and the list make of imports where the log is damaged.

use super::*;

/// A log with a session; closed.
pub(super) async fn with_one() -> Home {
    let home = Home::new();
    let store = home.open();
    running(&store, "before").await;
    store.close().await;
    home
}

pub(super) fn overwrite(home: &Home, tables: &[&str]) {
    let places = tables
        .iter()
        .map(|table| pages(&home.path(), table).remove(0).place);
    let places: Vec<_> = places.collect();
    let mut file = fs::read(home.path()).expect("a file");
    for place in places {
        file[place].fill(0x77);
    }
    fs::write(home.path(), file).expect("a write");
}

/// How many events a salvage brings of each session, and how many sessions it has nothing of.
pub(super) async fn salvaged(home: &Home) -> (Vec<(String, usize)>, u64) {
    let new = Home::new();
    let salvaged = crate::salvage(&home.path(), &new.path(), &mut |_| {}).expect("it is salvaged");
    let store = new.open();
    let records = store.list(&PAGE).expect("a list").records.into_iter();
    let ids = records.map(|record| record.session.profile.id.to_string());
    let mut sessions: Vec<_> = ids
        .map(|id| (id.clone(), events_of(&store, &id).len()))
        .collect();
    sessions.sort();
    store.close().await;
    (sessions, salvaged.untraced)
}

const PAGE: Page = Page {
    before: None,
    limit: 100,
    archived: Archived::Included,
};

pub(super) fn sessions(expected: &[(&str, usize)]) -> Vec<(String, usize)> {
    let expected = expected.iter();
    expected
        .map(|(id, events)| ((*id).to_owned(), *events))
        .collect()
}

#[tokio::test]
async fn an_import_is_salvaged_whose_commit_is_the_one_that_can_no_longer_be_read() {
    let home = with_one().await;
    let mut right = begin_right(&home);
    right.put().expect("it is written");
    right.take_out_of_aside().expect("it is written");
    right
        .txn
        .take()
        .expect("it is there")
        .commit()
        .expect("a commit");
    // As a process leaves it that dies now: closing the file would make one commit more.
    let died = copy(&home);
    drop(right);
    let mut file = fs::read(died.path()).expect("a file");
    let newest = 64 + 128 * usize::from(file[9] & 1);
    file[newest + 20] ^= 0x77;
    fs::write(died.path(), file).expect("a write");
    let expected = sessions(&[("before", 2), ("right", 42)]);
    assert_eq!(salvaged(&died).await, (expected, 0));
}

#[tokio::test]
async fn what_came_to_nothing_stays_so_though_the_cold_file_no_longer_says_what_did() {
    let home = with_one().await;
    let home = died_importing(&home, &id("wrong"), &talk(0, 90));
    home.open().close().await;
    let next = copy(&home);
    overwrite(&home, &["meta"]);
    assert_eq!(salvaged(&home).await, (sessions(&[("before", 2)]), 0));

    import_right(&next);
    overwrite(&next, &["meta"]);
    let expected = sessions(&[("before", 2), ("right", 42)]);
    assert_eq!(salvaged(&next).await, (expected, 0));
}

#[tokio::test]
async fn an_import_that_came_to_nothing_is_no_session_that_the_list_without_its_index_misses() {
    let home = with_one().await;
    for name in ["between", "behind"] {
        let begun = Import::begin(&home.path(), Options::default(), id("dropped"));
        drop(begun.expect("it begins"));
        if name == "between" {
            let store = home.open();
            running(&store, name).await;
            store.close().await;
        }
    }
    overwrite(&home, &["by_created"]);
    let slots = pages(&home.path(), "slots").remove(0).place;
    let mut file = fs::read(home.path()).expect("a file");
    // What no row is in.
    file[slots.start + 1] ^= 3;
    fs::write(home.path(), file).expect("a write");
    let store = crate::Store::open_to_read(&home.path(), Options::default()).expect("it opens");
    let listing = store.list(&PAGE).expect("a list");
    assert_eq!((listing.records.len(), listing.damaged), (2, 0));
    store.close().await;
}
