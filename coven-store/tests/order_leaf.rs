//! A leaf of the order that says it has fewer rows than it has.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::fs;

use coven_core::Seq;
use coven_store::Store;
use damage::*;
use support::*;

#[tokio::test]
async fn no_fold_writes_a_leaf_of_the_order_anew_that_says_it_has_fewer_rows_than_it_has() {
    let log = Log::empty();
    let store = log.open();
    for number in 0..7 {
        running(&store, &format!("s-{number}")).await;
        let _ = store.verify();
    }
    store.close().await;
    let all = {
        let store = log.copy().open();
        let all = store.read_all(Seq::ZERO, ALL).expect("a read");
        store.close().await;
        all
    };
    let bytes = fs::read(log.path()).expect("a file");
    let mut wrong = Vec::new();
    let mut tried = 0;
    for at in (PAGE_BYTES..len(&log.path())).step_by(PAGE_BYTES as usize) {
        let page = &bytes[at as usize..];
        if page[0] != 1 || page[2] != 7 || page[3] != 0 {
            continue;
        }
        for bit in 0..3 {
            let copy = log.copy();
            flip(&copy.path(), (at + 2) * 8 + bit);
            if !tables_hit(&copy).contains("order") {
                continue;
            }
            let Ok(store) = Store::open(&copy.path(), OPTIONS) else {
                continue;
            };
            tried += 1;
            running(&store, "fresh").await;
            let _ = store.verify();
            store.close().await;
            put(&copy.path(), at + 2, &[7]);
            let store = copy.open();
            let found = store.read_all(Seq::ZERO, ALL);
            let is_whole = found.as_ref().is_ok_and(|found| found.starts_with(&all));
            if !is_whole {
                let found = found.map(|found| found.len());
                wrong.push(format!(
                    "bit {bit}: {found:?} of {}; page {:?}",
                    all.len(),
                    store
                        .page_of_all(Seq::ZERO, ALL)
                        .map(|it| (it.events.len(), it.lost.len()))
                ));
            }
            store.close().await;
        }
    }
    assert!(tried > 0);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
