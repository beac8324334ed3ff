use std::fs;

use coven_core::Event;
use redb::ReadableTableMetadata;

use crate::file::journal_path;
use crate::layout::{ERASING, TRIMMING};
use crate::test_support::*;
use crate::{Store, inspect, salvage};

/// Folds all there is, and waits until what was let go of is taken out.
async fn take_out(store: &Store) {
    let is_out = || {
        store.run(|txn| {
            Ok(txn.open_table(ERASING)?.is_empty()? && txn.open_table(TRIMMING)?.is_empty()?)
        })
    };
    store.fold();
    while !is_out().expect("a read") {
        tokio::task::yield_now().await;
    }
}

/// A log as a crash leaves it just after what was let go of was taken out of its cold file: its journal has
/// all of it still.
async fn folded_and_not_trimmed() -> Home {
    let (home, copy) = (Home::new(), Home::new());
    let store = home.open();
    for session in ["trimmed", "deleted"] {
        running(&store, session).await;
        let said = (0..3).map(|n| output(n * 100, noise(n, 100)));
        append(&store, session, said.collect())
            .await
            .expect("it goes on");
    }
    trim(&store, "trimmed", 0, 200).await;
    let end = vec![output_closed(), exited(0), Event::Deleted];
    append(&store, "deleted", end).await.expect("it ends");
    let journal = journal_path(&copy.path());
    fs::copy(journal_path(&home.path()), journal).expect("a copy");
    take_out(&store).await;
    fs::copy(home.path(), copy.path()).expect("a copy");
    store.close().await;
    copy
}

#[tokio::test]
async fn what_was_taken_out_and_the_journal_has_yet_is_not_told_among_what_was_let_go_of() {
    let home = folded_and_not_trimmed().await;
    let found = inspect(&home.path(), &mut |_| ()).expect("it can be looked at");
    let new = Home::new();
    let told = salvage(&home.path(), &new.path(), &mut |_| ()).expect("it is salvaged");
    // Its launch, its start, its last output and its trim.
    assert_eq!((found.events, told.events, told.let_go), (4, 4, 0));
    assert_eq!((told.sessions, told.changed), (1, Vec::new()));
}
