//! Opening: what is not ours, or not as it should be, gets its own error and is not touched.

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use coven_core::Seq;
use coven_store::{FORMAT, OpenError, Options, Store, glance};
use redb::{Database, TableDefinition};
use support::*;

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

fn try_open(path: &Path) -> Result<Store, OpenError> {
    Store::open(path, Options::default())
}

/// Opens what must be refused, and checks that every byte and the times are as they were, and
/// that nothing was put beside it.
fn refused(home: &Home) -> OpenError {
    let look = || -> (Vec<u8>, SystemTime, usize) {
        let meta = fs::metadata(home.path()).expect("it is there");
        let files = fs::read_dir(home.dir()).expect("the folder").count();
        let bytes = fs::read(home.path()).expect("it can be read");
        (bytes, meta.modified().expect("a time"), files)
    };
    let before = look();
    let error = try_open(&home.path()).expect_err("it is to be refused");
    assert!(before == look(), "it was touched: {error}");
    let told = error.to_string();
    assert!(told.contains("coven.redb"), "names the file: {told}");
    error
}

fn with_file(bytes: &[u8]) -> Home {
    let home = Home::new();
    fs::write(home.path(), bytes).expect("a file");
    home
}

/// A log with a session in it, closed.
async fn closed_log() -> Home {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    let events = vec![output(0, noise(1, 100_000))];
    append(&store, "a", events).await.expect("it follows");
    store.close().await;
    home
}

/// What a log consists of.
const FILES: [&str; 3] = ["coven.redb", "coven.redb.journal", "coven.redb.reserve"];

#[tokio::test]
async fn a_new_log_is_private_to_its_owner_and_stands_alone() {
    let home = Home::new();
    let store = home.open();
    // With that, the reserve is there too.
    append(&store, "a", vec![created()]).await.expect("new");
    store.close().await;
    for file in FILES {
        let found = fs::metadata(home.dir().join(file)).expect("a file");
        assert_eq!(found.permissions().mode() & 0o777, 0o600, "{file}");
    }
    let names: Vec<_> = fs::read_dir(home.dir())
        .expect("the folder")
        .map(|file| {
            file.expect("a file")
                .file_name()
                .into_string()
                .expect("text")
        })
        .filter(|name| !FILES.contains(&name.as_str()))
        .collect();
    assert_eq!(names, Vec::<String>::new());
}

#[tokio::test]
async fn a_log_that_is_open_is_locked() {
    let home = closed_log().await;
    let store = home.open();
    let again = try_open(&home.path());
    assert!(matches!(again, Err(OpenError::Locked { .. })), "{again:?}");
    let appended = append(&store, "a", vec![output(100_000, "x")]).await;
    appended.expect("the first is not disturbed");
    store.close().await;
    home.open();
}

#[test]
fn a_file_that_is_no_database_is_foreign() {
    let sqlite = b"SQLite format 3\0and so on".as_slice();
    for bytes in [sqlite, b"", b"r", &[0; 8192], &noise(1, 100_000)] {
        let error = refused(&with_file(bytes));
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    }
}

#[test]
fn a_folder_or_a_device_is_foreign() {
    let home = Home::new();
    fs::create_dir(home.path()).expect("a folder");
    let error = try_open(&home.path());
    assert!(matches!(error, Err(OpenError::Foreign { .. })), "{error:?}");
    let error = try_open(Path::new("/dev/null"));
    assert!(matches!(error, Err(OpenError::Foreign { .. })), "{error:?}");
}

#[test]
fn a_folder_that_is_not_there_is_an_error_of_the_system() {
    let home = Home::new();
    let error = try_open(&home.dir().join("nowhere/coven.redb"));
    assert!(matches!(error, Err(OpenError::Io { .. })), "{error:?}");
}

