//! What a session is called whose slot no longer says it.

use super::*;
use crate::raw::pages;

/// A log of two sessions, of which the row that says who has the second slot is gone, and all that leads to others;
/// and what it had.
async fn home_without_a_name() -> (Home, Vec<Envelope>) {
    let home = Home::new();
    let store = home.open();
    for session in ["a", "b"] {
        running(&store, session).await;
        store.fold();
    }
    let events = store.read_all(Seq::ZERO, ALL).expect("a read");
    store.close().await;
    let slots = pages(&home.path(), "slots").remove(0).place;
    overwrite(&home.path(), slots.start as u64, &vec![0x77; slots.len()]);
    (home, events)
}

#[tokio::test]
async fn a_session_keeps_its_name_where_an_id_leads_to_it_and_a_record_says_so() {
    for table in ["ids", "by_created"] {
        let (home, events) = home_without_a_name().await;
        // One of the two will do.
        let gone = pages(&home.path(), table).remove(0).place;
        overwrite(&home.path(), gone.start as u64, &vec![0x77; gone.len()]);
        take_the_header(&home.path());
        let (found, told) = salvaged(&home.path()).await;
        assert_eq!(found, events, "without {table}");
        assert_eq!(told.changed, []);
    }
}

#[tokio::test]
async fn a_session_is_not_called_what_nothing_but_an_id_says_that_leads_to_it() {
    let (home, _) = home_without_a_name().await;
    let records = pages(&home.path(), "records").remove(0).place;
    overwrite(
        &home.path(),
        records.start as u64,
        &vec![0x77; records.len()],
    );
    take_the_header(&home.path());
    let (_, told) = salvaged(&home.path()).await;
    let changed = told.changed.iter().map(|it| it.session.as_str());
    assert_eq!(changed.collect::<Vec<_>>(), ["salvaged-slot-2"]);
}
