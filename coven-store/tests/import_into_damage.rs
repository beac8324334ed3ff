//! Importing into a log that is damaged: it is said that it is, or what is damaged is not in the way.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::collections::BTreeSet;

use coven_core::Envelope;
use coven_store::{Import, ImportError, NewEvent, StorageFault};
use damage::*;
use support::*;

/// Brings in a session; gives why that is refused.
fn import(log: &Log, events: &[Envelope]) -> Result<(), ImportError> {
    let mut import = Import::begin(&log.path(), OPTIONS, id("imported"))?;
    for envelope in events {
        import.push(&NewEvent {
            at: envelope.at,
            actor: envelope.actor.clone(),
            event: envelope.event.clone(),
        })?;
    }
    import.commit().map(drop)
}

/// A log of which everything is folded, closed, and the events of a session in it.
async fn folded_story() -> (Log, Vec<Envelope>) {
    let log = story().await;
    log.open().close().await;
    let store = log.open();
    let events = events_of(&store, "session-0");
    store.close().await;
    (log, events)
}

#[tokio::test]
async fn a_page_that_is_in_the_way_is_told_as_damage_and_one_bit_of_it_is_put_right() {
    let (log, events) = folded_story().await;
    let mut in_the_way = BTreeSet::new();
    for page in 1..len(&log.path()) / PAGE_BYTES {
        let at = page * PAGE_BYTES;
        let copy = log.copy();
        // It says that it has more than it has.
        put(&copy.path(), at + 2, &[0x7f, 0x7f]);
        match import(&copy, &events) {
            Ok(()) => assert_eq!(events_of(&copy.open(), "imported").len(), events.len()),
            Err(ImportError::Open(_)) => {}
            Err(ImportError::Storage(StorageFault::Damaged { .. })) => {
                in_the_way.extend(tables_hit(&copy));
                let copy = log.copy();
                flip(&copy.path(), (at + 2) * 8);
                import(&copy, &events).unwrap_or_else(|error| panic!("page {page}: {error}"));
            }
            Err(error) => panic!("page {page}: {error}"),
        }
    }
    assert!(in_the_way.contains("segments"), "{in_the_way:?}");
}
