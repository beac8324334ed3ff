//! Projections are made anew of tables of which a leaf says that it has fewer rows than it has: nobody is left out
//! of them without a word.

#[path = "support/damage.rs"]
mod damage;
mod support;

use std::fs;

use coven_core::Seq;
use coven_store::Store;
use damage::*;
use support::*;

#[tokio::test]
async fn nobody_is_left_out_of_projections_that_are_made_anew_of_a_leaf_that_lost_rows() {
    let log = Log::empty();
    let store = log.open();
    for number in 0..4 {
        let said = output(0, noise(number, 300));
        append(
            &store,
            &format!("s-{number}"),
            vec![created(), started(), said],
        )
        .await
        .expect("a new session");
    }
    let _ = store.verify();
    store.close().await;
    let bytes = fs::read(log.path()).expect("a file");
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for at in (PAGE_BYTES..len(&log.path())).step_by(PAGE_BYTES as usize) {
        let page = &bytes[at as usize..];
        if page[0] != 1 || page[2] != 4 || page[3] != 0 {
            continue;
        }
        for (bit, is_alone) in (0..4).flat_map(|bit| [(bit, true), (bit, false)]) {
            let copy = log.copy();
            flip(&copy.path(), (at + 2) * 8 + bit);
            // That one alone is put right for who writes.
            if !is_alone {
                flip(&copy.path(), (at + 40) * 8);
            }
            let hit = tables_hit(&copy);
            let Some(table) = ["segments", "slots"].iter().find(|it| hit.contains(*it)) else {
                continue;
            };
            let Ok(store) = Store::open(&copy.path(), OPTIONS) else {
                continue;
            };
            tried += 1;
            let rebuilt = store.rebuild_projections().await;
            let silent: Vec<_> = (0..4)
                .filter(|number| {
                    let read = store.read(&id(&format!("s-{number}")), Seq::ZERO, ALL);
                    read.is_ok_and(|events| events.len() < 3)
                })
                .collect();
            if rebuilt.is_ok() != is_alone || !silent.is_empty() {
                wrong.push(format!(
                    "{table}, bit {bit}: {rebuilt:?}, nothing is told of {silent:?}"
                ));
            }
            store.close().await;
            // If it is as it was, it can be mended by who knows how.
            if rebuilt.is_err() {
                put(&copy.path(), at, &page[..PAGE_BYTES as usize]);
            }
            if let Ok(store) = Store::open(&copy.path(), OPTIONS) {
                let silent: Vec<_> = (0..4)
                    .filter(|number| {
                        let read = store.read(&id(&format!("s-{number}")), Seq::ZERO, ALL);
                        read.is_ok_and(|events| events.len() < 3)
                    })
                    .collect();
                if !silent.is_empty() {
                    wrong.push(format!("{table}, bit {bit}, put back: {silent:?}"));
                }
                store.close().await;
            }
        }
    }
    assert!(tried > 0);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
