//! A page that the database keeps for itself goes bad under a log that goes on: the process lives.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::collections::BTreeSet;
use std::fs;

use coven_core::Event;
use coven_store::{Options, Store};
use damage::*;
use support::*;

#[tokio::test]
async fn a_bit_that_turns_in_what_the_database_keeps_for_itself_ends_no_process() {
    let log = Log::empty();
    let store = log.open();
    for round in 0..3 {
        for number in 0..24_u64 {
            let name = format!("s-{number}");
            if round == 0 {
                running(&store, &name).await;
            }
            let said = output(round * 9_000, noise(number, 9_000));
            append(&store, &name, vec![said, resized()])
                .await
                .expect("it goes on");
        }
        let _ = store.verify();
    }
    store.close().await;
    let bytes = fs::read(log.path()).expect("a file");
    let cache_bytes = std::env::var("CACHE_BYTES").map_or(0, |it| it.parse().expect("a number"));
    let mut tried = 0;
    for at in (PAGE_BYTES..len(&log.path())).step_by(PAGE_BYTES as usize) {
        let page = &bytes[at as usize..];
        if page[0] != 1 && page[0] != 2 {
            continue;
        }
        let copy = log.copy();
        flip(&copy.path(), (at + 3) * 8);
        if tables_hit(&copy) != BTreeSet::from(["what the database keeps for itself"]) {
            continue;
        }
        for byte in 0..24 {
            for bit in [0, 1] {
                let copy = log.copy();
                let options = Options {
                    cache_bytes,
                    ..OPTIONS
                };
                let store = Store::open(&copy.path(), options).expect("it is whole");
                flip(&copy.path(), (at + byte) * 8 + bit);
                let _ = append(&store, "s-3", vec![resized()]).await;
                let _ = store.verify();
                let _ = append(&store, "s-4", vec![Event::Summoned]).await;
                store.close().await;
                drop(copy.open());
                tried += 1;
            }
        }
    }
    assert!(tried > 0);
}
