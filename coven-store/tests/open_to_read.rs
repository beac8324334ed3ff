//! Opening for reading alone: a log is read as it is, closed or not, and not written to.

mod support;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use coven_core::Seq;
use coven_store::{AppendError, OpenError, Options, ReadError, Store};
use support::*;

/// What a log consists of, to whoever copies it.
const FILES: [&str; 2] = ["coven.redb", "coven.redb.journal"];

fn open_to_read(home: &Home) -> Result<Store, OpenError> {
    Store::open_to_read(&home.path(), Options::default())
}

/// A copy of a log, as it is at this moment.
fn copy(home: &Home) -> Home {
    let copy = Home::new();
    for name in FILES {
        fs::copy(home.dir().join(name), copy.dir().join(name)).expect("a copy");
    }
    copy
}

fn bytes_of(home: &Home) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(home.dir()).expect("the folder");
    let mut files: Vec<_> = entries
        .map(|entry| {
            let entry = entry.expect("an entry");
            let bytes = fs::read(entry.path()).expect("it can be read");
            (entry.file_name().into_string().expect("a name"), bytes)
        })
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_log_that_was_not_closed_is_read_whole_and_not_written_to() {
    let home = Home::new();
    let store = home.open();
    ended(&store, "folded").await;
    assert!(store.verify().expect("a look").problems.is_empty());
    running(&store, "new").await;
    let written = noise(3, 200_000);
    append(&store, "new", vec![output(0, written.clone())])
        .await
        .expect("it follows");
    let crashed = copy(&home);
    for mode in [0o600, 0o400] {
        for name in FILES {
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(crashed.dir().join(name), mode).expect("a mode");
        }
        let before = bytes_of(&crashed);
        let read = open_to_read(&crashed).expect("it opens");
        for session in ["folded", "new"] {
            assert_eq!(events_of(&read, session), events_of(&store, session));
            let record = read.record(&id(session)).expect("a read");
            assert_eq!(record, store.record(&id(session)).expect("a read"));
        }
        assert_eq!(all_output(&read, "new"), written);
        assert_eq!(read.last_seq(), store.last_seq());
        drop(read);
        assert!(bytes_of(&crashed) == before, "it was written to");
    }
}

#[tokio::test]
async fn what_would_write_is_refused_and_nobody_waits_for_more() {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    store.close().await;
    let read = open_to_read(&home).expect("it opens");
    let refused = append(&read, "a", vec![output(0, "more")]).await;
    assert_eq!(refused, Err(AppendError::Closed));
    assert_eq!(read.rebuild_projections().await, Err(AppendError::Closed));
    for mut more in [read.committed(), read.watch(&id("a"))] {
        let told = tokio::time::timeout(Duration::from_secs(60), more.changed()).await;
        assert!(told.expect("it is told at once").is_err());
    }
    let last = read.last_seq();
    assert!(read.verify().expect("a look").problems.is_empty());
    read.clone().close().await;
    // Whoever opens it next can write to it at once.
    let store = home.open();
    assert_eq!(store.last_seq(), last);
    assert!(matches!(
        read.read(&id("a"), Seq::ZERO, ALL),
        Err(ReadError::Closed)
    ));
}

#[tokio::test]
async fn a_log_that_somebody_writes_to_or_that_is_not_there_is_not_opened() {
    let home = Home::new();
    let missing = open_to_read(&home).expect_err("there is none");
    assert!(
        matches!(&missing, OpenError::Io { source, .. } if source.kind() == ErrorKind::NotFound),
        "{missing}"
    );
    assert!(bytes_of(&home).is_empty());
    let store = home.open();
    let locked = open_to_read(&home).expect_err("it is open");
    assert!(matches!(locked, OpenError::Locked { .. }), "{locked}");
    ended(&store, "a").await;
    store.close().await;
    fs::remove_file(home.dir().join("coven.redb.journal")).expect("removed");
    let halved = open_to_read(&home).expect_err("half of it is missing");
    assert!(matches!(halved, OpenError::Damaged { .. }), "{halved}");
}
