//! A log with something of everything in it, as a crash left it, and ways to damage it.
#![allow(dead_code, unreachable_pub)] // each test uses its own part of this

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use coven_core::{Envelope, Event, Record, Seq, SessionId};
use coven_store::{Archived, Options, Page, ReadLimit, Store, inspect};

use super::*;

/// A log's two files, in a folder of their own.
pub struct Log {
    pub dir: tempfile::TempDir,
}

impl Log {
    /// Nothing is there yet.
    pub fn empty() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a temporary folder"),
        }
    }
}

/// All that a reader can get out of a log.
#[derive(Debug, PartialEq)]
pub struct Content {
    pub records: Vec<Record>,
    pub events: Vec<Envelope>,
    pub by_session: Vec<Vec<Envelope>>,
    pub output: Vec<Vec<u8>>,
    pub live: Vec<Record>,
}

impl Content {
    /// A session's output, byte by byte, each with its offset.
    pub fn output_of(&self, session: &SessionId) -> BTreeMap<u64, u8> {
        let events = self.events.iter().filter(|it| it.session == *session);
        let output = events.filter_map(|it| match &it.event {
            Event::Output { offset, data, .. } => Some((*offset..).zip(data.to_vec())),
            _ => None,
        });
        output.flatten().collect()
    }
}

pub const OPTIONS: Options = Options {
    cache_bytes: 1 << 20,
    journal_cache_bytes: 1 << 20,
    segment_cache_bytes: 1 << 20,
    fold_bytes: 8 << 20,
    fold_after: NEVER,
    reserve_bytes: 0,
    at_close: coven_store::AtClose::Write,
    queue_bytes: 8 << 20,
    spare_bytes: u64::MAX,
    at_rest: None,
};

impl Log {
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("coven.redb")
    }

    pub fn journal(&self) -> PathBuf {
        self.dir.path().join("coven.redb.journal")
    }

    pub fn open(&self) -> Store {
        Store::open(&self.path(), OPTIONS).expect("the store opens")
    }

    /// Another log with the same bytes.
    pub fn copy(&self) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let copy = Self { dir };
        fs::copy(self.path(), copy.path()).expect("a copy");
        fs::copy(self.journal(), copy.journal()).expect("a copy");
        copy
    }
}

/// Sessions that took turns, ended, were archived and deleted, and one of each kind of event; some of
/// it folded, some not, and as `kill -9` leaves it.
pub async fn story() -> Log {
    let home = Log::empty();
    let store = home.open();
    let names: Vec<String> = (0..12).map(|number| format!("session-{number}")).collect();
    for (name, nanos) in names.iter().zip(1..) {
        let events = vec![created(), started()];
        let created = store.append(batch_at(name, nanos, events)).await;
        created.expect("a new session");
    }
    append(&store, "outside", vec![registered("outside")])
        .await
        .expect("a new session");
    let conversation = Event::Created {
        launch: Box::new(launch_in_conversation("talk")),
        boot_id: None,
    };
    append(&store, "talking", vec![conversation, started()])
        .await
        .expect("a new session");
    let mut offsets = vec![0; names.len()];
    for round in 0..8_u64 {
        for (number, name) in names.iter().enumerate() {
            write(&store, name, round, &mut offsets[number]).await;
        }
    }
    for name in &names[..4] {
        let ending = vec![output_closed(), exited(0)];
        append(&store, name, ending).await.expect("it ends");
    }
    let cut = Event::Trimmed {
        offset: 0,
        len_bytes: first_bytes(&store, &names[3]),
        sha256: [7; 32],
    };
    append(&store, &names[3], vec![cut])
        .await
        .expect("it is trimmed");
    append(&store, &names[0], vec![Event::Archived])
        .await
        .expect("it is archived");
    append(&store, &names[1], vec![Event::Deleted])
        .await
        .expect("it is deleted");
    store.close().await;
    let store = home.open();
    // What was deleted and what was trimmed is taken out: with each look goes one step of that.
    for _ in 0..3 {
        assert_eq!(store.verify().expect("a look").problems, []);
    }
    // From here on nothing is written to the cold file.
    for round in 8..10_u64 {
        for (number, name) in names.iter().enumerate().skip(4) {
            write(&store, name, round, &mut offsets[number]).await;
        }
    }
    running(&store, "new").await;
    append(&store, &names[2], vec![Event::Deleted])
        .await
        .expect("it is deleted");
    let crashed = home.copy();
    store.close().await;
    crashed
}

