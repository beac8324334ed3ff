use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use coven_core::Seq;

use super::*;
use crate::file::{OsDisk, journal_path};
use crate::test_support::{
    Home, all_output, append, batch, created, events_of, noise, output, running, urgent,
};
use crate::{AppendError, Options, Store, WriterState, opening};

const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of the output that is folded.
const FOLDED_BYTES: u64 = 300_000;

/// A log with some output in the cold file, and some in the journal.
async fn lived(home: &Home) -> Store {
    let store = home.open();
    running(&store, "a").await;
    let folded = noise(1, 300_000);
    append(&store, "a", vec![output(0, folded)])
        .await
        .expect("it runs");
    store.fold();
    append(&store, "a", vec![output(FOLDED_BYTES, "one")])
        .await
        .expect("it runs");
    store
}

fn files(home: &Home) -> [PathBuf; 2] {
    [home.path(), journal_path(&home.path())]
}

/// Waits until it is so.
async fn in_time(what: &str, is_so: impl Fn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what} did not come");
}

/// Asks for something that can be refused: the reason.
async fn refused(store: &Store) -> StorageFault {
    let asked = urgent(batch("b", Seq::ZERO, vec![created()]));
    match store.append(asked).await {
        Err(AppendError::Suspended { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

/// Takes nothing while the files are as they are, says why, and reads what there is; goes on once `back` put
/// them back. The reason.
async fn until_back(home: &Home, store: Store, back: impl FnOnce()) -> StorageFault {
    // Asked before it met anything.
    let told = store.health().fault.expect("there is a reason");
    assert_eq!(refused(&store).await, told);
    let health = store.health();
    assert_eq!(
        (health.state, health.fault.as_ref()),
        (WriterState::Failed, Some(&told))
    );
    let (said, until) = (vec![output(FOLDED_BYTES + 3, "two")], store.clone());
    let waiting = tokio::spawn(async move { append(&until, "a", said).await });
    assert_eq!(refused(&store).await, told, "however often it looked");
    assert_eq!(all_output(&store, "a").len() as u64, FOLDED_BYTES + 3);
    assert!(!waiting.is_finished());
    back();
    let written = tokio::time::timeout(PATIENCE, waiting).await;
    written
        .expect("it goes on by itself")
        .expect("no panic")
        .expect("it is written");
    in_time("the end of it", || {
        store.health().state == WriterState::Healthy
    })
    .await;
    assert_eq!(store.health().fault, None);
    store.close().await;
    let store = home.open();
    let findings = store.verify().expect("a read");
    assert_eq!(findings.problems, Vec::new());
    assert_eq!(all_output(&store, "a").len() as u64, FOLDED_BYTES + 6);
    assert_eq!(events_of(&store, "b"), Vec::new());
    told
}

fn is_displaced(told: &StorageFault, path: &Path, what: &str) -> bool {
    matches!(told, StorageFault::Displaced { message }
        if *message == format!("{} {what}", path.display()))
}

#[tokio::test]
async fn a_log_of_which_a_file_is_gone_takes_nothing_and_says_so_until_it_is_back() {
    for at in 0..2 {
        let home = Home::new();
        let store = lived(&home).await;
        let path = &files(&home)[at];
        let aside = home.dir().join("aside");
        fs::rename(path, &aside).expect("it is there");
        let back = || fs::rename(&aside, path).expect("it is there");
        let told = until_back(&home, store, back).await;
        assert!(
            is_displaced(&told, path, "is not there any more"),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn a_log_with_another_file_in_the_place_of_its_own_takes_nothing_until_that_is_back() {
    for at in 0..2 {
        let home = Home::new();
        let store = lived(&home).await;
        let path = &files(&home)[at];
        let (aside, copy) = (home.dir().join("aside"), home.dir().join("copy"));
        fs::hard_link(path, &aside).expect("it is there");
        fs::copy(path, &copy).expect("it is there");
        fs::rename(&copy, path).expect("it is there");
        let back = || fs::rename(&aside, path).expect("it is there");
        let told = until_back(&home, store, back).await;
        let what = "is another file than the one that is open";
        assert!(is_displaced(&told, path, what), "{told:?}");
    }
}

#[tokio::test]
async fn a_log_of_which_a_file_was_cut_takes_nothing_and_says_so_until_that_is_whole() {
    for at in 0..2 {
        let home = Home::new();
        let store = lived(&home).await;
        // With that it is in memory.
        assert_eq!(all_output(&store, "a").len() as u64, FOLDED_BYTES + 3);
        let path = &files(&home)[at];
        let file = fs::File::options().read(true).write(true).open(path);
        let file = file.expect("it is there");
        let end = file.metadata().expect("it is open").len() - 1;
        let mut last = [0];
        file.read_exact_at(&mut last, end).expect("it is read");
        file.set_len(end).expect("it is cut");
        let back = || file.write_all_at(&last, end).expect("it is written");
        let told = until_back(&home, store, back).await;
        let is_told = matches!(&told, StorageFault::Damaged { message }
            if message.starts_with(&format!("{} was cut by another program", path.display())));
        assert!(is_told, "{told:?}");
    }
}

#[tokio::test]
async fn a_file_that_was_cut_is_told_to_be_while_another_looks_at_it() {
    let home = Home::new();
    home.open().close().await;
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let opened = opening::open(&disk, &home.path(), Options::default()).expect("it opens");
    let places = [opened.cold.place(), opened.journal.place()];
    for (place, path) in places.into_iter().zip(files(&home)) {
        assert_eq!(place.holds_it(), Ok(()));
        let file = fs::File::options().write(true).open(path);
        let file = file.expect("it is there");
        let len = file.metadata().expect("it is open").len();
        file.set_len(len - 1).expect("it is cut");
        let told = place.0.last_sync.with_len(|_| place.holds_it());
        assert!(
            matches!(told, Err(StorageFault::Damaged { .. })),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn what_a_journal_had_that_is_removed_is_in_the_cold_file_soon() {
    let home = Home::new();
    let store = lived(&home).await;
    fs::remove_file(journal_path(&home.path())).expect("it is there");
    refused(&store).await;
    in_time("the fold", || store.tail().look().is_folded()).await;
}

#[tokio::test]
async fn what_a_cold_file_had_that_is_removed_stays_in_the_journal_and_is_saved_from_what_is_open()
{
    let home = Home::new();
    let store = lived(&home).await;
    let removed = Inode::of(&home.path().metadata().expect("it is there"));
    let was_folded = store.tail().look().is_folded();
    fs::remove_file(home.path()).expect("it is there");
    refused(&store).await;
    store.fold();
    assert_eq!(store.tail().look().is_folded(), was_folded);
    // As `cp /proc/PID/fd/N` does.
    let open = fs::read_dir("/proc/self/fd").expect("it is there");
    let open = open.filter_map(|it| Some(it.ok()?.path()));
    let is_it = |path: &PathBuf| fs::metadata(path).is_ok_and(|it| Inode::of(&it) == removed);
    let open = open.into_iter().find(is_it).expect("it is open");
    fs::copy(open, home.path()).expect("it is copied");
    let saved = Home::new();
    store.close().await;
    for (from, to) in files(&home).iter().zip(files(&saved)) {
        fs::copy(from, to).expect("it is there");
    }
    let store = saved.open();
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
    assert_eq!(all_output(&store, "a").len() as u64, FOLDED_BYTES + 3);
}
