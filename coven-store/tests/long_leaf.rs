//! A leaf of more than 16 KiB, with a short segment and a long one, says that it has none.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::fs;

use coven_core::Seq;
use coven_store::Store;
use damage::*;
use support::*;

#[tokio::test]
async fn no_fold_writes_a_long_leaf_anew_that_says_it_has_no_rows() {
    // The latter is longer than any that bits are put right in.
    for len_bytes in [60_000, 200_000] {
        no_rows_of_a_leaf_that_says_it_has_none_are_lost(len_bytes).await;
    }
}

async fn no_rows_of_a_leaf_that_says_it_has_none_are_lost(len_bytes: usize) {
    let log = Log::empty();
    let store = log.open();
    for name in ["a", "b", "c"] {
        append(
            &store,
            name,
            vec![created(), started(), output(0, noise(1, 900))],
        )
        .await
        .expect("a new session");
    }
    let _ = store.verify();
    append(&store, "b", vec![output(900, noise(2, len_bytes))])
        .await
        .expect("it goes on");
    let _ = store.verify();
    store.close().await;
    let bytes = fs::read(log.path()).expect("a file");
    let read = |store: &Store| {
        ["a", "b", "c"].map(|name| {
            store
                .read(&id(name), Seq::ZERO, ALL)
                .map(|it| it.len())
                .ok()
        })
    };
    let before = read(&log.copy().open());
    let (mut tried, mut wrong) = (0, Vec::new());
    for at in (PAGE_BYTES..len(&log.path())).step_by(PAGE_BYTES as usize) {
        let page = &bytes[at as usize..];
        if page[0] != 1 || page[1] != 0 || page[2] != 2 || page[3] != 0 {
            continue;
        }
        let copy = log.copy();
        flip(&copy.path(), (at + 2) * 8 + 1);
        if !tables_hit(&copy).contains("segments") {
            continue;
        }
        for to in ["a", "b", "c", "fresh"] {
            let copy = log.copy();
            flip(&copy.path(), (at + 2) * 8 + 1);
            let Ok(store) = Store::open(&copy.path(), OPTIONS) else {
                continue;
            };
            tried += 1;
            let events = match to {
                "fresh" => vec![created(), started()],
                _ => vec![resized()],
            };
            let _ = append(&store, to, events).await;
            let _ = store.verify();
            let stuck = store.health().stuck;
            store.close().await;
            put(&copy.path(), at + 2, &[2]);
            let now = read(&copy.open());
            let lost = before.iter().zip(&now).any(|(before, now)| now < before);
            if lost {
                wrong.push(format!(
                    "the leaf at byte {at}, to {to}: {before:?} became {now:?}; {stuck:?}"
                ));
            }
        }
    }
    assert!(tried > 0, "there is none such");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
