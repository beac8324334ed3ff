//! A disk that is really full, and one that is really read-only: small tmpfs mounts in a mount
//! namespace of their own. Where none can be made, the tests say so and are skipped.

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use coven_core::{Event, Seq};
use coven_store::{AppendError, OpenError, Options, StorageFault, Store, WriterState};
use support::*;

/// Tells the inner run, which is this same program, where its mount is.
const MOUNT: &str = "COVEN_STORE_SMALL_DISK";

/// Runs one of the ignored tests below on a tmpfs of `size`.
fn on_small_disk(test: &str, size: &str) {
    let home = Home::new();
    let mount = home.dir().display();
    let mut probe = in_namespace(&format!("mount -t tmpfs -o size=1m tmpfs '{mount}'"));
    if !probe.status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: no mount namespace can be made here");
        return;
    }
    let program = std::env::current_exe().expect("this program");
    let output = in_namespace(&format!(
        "mount -t tmpfs -o size={size} tmpfs '{mount}' && exec '{}' --exact {test} --ignored",
        program.display()
    ))
    .env(MOUNT, home.dir())
    .output()
    .expect("it starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("1 passed"), "{told}");
}

fn in_namespace(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", script]);
    command
}

fn mount() -> Option<PathBuf> {
    std::env::var_os(MOUNT).map(PathBuf::from)
}

fn remount(options: &str) {
    let status = Command::new("mount")
        .args(["-o", &format!("remount,{options}")])
        .arg(mount().expect("there is one"))
        .status();
    assert!(status.expect("it runs").success());
}

async fn until_state(store: &Store, state: WriterState) {
    let waiting = async {
        while store.health().state != state {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    in_time(waiting).await;
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(Duration::from_secs(60), work).await;
    done.expect("in time")
}

/// Takes what room there is, as another program would.
fn fill(path: &std::path::Path) {
    let mut file = fs::File::create(path).expect("a file");
    let block = noise(1, 64 << 10);
    while std::io::Write::write_all(&mut file, &block).is_ok() {}
}

#[test]
fn a_real_full_disk_stops_nothing_but_writing() {
    on_small_disk("inner_full", "48m");
}

#[tokio::test]
#[ignore = "the test above runs it on a small disk"]
async fn inner_full() {
    let Some(dir) = mount() else { return };
    let store = Store::open(&dir.join("coven.redb"), Options::default()).expect("it opens");
    let before = running(&store, "a").await;
    running(&store, "b").await;
    // The reserve is filled when there is nothing else to do.
    let reserve = dir.join("coven.redb.reserve");
    in_time(async {
        while fs::metadata(&reserve).map_or(0, |file| file.len()) < 4 << 20 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    fill(&dir.join("filler"));
    let of_a = tokio::spawn({
        let store = store.clone();
        async move { append(&store, "a", vec![output(0, noise(2, 50_000))]).await }
    });
    let of_b = tokio::spawn({
        let store = store.clone();
        async move { append(&store, "b", vec![output(0, noise(3, 50_000))]).await }
    });
    until_state(&store, WriterState::Failed).await;
    let health = store.health();
    assert_eq!(health.fault, Some(StorageFault::Full));
    let launch = store
        .append(urgent(batch("c", Seq::ZERO, vec![created()])))
        .await;
    let full = AppendError::Suspended {
        reason: StorageFault::Full,
    };
    assert_eq!(launch, Err(full));
    assert_eq!(events_of(&store, "a").len(), 2, "reads go on");

    // A kill and all that follows from it go through the reserve.
    let kill = store.append(urgent(batch("a", before.last, vec![Event::KillRequested])));
    in_time(kill).await.expect("the reserve is for this");
    in_time(of_a).await.expect("no panic").expect("it is dying");
    let end = append(&store, "a", vec![output_closed(), exited(137)]);
    let end = in_time(end).await.expect("it is dying");
    assert!(end.record.ended_at.is_some());
    assert!(!of_b.is_finished());

    fs::remove_file(dir.join("filler")).expect("it is there");
    in_time(of_b).await.expect("no panic").expect("only late");
    until_state(&store, WriterState::Healthy).await;
    assert_eq!(
        store.health().opens,
        1,
        "the database never met the full disk"
    );
    assert_eq!(all_output(&store, "a"), noise(2, 50_000));
    assert_eq!(all_output(&store, "b"), noise(3, 50_000));
    assert_eq!(
        store.verify().expect("a read").problems,
        Vec::<String>::new()
    );
    store.close().await;
}

#[test]
fn a_log_that_fills_the_disk_itself_goes_on_when_there_is_room() {
    on_small_disk("inner_filled_by_the_log", "24m");
}

#[tokio::test]
#[ignore = "the test above runs it on a small disk"]
async fn inner_filled_by_the_log() {
    let Some(dir) = mount() else { return };
    let store = Store::open(&dir.join("coven.redb"), Options::default()).expect("it opens");
    running(&store, "a").await;
    let writing = tokio::spawn({
        let store = store.clone();
        async move {
            let mut offset = 0;
            for turn in 0..600 {
                let data = noise(turn, 58_000);
                let appended = append(&store, "a", vec![output(offset, data)]).await;
                appended.expect("output is never refused");
                offset += 58_000;
            }
        }
    });
    until_state(&store, WriterState::Failed).await;
    let written = all_output(&store, "a").len();
    assert!(written > 8 << 20, "it filled most of the disk: {written}");
    assert!(!writing.is_finished());
    remount("size=96m");
    in_time(writing).await.expect("no panic");
    let expected: Vec<u8> = (0..600).flat_map(|turn| noise(turn, 58_000)).collect();
    assert!(all_output(&store, "a") == expected, "each byte, once");
    assert_eq!(
        store.health().opens,
        1,
        "the database never met the full disk"
    );
    store.close().await;
}

#[test]
fn on_a_read_only_disk_a_log_is_not_opened_and_not_made() {
    on_small_disk("inner_read_only", "24m");
}

#[tokio::test]
#[ignore = "the test above runs it on a small disk"]
async fn inner_read_only() {
    let Some(dir) = mount() else { return };
    let path = dir.join("coven.redb");
    let store = Store::open(&path, Options::default()).expect("it opens");
    running(&store, "a").await;
    store.close().await;
    remount("ro");
    for path in [&path, &dir.join("another.redb")] {
        let refused = Store::open(path, Options::default());
        assert!(
            matches!(refused, Err(OpenError::ReadOnly { .. })),
            "{refused:?}"
        );
    }
    remount("rw");
    let store = Store::open(&path, Options::default()).expect("it opens");
    assert_eq!(events_of(&store, "a").len(), 2);
    store.close().await;
}
