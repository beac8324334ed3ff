//! Bits turn in what the cold file says of itself, under a log that goes on.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::fs;

use coven_store::{Options, Store, salvage};
use damage::*;
use support::*;

#[tokio::test]
async fn nothing_is_folded_into_a_file_that_says_something_else_of_itself_and_a_salvage_brings_all_back()
 {
    for what in [&b"coven event log"[..], b"log"] {
        let log = Log::empty();
        let store = log.open();
        running(&store, "a").await;
        let _ = store.verify();
        store.close().await;
        let options = Options {
            cache_bytes: 0,
            ..OPTIONS
        };
        let store = Store::open(&log.path(), options).expect("it is whole");
        let own = store.id();
        let what = if what == b"log" { &own[..] } else { what };
        let file = fs::read(log.path()).expect("a file");
        for at in (0..file.len() - 16).filter(|&at| file[at..].starts_with(what)) {
            // One bit alone would be put right.
            flip(&log.path(), at as u64 * 8 + 16 + 1);
            flip(&log.path(), at as u64 * 8 + 16 + 4);
        }
        append(&store, "a", vec![output(0, "acknowledged")])
            .await
            .expect("it runs");
        let _ = store.verify();
        append(&store, "a", vec![output(12, "and this")])
            .await
            .expect("it runs");
        assert!(store.health().stuck.is_some(), "nothing is folded");
        // As it is killed.
        let killed = log.copy();
        store.close().await;
        let into = killed.dir.path().join("salvaged");
        let salvaged = salvage(&killed.path(), &into, &mut |_| {}).expect("it is a log of ours");
        assert_eq!(salvaged.events, 4);
    }
}