#[test]
fn a_database_of_another_program_is_foreign() {
    let home = Home::new();
    let db = Database::create(home.path()).expect("a database");
    drop(db);
    let error = refused(&home);
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");

    let others: [TableDefinition<&str, &[u8]>; 2] = [TableDefinition::new("theirs"), META];
    for table in others {
        let home = Home::new();
        let db = Database::create(home.path()).expect("a database");
        let txn = db.begin_write().expect("a transaction");
        let mut rows = txn.open_table(table).expect("a table");
        rows.insert("format", [1, 0, 0, 0].as_slice())
            .expect("a row");
        drop(rows);
        txn.commit().expect("a commit");
        drop(db);
        let error = refused(&home);
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    }
}

/// Overwrites a value in the log's own table.
fn set_meta(home: &Home, key: &str, value: &[u8]) {
    let db = Database::open(home.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    let mut meta = txn.open_table(META).expect("a table");
    meta.insert(key, value).expect("a row");
    drop(meta);
    txn.commit().expect("a commit");
}

#[tokio::test]
async fn a_log_of_a_newer_format_says_which() {
    let home = closed_log().await;
    set_meta(&home, "format", &(FORMAT + 6).to_le_bytes());
    let error = refused(&home);
    assert!(
        matches!(error, OpenError::Newer { found, .. } if found == FORMAT + 6),
        "{error:?}"
    );
    set_meta(&home, "format", &FORMAT.to_le_bytes());
    assert_eq!(events_of(&home.open(), "a").len(), 3);
}

#[tokio::test]
async fn a_log_of_a_format_that_was_never_released_is_left_alone() {
    let home = closed_log().await;
    for format in 1..FORMAT {
        set_meta(&home, "format", &format.to_le_bytes());
        let error = refused(&home);
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_log_whose_counters_make_no_sense_is_damaged() {
    let home = closed_log().await;
    for (key, value) in [
        ("last_seq", b"x".as_slice()),
        ("last_slot", &[0xff; 8]),
        ("format", &[0; 4]),
        ("format", b""),
    ] {
        let home_copy = Home::new();
        fs::copy(home.path(), home_copy.path()).expect("a copy");
        set_meta(&home_copy, key, value);
        let error = refused(&home_copy);
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_log_that_was_cut_short_is_damaged() {
    let home = closed_log().await;
    let len = fs::metadata(home.path()).expect("a file").len();
    for kept in [9, 100, 4096, len / 2, len - 1] {
        let bytes = fs::read(home.path()).expect("a file");
        let kept = usize::try_from(kept).expect("it is short");
        let error = refused(&with_file(&bytes[..kept]));
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{kept}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_log_whose_bytes_were_altered_never_makes_anybody_panic() {
    let home = closed_log().await;
    let whole = fs::read(home.path()).expect("a file");
    let mut told = 0;
    for round in 0..60 {
        let mut bytes = whole.clone();
        // Most of the file is free pages: aim at its beginning as often as at all of it.
        let within = if round % 2 == 0 {
            64 << 10
        } else {
            bytes.len()
        };
        for aim in noise(round, 64).chunks_exact(5) {
            let at = u32::from_le_bytes([aim[0], aim[1], aim[2], aim[3]]) as usize;
            bytes[at % within] = aim[4];
        }
        let home = with_file(&bytes);
        let Ok(store) = try_open(&home.path()) else {
            told += 1;
            continue;
        };
        // Whatever is read may be wrong; who reads it, and the writer, survive it.
        let read = store.read(&id("a"), Seq::ZERO, ALL);
        let verified = store.verify();
        told += usize::from(read.is_err() || verified.is_err());
        let append = store.append(urgent(batch("b", None, vec![created()])));
        let answered = tokio::time::timeout(Duration::from_secs(30), append).await;
        answered.expect("an answer").ok();
        store.close().await;
    }
    assert!(told > 5, "much of that is noticed: {told}");
}

#[test]
fn a_log_may_be_reached_by_links() {
    let home = Home::new();
    drop(home.open());
    let link = home.dir().join("link");
    symlink(home.path(), &link).expect("a link");
    let journal = |name: &str| home.dir().join(format!("{name}.journal"));
    symlink(journal("coven.redb"), journal("link")).expect("a link");
    // The first store closes in the background.
    while matches!(try_open(&home.path()), Err(OpenError::Locked { .. })) {
        std::thread::yield_now();
    }
    let opened = loop {
        match try_open(&link) {
            Err(OpenError::Locked { .. }) => std::thread::yield_now(),
            result => break result,
        }
    };
    opened.expect("it is the same log");
}

#[tokio::test]
async fn what_a_link_beside_the_log_leads_to_is_not_written_to() {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let precious = elsewhere.path().join("precious");
    fs::write(&precious, noise(2, 5000)).expect("a file");
    let home = Home::new();
    symlink(&precious, home.dir().join("coven.redb.new")).expect("a link");
    let error = try_open(&home.path()).expect_err("there is no place for a draft");
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
    fs::remove_file(home.dir().join("coven.redb.new")).expect("a link");

    home.open().close().await;
    let reserve = home.dir().join("coven.redb.reserve");
    fs::remove_file(&reserve).expect("a reserve");
    symlink(&precious, &reserve).expect("a link");
    let store = home.open();
    running(&store, "a").await;
    store.close().await;
    assert_eq!(fs::read(&precious).expect("a file"), noise(2, 5000));
}

#[tokio::test]
async fn what_a_crash_left_of_making_a_log_is_not_in_the_way() {
    let home = Home::new();
    fs::write(home.dir().join("coven.redb.new"), noise(1, 5000)).expect("a file");
    let store = home.open();
    running(&store, "a").await;
    store.close().await;
    assert!(!home.dir().join("coven.redb.new").exists());
}

#[tokio::test]
async fn half_of_a_log_is_refused_and_its_other_half_is_not_made_anew() {
    let journal = |home: &Home| home.dir().join("coven.redb.journal");
    // Folded, and with all of it in the journal yet.
    for is_closed in [true, false] {
        for is_cold in [true, false] {
            let home = Home::new();
            let store = home.open();
            running(&store, "a").await;
            let left = Home::new();
            if is_closed {
                store.clone().close().await;
            }
            fs::copy(home.path(), left.path()).expect("a copy");
            fs::copy(journal(&home), journal(&left)).expect("a copy");
            store.close().await;
            let lost = if is_cold { left.path() } else { journal(&left) };
            fs::remove_file(&lost).expect("it was there");
            let opened = [
                try_open(&left.path()).err(),
                Store::open_to_read(&left.path(), Options::default()).err(),
                glance(&left.path()).err(),
            ];
            for error in opened {
                let error = error.expect("half of it is missing");
                let OpenError::Damaged { path, problem } = &error else {
                    panic!("{error:?}");
                };
                assert_eq!(path, &lost);
                assert!(problem.starts_with("it is missing"), "{problem}");
            }
            assert!(!lost.exists());
            assert_eq!(fs::read_dir(left.dir()).expect("the folder").count(), 1);
        }
    }
}

#[tokio::test]
async fn a_crash_between_the_two_files_of_a_new_log_is_gone_on_from() {
    let home = Home::new();
    home.open().close().await;
    fs::remove_file(home.path()).expect("it was there");
    assert_eq!(glance(&home.path()).err().map(|it| it.to_string()), None);
    let store = home.open();
    running(&store, "a").await;
    store.close().await;
    assert_eq!(events_of(&home.open(), "a").len(), 2);
}

#[test]
fn of_many_who_open_at_once_one_gets_it_and_the_others_are_told() {
    let home = Home::new();
    let path = home.path();
    let opened: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| try_open(&path))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    assert_eq!(opened.iter().filter(|it| it.is_ok()).count(), 1);
    for error in opened.into_iter().filter_map(Result::err) {
        assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    }
}
