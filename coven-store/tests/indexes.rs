//! Indexes without a checksum: where one contradicts a record, the record is believed.

mod support;

use std::fs;

use coven_core::{Event, HarnessId, Seq};
use coven_store::{AppendError, Archived, Listing, Page, ReadError, Store};
use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};
use support::*;

const SLOTS: TableDefinition<u64, &[u8]> = TableDefinition::new("slots");
const IDS: TableDefinition<&str, u64> = TableDefinition::new("ids");
const LIVE: TableDefinition<u64, ()> = TableDefinition::new("live");
const BY_CREATED: TableDefinition<(i64, &str), (u64, bool)> = TableDefinition::new("by_created");
const BY_CONVERSATION: TableDefinition<(&str, &str, u64), ()> =
    TableDefinition::new("by_conversation");

fn change(home: &Home, work: impl FnOnce(&WriteTransaction)) {
    let db = Database::open(home.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    work(&txn);
    txn.commit().expect("a commit");
}

fn live(store: &Store) -> Vec<String> {
    let live = store.live().expect("a read").into_iter();
    live.map(|record| record.session.id.to_string()).collect()
}

/// Three that run, one that has ended and one that was deleted, in slots 1 to 5.
async fn five_sessions() -> Home {
    let home = Home::new();
    let store = home.open();
    for session in ["a", "b", "c"] {
        running(&store, session).await;
    }
    for session in ["ended", "deleted"] {
        ended(&store, session).await;
    }
    let deleted = append(&store, "deleted", vec![Event::Deleted]).await;
    deleted.expect("it has ended");
    store.close().await;
    home
}

/// Where a file has a page of so many rows that goes on like this, in every state of it. Of a page's second
/// byte nobody makes use.
fn pages(file: &[u8], rows: u8, rest: &[u8]) -> Vec<usize> {
    let windows = file.windows(4 + rest.len()).enumerate();
    let is_one = |page: &[u8]| page[0] == 1 && page[2..4] == [rows, 0] && page[4..] == *rest;
    let found = windows.filter(|(_, page)| is_one(page));
    found.map(|(at, _)| at).collect()
}

#[tokio::test]
async fn whatever_bit_turns_in_the_list_of_live_sessions_all_of_them_are_found_at_a_restart() {
    let home = five_sessions().await;
    let file = fs::read(home.path()).expect("a file");
    let keys: Vec<u8> = (1..=3_u64).flat_map(u64::to_le_bytes).collect();
    let pages = pages(&file, 3, &keys);
    assert!(!pages.is_empty());
    let of_the_count = 16..18;
    let of_keys = (0..3).flat_map(|key| (0..64).step_by(3).map(move |bit| 32 + key * 64 + bit));
    for bit in of_the_count.chain(of_keys) {
        let mut damaged = file.clone();
        for page in &pages {
            damaged[page + bit / 8] ^= 1 << (bit % 8);
        }
        fs::write(home.path(), damaged).expect("a write");
        let store = home.open();
        assert_eq!(live(&store), ["a", "b", "c"], "bit {bit}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_session_that_ended_or_went_on_since_is_listed_as_live_or_not_as_it_is_now() {
    let home = five_sessions().await;
    change(&home, |txn| {
        let mut live = txn.open_table(LIVE).expect("a table");
        live.remove(2).expect("a row");
        live.insert(4, ()).expect("a row");
    });
    let store = home.open();
    assert_eq!(live(&store), ["a", "b", "c"]);
    let end = vec![output_closed(), exited(0)];
    append(&store, "b", end).await.expect("it runs");
    running(&store, "new").await;
    assert_eq!(live(&store), ["a", "c", "new"]);
}

/// Makes the only page of `gone`, which has session "deleted", one that cannot be read.
fn damage_gone(home: &Home) {
    let key = b"deleted";
    let end = u32::try_from(8 + key.len()).expect("it is short");
    let mut file = fs::read(home.path()).expect("a file");
    let found = pages(&file, 1, &[&end.to_le_bytes()[..], key].concat());
    assert!(!found.is_empty());
    // It says that it has thousands of rows.
    found.iter().for_each(|at| file[at + 3] = 0x7f);
    fs::write(home.path(), file).expect("a write");
}

#[tokio::test]
async fn where_the_index_of_deleted_sessions_is_damaged_new_ones_begin_and_no_id_is_given_again() {
    let home = five_sessions().await;
    damage_gone(&home);
    let store = home.open();
    running(&store, "new").await;
    let error = store.health().last_error.expect("something is wrong");
    let of_whom_it_is_told = ["the index of deleted sessions", "a page of gone"];
    assert!(
        of_whom_it_is_told.iter().any(|it| error.contains(it)),
        "{error}"
    );
    let again = append(&store, "deleted", vec![created()]).await;
    assert!(
        matches!(again, Err(AppendError::Conflict { last }) if last > Seq::ZERO),
        "{again:?}"
    );
    assert_eq!(store.was_deleted(&id("deleted")), Ok(true));
    assert_eq!(store.was_deleted(&id("never")), Ok(false));
    store.close().await;
    let store = home.open();
    assert_eq!(events_of(&store, "new").len(), 2);
}

#[tokio::test]
async fn where_nobody_can_tell_whether_an_id_was_given_no_session_is_said_to_be_damaged() {
    let home = five_sessions().await;
    change(&home, |txn| {
        let mut slots = txn.open_table(SLOTS).expect("a table");
        slots.insert(4, b"damaged".as_slice()).expect("a row");
    });
    damage_gone(&home);
    let store = home.open();
    let refused = append(&store, "new", vec![created()]).await;
    let Err(AppendError::Damaged(damage)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(damage.session, None);
    assert!(damage.problem.contains("slot 4"), "{damage}");
    assert!(store.health().last_error.is_some());
    let goes_on = append(&store, "a", vec![output(0, "more")]).await;
    goes_on.expect("it has its id");
}

fn list(store: &Store, archived: Archived) -> (Vec<String>, usize) {
    let page = Page {
        before: None,
        limit: 10,
        archived,
    };
    let Listing {
        records, damaged, ..
    } = store.list(&page).expect("a read");
    let ids = records.iter().map(|record| record.session.id.to_string());
    (ids.collect(), damaged)
}

/// Changes the rows of the list: for each of these the time it has, and whether it is archived.
fn relist(home: &Home, changed: impl Fn(&str, i64) -> Option<(i64, bool)>) {
    change(home, |txn| {
        let mut list = txn.open_table(BY_CREATED).expect("a table");
        let rows: Vec<_> = list
            .iter()
            .expect("rows")
            .map(|row| {
                let (key, value) = row.expect("a row");
                let (at, id) = key.value();
                (at, id.to_owned(), value.value().0)
            })
            .collect();
        for (at, id, slot) in rows {
            if let Some((new_at, archived)) = changed(&id, at) {
                list.remove((at, id.as_str())).expect("a row");
                list.insert((new_at, id.as_str()), (slot, archived))
                    .expect("a row");
            }
        }
    });
}

#[tokio::test]
async fn a_session_is_in_the_list_though_that_says_it_is_archived() {
    let home = five_sessions().await;
    relist(&home, |id, at| {
        matches!(id, "b" | "ended").then_some((at, true))
    });
    let store = home.open();
    let all = ["ended", "c", "b", "a"].map(str::to_owned).to_vec();
    assert_eq!(list(&store, Archived::Hidden), (all.clone(), 0));
    assert_eq!(list(&store, Archived::Included), (all, 0));
}

#[tokio::test]
async fn an_archived_session_is_not_shown_because_the_list_says_it_is_not_archived() {
    let home = five_sessions().await;
    let store = home.open();
    append(&store, "ended", vec![Event::Archived])
        .await
        .expect("it has ended");
    store.close().await;
    relist(&home, |id, at| (id == "ended").then_some((at, false)));
    let store = home.open();
    let shown = ["c", "b", "a"].map(str::to_owned).to_vec();
    assert_eq!(list(&store, Archived::Hidden), (shown, 0));
}

#[tokio::test]
async fn a_session_that_is_not_in_its_place_in_the_list_is_counted_as_damaged() {
    let home = five_sessions().await;
    relist(&home, |id, at| (id == "b").then_some((at + 1024, false)));
    let store = home.open();
    let shown = ["ended", "c", "a"].map(str::to_owned).to_vec();
    assert_eq!(list(&store, Archived::Hidden), (shown, 1));
    assert!(store.record(&id("b")).expect("a read").is_some());
}

#[tokio::test]
async fn a_conversation_does_not_lead_to_a_session_that_has_another() {
    let home = Home::new();
    let store = home.open();
    for (session, conversation) in [("a", "one"), ("b", "two")] {
        let created = Event::Created {
            launch: Box::new(launch_in_conversation(conversation)),
            boot_id: None,
        };
        append(&store, session, vec![created])
            .await
            .expect("a new session");
    }
    store.close().await;
    change(&home, |txn| {
        let mut index = txn.open_table(BY_CONVERSATION).expect("a table");
        index.insert(("codex", "one", 2), ()).expect("a row");
        index.insert(("codex", "three", 1), ()).expect("a row");
    });
    let store = home.open();
    let codex = HarnessId::parse("codex").expect("an id");
    let found = |conversation| {
        let found = store.by_conversation(&codex, conversation);
        found.expect("a read").map(|id| id.to_string())
    };
    assert_eq!(found("one").as_deref(), Some("a"));
    assert_eq!(found("two").as_deref(), Some("b"));
    assert_eq!(found("three"), None);
}

/// The sessions `a` and `b`, of which the index of ids has `a` in the slot of `b`.
async fn a_in_the_slot_of_b() -> Home {
    let home = Home::new();
    let store = home.open();
    for session in ["a", "b"] {
        running(&store, session).await;
        let said = output(0, format!("a secret of {session}"));
        append(&store, session, vec![said]).await.expect("it runs");
    }
    store.close().await;
    change(&home, |txn| {
        let mut ids = txn.open_table(IDS).expect("a table");
        let slot = ids.get("b").expect("a read").expect("a row").value();
        ids.insert("a", slot).expect("a row");
    });
    home
}

#[tokio::test]
async fn a_session_is_not_given_what_another_said_where_the_index_of_ids_leads_there() {
    let home = a_in_the_slot_of_b().await;
    let store = home.open();
    let of_a = |damage: coven_store::Damage| assert_eq!(damage.session, Some(id("a")));
    let damaged = |error| match error {
        ReadError::Damaged(damage) => of_a(damage),
        other => panic!("{other}"),
    };
    damaged(store.record(&id("a")).expect_err("it is another's"));
    damaged(store.output(&id("a"), 0, 100).expect_err("it is another's"));
    damaged(
        store
            .read(&id("a"), Seq::ZERO, ALL)
            .expect_err("it is another's"),
    );
    damaged(store.launch(&id("a")).expect_err("it is another's"));
    assert_eq!(events_of(&store, "b").len(), 3);
}

#[tokio::test]
async fn what_is_made_anew_has_every_session_whatever_the_index_of_ids_says_and_that_index_too() {
    let home = a_in_the_slot_of_b().await;
    let store = home.open();
    store
        .rebuild_projections()
        .await
        .expect("the events are whole");
    assert_eq!(live(&store), ["a", "b"]);
    assert_eq!(
        list(&store, Archived::Hidden),
        (vec!["b".into(), "a".into()], 0)
    );
    assert_eq!(events_of(&store, "a").len(), 3);
    assert_eq!(store.verify().expect("a read").problems, []);
}
