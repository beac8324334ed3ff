//! When the log is told to be at rest.

use std::cell::Cell;

use super::*;
use crate::limits::REST_AFTER;

thread_local! {
    /// How often it was told on this thread, which is a test's own.
    static TOLD: Cell<u32> = const { Cell::new(0) };
}

fn tell() {
    TOLD.set(TOLD.get() + 1);
}

/// A folder that tells, and has done all there is to do.
async fn folder_that_is_done(home: &Home) -> Folder {
    let mut folder = folder_with_an_end_to_fold(home).await;
    folder.rest = Rest::new(Some(tell), folder.tail.pool());
    folder.take_in(Message::FoldAll { reply: None });
    do_all(&mut folder);
    folder
}

fn do_all(folder: &mut Folder) {
    folder.work();
    while folder.due(Instant::now()) == Some(Duration::ZERO) {
        folder.work();
    }
}

/// As if nobody had told it anything for as long as it waits.
fn wait(folder: &mut Folder) {
    let patience = folder.patience().expect("it waits for something");
    assert!(!patience.is_zero() && patience <= REST_AFTER);
    folder.go_on(Instant::now() + patience);
}

#[tokio::test]
async fn once_all_is_done_the_log_is_told_to_be_at_rest_once_and_wakes_nobody_then() {
    let home = Home::new();
    let mut folder = folder_that_is_done(&home).await;
    assert_eq!(TOLD.get(), 0);
    wait(&mut folder);
    assert_eq!(TOLD.get(), 1);
    assert_eq!(folder.patience(), None);
    folder.take_in(Message::FoldAll { reply: None });
    do_all(&mut folder);
    wait(&mut folder);
    assert_eq!(TOLD.get(), 2);
    assert_eq!(folder.patience(), None);
}

#[tokio::test]
async fn what_is_done_meanwhile_puts_it_off() {
    let home = Home::new();
    let mut folder = folder_that_is_done(&home).await;
    let patience = folder.patience().expect("it waits");
    let first = Instant::now() + patience;
    folder.take_in(Message::FoldAll { reply: None });
    do_all(&mut folder);
    folder.go_on(first);
    assert_eq!(TOLD.get(), 0);
    wait(&mut folder);
    assert_eq!(TOLD.get(), 1);
}

#[tokio::test]
async fn a_log_with_something_to_be_folded_is_not_at_rest() {
    let (home, other) = (Home::new(), Home::new());
    let unfolded = folder_with_an_end_to_fold(&other).await.tail;
    let mut folder = folder_that_is_done(&home).await;
    let folded = std::mem::replace(&mut folder.tail, unfolded);
    wait(&mut folder);
    assert_eq!(TOLD.get(), 0);
    assert_eq!(folder.patience(), None);
    // As when the writer has had it folded.
    folder.tail = folded;
    folder.take_in(Message::FoldAll { reply: None });
    do_all(&mut folder);
    wait(&mut folder);
    assert_eq!(TOLD.get(), 1);
}

#[tokio::test]
async fn a_log_that_keeps_something_for_readers_is_not_at_rest() {
    let home = Home::new();
    let mut folder = folder_that_is_done(&home).await;
    read_all_of_a(&folder);
    folder.take_in(Message::Cached);
    do_all(&mut folder);
    let patience = folder.patience().expect("there is something to give back");
    assert!(patience > REST_AFTER);
    folder.go_on(Instant::now() + REST_AFTER);
    folder.go_on(Instant::now() + patience);
    assert_eq!(TOLD.get(), 0);
    // As if that long nobody had read.
    folder.cache.rest(Instant::now() + patience);
    wait(&mut folder);
    assert_eq!(TOLD.get(), 1);
    assert_eq!(folder.patience(), None);
}

#[tokio::test]
async fn memory_of_what_was_folded_is_kept_until_the_log_is_at_rest_also_where_nobody_is_told() {
    let home = Home::new();
    let mut folder = folder_that_is_done(&home).await;
    folder.rest = Rest::new(None, folder.tail.pool());
    folder.take_in(Message::FoldAll { reply: None });
    do_all(&mut folder);
    assert_eq!(folder.patience(), None, "nothing was recorded");
    let pool = Arc::clone(folder.tail.pool());
    pool.keep();
    do_all(&mut folder);
    assert!(pool.keeps());
    wait(&mut folder);
    assert!(!pool.keeps());
    assert_eq!(folder.patience(), None);
}

#[tokio::test]
async fn who_panics_when_told_does_no_harm() {
    let home = Home::new();
    let mut folder = folder_that_is_done(&home).await;
    folder.rest = Rest::new(
        Some(|| panic!("what the host does fails")),
        folder.tail.pool(),
    );
    folder.work();
    wait(&mut folder);
    assert_eq!(folder.patience(), None);
    folder.take_in(Message::FoldAll { reply: None });
    do_all(&mut folder);
    drop(folder);
    assert_is_there_once(&home.open());
}

#[tokio::test]
async fn a_log_that_was_opened_and_is_left_alone_is_told_to_be_at_rest() {
    static IS_AT_REST: tokio::sync::Notify = tokio::sync::Notify::const_new();
    let home = Home::new();
    let options = Options {
        at_rest: Some(|| IS_AT_REST.notify_one()),
        ..Options::default()
    };
    let store = Store::open(&home.path(), options).expect("it opens");
    IS_AT_REST.notified().await;
    drop(store);
}
