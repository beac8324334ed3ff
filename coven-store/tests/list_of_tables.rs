//! The page that says where the tables are is damaged under a log that goes on: it is told, and the process lives.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::fs;

use coven_store::{Options, Store};
use damage::*;
use support::*;

/// Where the page is that lists the tables.
fn list_of_tables(log: &Log) -> u64 {
    let bytes = fs::read(log.path()).expect("a file");
    let mut pages = (PAGE_BYTES..len(&log.path())).step_by(PAGE_BYTES as usize);
    let is_it = |at: &u64| {
        let page = &bytes[*at as usize..];
        let copy = log.copy();
        let may_be = page[0] == 1 && page[2] == 13 && page[3] == 0;
        may_be && {
            flip(&copy.path(), (at + 5) * 8 + 5);
            tables_hit(&copy).contains("the list of tables")
        }
    };
    pages.find(is_it).expect("there is one")
}

#[tokio::test]
async fn a_bit_that_turns_in_the_list_of_tables_ends_no_process() {
    let log = Log::empty();
    let store = log.open();
    for number in 0..5 {
        running(&store, &format!("s-{number}")).await;
    }
    let _ = store.verify();
    store.close().await;
    let at = list_of_tables(&log);
    let options = Options {
        cache_bytes: 0,
        ..OPTIONS
    };
    // Where its keys and values end.
    for byte in (4..4 + 8 * 13).step_by(3) {
        for bits in [1, 2] {
            let copy = log.copy();
            let store = Store::open(&copy.path(), options).expect("it is whole");
            // What is looked at as it is opened has been.
            let _ = store.verify();
            append(&store, "s-0", vec![output(0, "to be folded")])
                .await
                .expect("it runs");
            (5..5 + bits).for_each(|bit| flip(&copy.path(), (at + byte) * 8 + bit));
            // One that is alone is put right by who folds.
            let is_told = bits == 2;
            if is_told {
                assert!(store.record(&id("s-1")).is_err(), "byte {byte}");
            }
            let _ = store.verify();
            assert_eq!(store.health().stuck.is_some(), is_told, "byte {byte}");
            assert_eq!(store.record(&id("s-1")).is_err(), is_told, "byte {byte}");
            store.close().await;
        }
    }
}
