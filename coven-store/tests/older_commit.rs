//! A log that was killed, whose cold file calls the commit before its last one the last.

#[path = "support/damage.rs"]
mod damage;
#[path = "support/salvaged.rs"]
mod salvaging;
mod support;

use coven_store::{OpenError, Options, Store, inspect};
use damage::*;
use salvaging::*;
use support::*;

#[tokio::test]
async fn a_cold_file_that_calls_an_older_commit_the_last_than_its_journal_was_emptied_for_is_salvaged_whole()
 {
    let log = Log::empty();
    let store = log.open();
    running(&store, "a").await;
    store.verify().expect("all is folded");
    let said = noise(7, 100_000);
    append(&store, "a", vec![output(0, said.clone())])
        .await
        .expect("it runs");
    store.verify().expect("all is folded");
    // With that, what is folded is taken out of the journal.
    running(&store, "b").await;
    let killed = log.copy();
    let old = content(&store).expect("it is whole");
    store.close().await;
    assert!(
        inspect(&killed.path(), &mut |_| ())
            .expect("a look")
            .problems
            .is_empty()
    );

    // The bit that says which of its two commits is the last.
    flip(&killed.path(), 9 * 8);
    let refused = Store::open(&killed.path(), Options::default()).err();
    assert!(
        matches!(refused, Some(OpenError::Damaged { .. })),
        "{refused:?}"
    );
    let findings = inspect(&killed.path(), &mut |_| ()).expect("a look");
    let told: Vec<_> = findings.problems.iter().map(ToString::to_string).collect();
    let says = "its first page calls the commit before its last one the last";
    assert!(told.len() == 1 && told[0].contains(says), "{told:?}");
    assert!(findings.unreadable.is_empty() && !findings.newest_is_lost);
    let (new, salvaged) = salvaged(&killed);
    assert!(
        salvaged.changed.is_empty() && !salvaged.newest_is_lost,
        "{salvaged:?}"
    );
    assert_eq!(content_of(&new).await, old);
}
