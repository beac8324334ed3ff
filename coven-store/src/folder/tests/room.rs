//! What a fold asks of the disk before it begins.

use std::ops::Range;
use std::os::unix::fs::MetadataExt;

use futures_util::future::join_all;

use super::*;
use crate::error::StorageFault;
use crate::test_support::noise;

/// Sessions of a log, each with output of its own.
#[derive(Clone, Copy)]
struct Talk {
    len_bytes: usize,
    of: fn(u64, usize) -> Vec<u8>,
}

fn words(seed: u64, len_bytes: usize) -> Vec<u8> {
    let line = format!("line {seed} of a program that says much the same again and again\r\n");
    line.bytes().cycle().take(len_bytes).collect()
}

/// Bytes of one output event at most.
const PIECE: usize = 46_000;

impl Talk {
    /// So much more of a session that has `offset` bytes.
    async fn add(self, store: &Store, number: u64, offset: usize) {
        let end = offset + self.len_bytes;
        let said = (self.of)(number, end);
        for start in (offset..end).step_by(PIECE) {
            let piece = said[start..end.min(start + PIECE)].to_vec();
            let event = output(start as u64, piece);
            let appended = append(store, &format!("s{number}"), vec![event]).await;
            appended.expect("it runs");
        }
    }
}

async fn begin(store: &Store, sessions: Range<u64>) {
    let names = sessions.map(|number| format!("s{number}"));
    join_all(names.map(async |name| drop(running(store, &name).await))).await;
}

/// Bytes that a fold takes, and what it asks for: of a log with so many sessions that said something,
/// each so many of which says something more.
async fn asked_and_taken(sessions: u64, has: Talk, each: usize, more: Talk) -> (u64, u64) {
    let home = Home::new();
    let folded = async |store: &Store| {
        begin(store, 0..sessions).await;
        join_all((0..sessions).map(|number| has.add(store, number, 0))).await;
    };
    let waiting = async |store: &Store| {
        let told = (0..sessions).step_by(each);
        join_all(told.map(|number| more.add(store, number, has.len_bytes))).await;
    };
    let folder = folder_between(&home, folded, waiting).await;
    taken_by(&home, folder)
}

fn taken_by(home: &Home, mut folder: Folder) -> (u64, u64) {
    let what = folder.tail.look().fold().expect("there is something");
    // Whatever is written from now on takes blocks.
    folder
        .compaction
        .give_all_now(folder.cold.file().expect("it is writable"));
    let counted = folder.bytes_counted(&what).expect("a read");
    let asked = counted + folder.beside_bytes();
    let blocks = || std::fs::metadata(home.path()).expect("a file").blocks() * 512;
    let before = blocks();
    folder.write(&what).expect("it is folded");
    (asked, blocks() - before)
}

#[tokio::test]
async fn a_fold_asks_for_what_it_takes_whatever_its_sessions_have_and_not_for_much_more() {
    let noise = |len_bytes| Talk {
        len_bytes,
        of: noise,
    };
    let words = |len_bytes| Talk {
        len_bytes,
        of: words,
    };
    let logs = [
        (
            "last segments that fill no run of pages",
            40,
            noise(138_000),
            1,
            noise(100),
        ),
        ("small last segments", 400, noise(3000), 1, noise(100)),
        ("a few sessions of many", 3000, noise(1500), 37, noise(300)),
        ("a session of its own", 1, noise(10), 1, noise(9_000_000)),
        (
            "what is a little more than a run",
            60,
            noise(10),
            1,
            noise(133_000),
        ),
        ("what compresses", 60, words(100_000), 1, words(200_000)),
        (
            "what does not, behind what does",
            30,
            words(150_000),
            1,
            noise(300_000),
        ),
    ];
    for (name, sessions, has, each, more) in logs {
        let (asked, taken) = asked_and_taken(sessions, has, each, more).await;
        assert!(asked >= taken, "{name}: {asked} for {taken}");
        // What compresses may not have.
        let events = (sessions as usize).div_ceil(each) * (has.len_bytes + more.len_bytes);
        assert!(
            asked < 3 * events as u64 + (4 << 20),
            "{name}: {asked} for {events}"
        );
    }
}

#[tokio::test]
async fn a_fold_of_sessions_that_are_new_asks_for_what_it_takes() {
    let home = Home::new();
    let folder = folder_between(
        &home,
        async |_| {},
        async |store| begin(store, 0..2000).await,
    )
    .await;
    let (asked, taken) = taken_by(&home, folder);
    assert!((taken..8 * taken).contains(&asked), "{asked} for {taken}");
}

#[tokio::test]
async fn after_a_full_disk_a_fold_asks_for_twice_as_much_each_time_and_no_more_than_it_may_ever_have()
 {
    let home = Home::new();
    let mut folder = folder_with_an_end_to_fold(&home).await;
    let what = folder.tail.look().fold().expect("an end");
    let once = folder.bytes_counted(&what).expect("a read");
    let io = StorageFault::Io {
        message: String::new(),
    };
    for (reason, times) in [
        (io, 1),
        (StorageFault::Full, 2),
        (StorageFault::Full, 4),
        (StorageFault::Full, 4),
    ] {
        folder.state.asked.was_met_by(&Fault::Disk(reason));
        let bytes = folder.bytes_counted(&what).expect("a read");
        assert_eq!(bytes, times * once);
    }
    folder.fold_this(&what);
    assert_eq!(folder.state.asked, Asked::default());
}

#[tokio::test]
async fn a_part_takes_no_more_than_there_is_room_for_and_there_is_none_where_that_is_too_little() {
    let home = Home::new();
    let groups = (0..20).map(|turn| vec![output(turn * 10_000, noise(turn, 10_000))]);
    let folder = folder_with(&home, groups).await;
    let first = folder.tail.look().folded();
    let part = |room_bytes| folder.part_of(room_bytes).expect("a read");
    let (some, bytes) = part(300_000).expect("there is room for some");
    assert!(bytes <= 300_000, "{bytes}");
    assert!((first.position + 2..folder.tail.look().last().position).contains(&some.mark.position));
    assert!(part(5_000).is_none());
    let (all, _) = part(4 << 20).expect("there is room for all");
    assert_eq!(all.mark, folder.tail.look().last());
}
