//! Which sessions are named as unreadable where what says whose they are is damaged: those that a reader is refused.

use std::collections::BTreeSet;

use super::*;
use crate::raw::pages;

const SESSIONS: u64 = 12;

fn name(number: u64) -> String {
    format!("named-{number}")
}

async fn home() -> Home {
    let home = Home::new();
    let store = home.open();
    for number in 0..SESSIONS {
        running(&store, &name(number)).await;
        if number == 3 {
            let end = vec![output_closed(), exited(0), Event::Deleted];
            append(&store, &name(number), end)
                .await
                .expect("it is deleted");
        }
        store.fold();
    }
    store.close().await;
    home
}

/// Those that a reader is not given whole.
async fn refused(home: &Home) -> BTreeSet<SessionId> {
    let store = Store::open_to_read(&home.path(), Options::default()).expect("it opens");
    let ids = (0..SESSIONS).filter(|number| *number != 3);
    let ids = ids.map(|number| id(&name(number)));
    let is_refused = |id: &SessionId| {
        let read = store.read(id, Seq::ZERO, ALL);
        read.map_or(true, |events| events.len() < 2)
    };
    let refused = ids.filter(is_refused).collect();
    store.close().await;
    refused
}

#[tokio::test]
async fn all_are_named_that_a_reader_is_refused_since_nothing_says_whose_they_are() {
    let whole = home().await;
    let mut counts = Vec::new();
    for tables in [
        &["slots", "ids"][..],
        &["slots", "ids", "records"],
        &["slots", "ids", "segments"],
        &["slots", "ids", "records", "segments"],
        &["slots", "records"],
        &["ids", "records"],
        // Nobody knows the name of the newest, and who does reads it by its record.
        &["slots", "ids", "by_created"],
    ] {
        let home = Home::new();
        for file in [Path::to_path_buf, journal_path] {
            fs::copy(file(&whole.path()), file(&home.path())).expect("a copy");
        }
        let places = tables
            .iter()
            .map(|table| pages(&home.path(), table).pop().expect("a page").place);
        for place in places.collect::<Vec<_>>() {
            overwrite(&home.path(), place.start as u64, &noise(3, place.len()));
        }
        let refused = refused(&home).await;
        let found = crate::inspect(&home.path(), &mut |_| {}).expect("a look");
        let named: BTreeSet<SessionId> = found.unreadable.into_keys().collect();
        assert_eq!(named, refused, "{tables:?}");
        counts.push(refused.len());
    }
    assert_eq!((counts[0], counts[1]), (0, 11), "{counts:?}");
}
