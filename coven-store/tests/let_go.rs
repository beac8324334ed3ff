//! A last commit that is not whole is let go, and that is said.

#[path = "support/damage.rs"]
mod damage;
mod support;
#[path = "support/warnings.rs"]
mod warnings;

use std::fs;
use std::sync::atomic::Ordering;

use damage::spoil_wherever;
use support::*;
use warnings::{WARNINGS, Warnings};

const LAST: &[u8] = b"what was said last";

#[tokio::test]
async fn who_opens_a_log_whose_last_commit_was_damaged_after_a_kill_is_warned_that_it_is_let_go() {
    tracing::subscriber::set_global_default(Warnings).expect("this process is its own");
    let (home, killed) = (Home::new(), Home::new());
    let store = home.open();
    running(&store, "a").await;
    for (offset, said) in [(0, &b"what was said first"[..]), (19, LAST)] {
        append(&store, "a", vec![output(offset, said)])
            .await
            .expect("it goes on");
    }
    for name in ["coven.redb", "coven.redb.journal"] {
        fs::copy(home.dir().join(name), killed.dir().join(name)).expect("a copy");
    }
    store.close().await;

    let whole = Home::new();
    for name in ["coven.redb", "coven.redb.journal"] {
        fs::copy(killed.dir().join(name), whole.dir().join(name)).expect("a copy");
    }
    let store = whole.open();
    assert_eq!(all_output(&store, "a").len(), 19 + LAST.len());
    assert_eq!(store.health().last_error, None);
    store.close().await;
    assert_eq!(WARNINGS.load(Ordering::Relaxed), 0, "a kill is no loss");

    let journal = killed.dir().join("coven.redb.journal");
    spoil_wherever(&journal, LAST);
    let store = killed.open();
    assert_eq!(all_output(&store, "a"), b"what was said first");
    let told = store.health().last_error.expect("it is told");
    assert!(
        told.contains("coven.redb.journal: its last commit is not whole and was let go"),
        "{told}"
    );
    store.close().await;
    assert_eq!(WARNINGS.load(Ordering::Relaxed), 1);
}
