//! A log whose two files are of different moments: it is not opened, whichever is the older one, and
//! what is wrong with it is told.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use coven_core::Seq;
use coven_store::{Import, NewEvent, OpenError, Options, Store, glance, inspect, salvage};
use redb::{Database, TableDefinition};
use support::*;

const JOURNAL: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("journal");

fn journal_of(home: &Home) -> PathBuf {
    home.dir().join("coven.redb.journal")
}

/// A session in a log that is then closed, so that everything is folded.
async fn write(home: &Home, session: &str) {
    let store = home.open();
    ended(&store, session).await;
    store.close().await;
}

/// A log as it is while it is open, with each session a group in its journal that is not folded.
async fn crashed(sessions: &[&str]) -> Home {
    let (home, copy) = (Home::new(), Home::new());
    let store = home.open();
    for session in sessions {
        ended(&store, session).await;
    }
    for name in ["coven.redb", "coven.redb.journal"] {
        fs::copy(home.dir().join(name), copy.dir().join(name)).expect("a copy");
    }
    copy
}

fn import(home: &Home, session: &str) -> Seq {
    let mut import =
        Import::begin(&home.path(), Options::default(), id(session)).expect("it begins");
    for event in [created(), started(), output_closed(), exited(0)] {
        let (at, actor) = (at(1), None);
        import
            .push(&NewEvent { at, actor, event })
            .expect("it follows");
    }
    import.commit().expect("it is imported").last_seq
}

fn with(file: &Path, content: &[u8], look: impl FnOnce()) {
    let before = fs::read(file).expect("the file");
    fs::write(file, content).expect("the file");
    look();
    fs::write(file, before).expect("the file");
}

/// It is not opened, not changed, and told of.
fn assert_refused(home: &Home, says: &str) {
    let files = || [home.path(), journal_of(home)].map(|path| fs::read(path).expect("a file"));
    let before = files();
    let opened = [
        Store::open(&home.path(), Options::default()),
        Store::open_to_read(&home.path(), Options::default()),
    ];
    let opened = opened.map(|opened| opened.map(drop));
    for opened in opened.into_iter().chain([glance(&home.path())]) {
        match opened {
            Err(OpenError::Damaged { path, problem }) => {
                assert_eq!(path, journal_of(home));
                assert!(problem.contains(says), "{problem}");
            }
            Err(error) => panic!("{error}"),
            Ok(()) => panic!("it is served"),
        }
    }
    assert!(files() == before, "it was written to");
    let findings = inspect(&home.path(), &mut |_| ()).expect("it can be looked at");
    let told = |says: &str| {
        let mut problems = findings.problems.iter();
        problems.any(|finding| finding.problem.contains(says))
    };
    assert!(
        told(says) || told("is not there"),
        "{:?}",
        findings.problems
    );
}

/// What is salvaged counts on beyond whatever either file was of, and says that the newest is lost.
async fn assert_salvaged_beyond(home: &Home, last: Seq) {
    let new = Home::new();
    let salvaged = salvage(&home.path(), &new.path(), &mut |_| ()).expect("it is salvaged");
    assert!(salvaged.newest_is_lost);
    let store = new.open();
    assert!(ended(&store, "afterwards").await.first > last);
    store.close().await;
}

#[tokio::test]
async fn a_journal_that_is_older_than_its_cold_file_is_refused() {
    let home = Home::new();
    write(&home, "a").await;
    let old = fs::read(journal_of(&home)).expect("the journal");
    write(&home, "b").await;
    write(&home, "c").await;
    fs::write(journal_of(&home), &old).expect("the journal");
    assert_refused(&home, "it is older than the file beside it");
    // What was in the journal that is missing is not known.
    assert_salvaged_beyond(&home, Seq::new(1 << 20)).await;
}

#[tokio::test]
async fn a_cold_file_that_is_older_than_its_journal_is_refused() {
    let home = Home::new();
    write(&home, "a").await;
    let old = fs::read(home.path()).expect("the cold file");
    write(&home, "b").await;
    write(&home, "c").await;
    fs::write(home.path(), &old).expect("the cold file");
    assert_refused(&home, "emptied of what the cold file does not have");
    assert_salvaged_beyond(&home, Seq::new(12)).await;
}

#[tokio::test]
async fn files_that_went_on_from_one_log_in_different_ways_are_refused() {
    let (home, other) = (Home::new(), Home::new());
    write(&home, "a").await;
    for file in [home.path(), journal_of(&home)] {
        let name = file.file_name().expect("a name");
        fs::copy(&file, other.dir().join(name)).expect("a copy");
    }
    write(&home, "b").await;
    let store = other.open();
    running(&store, "b").await;
    store.close().await;
    let journal = fs::read(journal_of(&other)).expect("the journal");
    fs::write(journal_of(&home), &journal).expect("the journal");
    assert_refused(&home, "it went on otherwise than the file beside it");
}

#[tokio::test]
async fn only_the_journal_that_an_import_went_on_from_is_made_level_with_it() {
    let home = Home::new();
    write(&home, "a").await;
    let older = fs::read(journal_of(&home)).expect("the journal");
    write(&home, "b").await;
    let left = fs::read(journal_of(&home)).expect("the journal");
    let last = import(&home, "c");
    with(&journal_of(&home), &older, || {
        assert_refused(&home, "it is older than the file beside it");
    });
    with(&journal_of(&home), &left, || {
        let findings = inspect(&home.path(), &mut |_| ()).expect("it can be looked at");
        assert_eq!(findings.problems, Vec::new());
        glance(&home.path()).expect("it can be opened");
    });
    let store = home.open();
    assert_eq!(store.last_seq(), last);
    store.close().await;
    // Once something was folded since, the import is no reason any more.
    write(&home, "d").await;
    fs::write(journal_of(&home), &left).expect("the journal");
    assert_refused(&home, "it is older than the file beside it");
}

#[tokio::test]
async fn a_journal_that_misses_a_group_is_refused() {
    let home = crashed(&["a", "b", "c"]).await;
    let db = Database::open(journal_of(&home)).expect("nobody has it open");
    let txn = db.begin_write().expect("a transaction");
    let removed = txn
        .open_table(JOURNAL)
        .expect("a table")
        .remove((2, 0))
        .expect("a row")
        .is_some();
    assert!(removed);
    txn.commit().expect("a commit");
    drop(db);
    assert_refused(&home, "group 3 does not follow on group 1");
    // Whole, it is opened.
    let home = crashed(&["a", "b", "c"]).await;
    glance(&home.path()).expect("it can be opened");
    assert_eq!(home.open().last_seq(), Seq::new(12));
}