/// How long a session's first events of output are.
fn first_bytes(store: &Store, name: &str) -> u64 {
    let chunks = store.output(&id(name), 0, usize::MAX).expect("a read");
    chunks[..3].iter().map(|it| it.data.len() as u64).sum()
}

async fn write(store: &Store, name: &str, round: u64, offset: &mut u64) {
    let seed = *offset + round;
    let len = [30, 3_000, 20_000, 700][usize::try_from(seed % 4).expect("small")];
    let mut data = noise(seed, len);
    data.extend(
        format!("{name} in round {round}\r\n")
            .repeat(20)
            .into_bytes(),
    );
    let event = output(*offset, data.clone());
    *offset += data.len() as u64;
    let titled = Event::Titled {
        title: coven_core::Title::parse(&format!("round {round}")).expect("a title"),
    };
    append(store, name, vec![event, titled])
        .await
        .expect("it goes on");
}

/// What a reader gets out of an open log; `None` where something of it cannot be read.
pub fn content(store: &Store) -> Option<Content> {
    let page = Page {
        before: None,
        limit: 1000,
        archived: Archived::Included,
    };
    let records = store.list(&page).ok()?.records;
    let mut events = Vec::new();
    loop {
        let after = events.last().map_or(Seq::ZERO, |it: &Envelope| it.seq);
        let more = store.read_all(after, ReadLimit::default()).ok()?;
        if more.is_empty() {
            break;
        }
        events.extend(more);
    }
    let ids = || records.iter().map(|record| &record.session.id);
    let by_session: Result<_, _> = ids().map(|id| store.read(id, Seq::ZERO, ALL)).collect();
    let output: Result<Vec<_>, _> = ids().map(|id| store.output(id, 0, usize::MAX)).collect();
    let output = output.ok()?.into_iter();
    Some(Content {
        by_session: by_session.ok()?,
        output: output
            .map(|chunks| chunks.iter().flat_map(|it| it.data.to_vec()).collect())
            .collect(),
        live: store.live().ok()?,
        records,
        events,
    })
}

/// Turns one bit.
pub fn flip(path: &Path, bit: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.expect("the file opens");
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).expect("a read");
    byte[0] ^= 1 << (bit % 8);
    file.write_all_at(&byte, bit / 8).expect("a write");
}

/// Turns two bits of a byte: one alone would be turned back.
pub fn spoil(path: &Path, bit: u64) {
    flip(path, bit);
    flip(path, bit ^ 1);
}

/// The same in the first byte of `what`, wherever that is in the file: in older states of its pages, too.
pub fn spoil_wherever(path: &Path, what: &[u8]) {
    for at in places_of(what, path) {
        spoil(path, at * 8);
    }
}

/// Puts `bytes` at `offset`.
pub fn put(path: &Path, offset: u64, bytes: &[u8]) {
    let file = OpenOptions::new()
        .write(true)
        .open(path)
        .expect("the file opens");
    file.write_all_at(bytes, offset).expect("a write");
}

pub fn cut(path: &Path, len: u64) {
    let file = OpenOptions::new()
        .write(true)
        .open(path)
        .expect("the file opens");
    file.set_len(len).expect("it is cut");
}

pub fn len(path: &Path) -> u64 {
    fs::metadata(path).expect("a file").len()
}

/// Numbers by chance, the same for the same seed.
pub fn chance(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    })
}

/// Bytes of the shortest page of a file.
pub const PAGE_BYTES: u64 = 4096;

/// In which tables of the cold file something is damaged.
pub fn tables_hit(log: &Log) -> BTreeSet<&'static str> {
    let findings = inspect(&log.path(), &mut |_| {}).expect("it can be looked at");
    let problems = findings.problems.iter();
    problems.filter_map(|problem| problem.table).collect()
}
