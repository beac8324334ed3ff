//! What does not depend on the history: 1,000 sessions, and 1,000,000 with 10 GiB of output.
//!
//! The sessions have ended; 63 more write at once until there are 10 GiB, beside one that wrote a
//! line and is quiet. Then whoever writes is killed, and the log is opened again.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use coven_core::{Seq, SessionId};
use coven_store::{Archived, Options, Page, ReadLimit, Store};
use futures_util::StreamExt;
use tokio::runtime::Builder;

use crate::coven::{batch, beginning, ending, output, session_id};
use crate::figures::{Payload, bytes_on_disk, line, median, memory, mib, micros};

/// What this program is told to be the one that is killed.
pub(crate) const WRITER: &str = "write-until-killed";

/// What this program is told to be the one that reads, and has no memory of what came before.
pub(crate) const READER: &str = "read-what-was-filled";

const SIZES: [(usize, u64); 2] = [(1_000, 64 << 20), (1_000_000, 10 << 30)];
const BUSY: usize = 63;
const BATCH: usize = 250;
const ROUNDS: usize = 200;
const OPENINGS: usize = 3;

pub(crate) fn run(folder: &Path) {
    for (sessions, output_bytes) in SIZES {
        let home = folder.join(sessions.to_string());
        std::fs::create_dir(&home).expect("a folder");
        let label = format!("{sessions} sessions, {:.1} GiB", mib(output_bytes) / 1024.0);
        let peak_bytes = fill(&home, sessions, output_bytes);
        line(
            &format!("the journal at its largest, one session quiet, {label}"),
            &format!("{:.0} MiB", mib(peak_bytes)),
            "",
        );
        recover(&home, &label);
        close(&home);
        read(&home, sessions, &label);
        std::fs::remove_dir_all(&home).expect("it is ours");
    }
}

fn log_in(home: &Path) -> PathBuf {
    home.join("coven.redb")
}

/// Has another process fill a log, and kills it while it writes on; the most its journal took.
fn fill(home: &Path, sessions: usize, output_bytes: u64) -> u64 {
    let mut writer = Command::new(std::env::current_exe().expect("this program"))
        .arg(home)
        .arg(WRITER)
        .env("COVEN_BENCH_SESSIONS", sessions.to_string())
        .env("COVEN_BENCH_BYTES", output_bytes.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(writer.stdout.take().expect("piped")).lines();
    let mut peak_bytes = 0;
    let mut last = String::new();
    let mut over = 0;
    for said in lines.by_ref() {
        last = said.expect("a line");
        peak_bytes = peak_bytes.max(bytes_on_disk(&home.join("coven.redb.journal")));
        over += u32::from(last.starts_with("filled"));
        // A little more, so that there is something in the journal.
        if over == 20 {
            break;
        }
    }
    writer.kill().expect("it is ours");
    writer.wait().expect("it is ours");
    line(&format!("filling it: {last}"), "", "");
    peak_bytes
}

/// What the other process does: it says now and then how far it is, and goes on for ever.
pub(crate) fn write_until_killed(home: &Path) {
    let sessions = number("COVEN_BENCH_SESSIONS");
    let output_bytes = number("COVEN_BENCH_BYTES");
    let store = Store::open(&log_in(home), Options::default()).expect("a new log");
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        end_many(&store, sessions as usize).await;
        write_for_ever(&store, output_bytes).await;
    });
}

/// A number that the one who measures gave.
fn number(name: &str) -> u64 {
    let text = std::env::var(name).expect(name);
    text.parse().expect("a number")
}

async fn end_many(store: &Store, sessions: usize) {
    let all = futures_util::stream::iter(0..sessions).map(|number| {
        let mut events = beginning();
        let said = format!("\x1b[1msession {number}\x1b[0m is done\r\n");
        events.push(output(0, Bytes::from(said)));
        events.extend(ending());
        let appended = store.append(batch(session_id("old", number), events, Seq::ZERO));
        async move { appended.await.expect("appended").last }
    });
    let mut all = all.buffer_unordered(2000);
    let mut count = 0;
    while all.next().await.is_some() {
        count += 1;
        if count % 5000 == 0 {
            println!("sessions {count}");
        }
    }
}

async fn write_for_ever(store: &Store, output_bytes: u64) {
    let quiet = append(store, 0, Seq::ZERO, beginning()).await;
    let waiting = output(0, Bytes::from_static(b"waiting for an answer"));
    append(store, 0, quiet, vec![waiting]).await;
    let written = std::cell::Cell::new(0_u64);
    let began = Instant::now();
    let payloads = [Payload::Recorded, Payload::Noise].map(|payload| payload.events(8 * BATCH));
    let busy = (1..=BUSY).map(|session| {
        let (payloads, written) = (&payloads, &written);
        async move {
            let events = &payloads[session % 2];
            let mut after = append(store, session, Seq::ZERO, beginning()).await;
            let mut offset = 0;
            for turn in 0.. {
                let start = (turn * BATCH) % events.len();
                let outputs = events[start..start + BATCH].iter().map(|data| {
                    let output = output(offset, data.clone());
                    offset += data.len() as u64;
                    output
                });
                let outputs = outputs.collect();
                after = append(store, session, after, outputs).await;
                report(
                    written,
                    (BATCH * crate::EVENT_BYTES) as u64,
                    output_bytes,
                    began,
                );
            }
        }
    });
    futures_util::future::join_all(busy).await;
}

fn report(written: &std::cell::Cell<u64>, more: u64, output_bytes: u64, began: Instant) {
    written.set(written.get() + more);
    let word = if written.get() >= output_bytes {
        "filled"
    } else {
        "bytes"
    };
    let (now, most) = memory();
    println!(
        "{word} {} in {:.0} s, memory {:.0} MiB, at most {:.0} MiB",
        written.get(),
        began.elapsed().as_secs_f64(),
        mib(now),
        mib(most),
    );
}

async fn append(
    store: &Store,
    session: usize,
    after: Seq,
    events: Vec<coven_store::NewEvent>,
) -> Seq {
    let appended = store.append(batch(session_id("new", session), events, after));
    appended.await.expect("appended").last
}

/// Opens the log that nobody closed: with its pages in the system's memory, and without.
fn recover(home: &Path, label: &str) {
    for (pages, evict) in [("on the disk", true), ("in memory", false)] {
        let times: Vec<_> = (0..OPENINGS).map(|_| open_copy(home, evict)).collect();
        let of = |n: usize| median(times.iter().map(|times| micros(times[n]) / 1e3));
        line(
            &format!("opening after kill -9, pages {pages}, {label}"),
            &format!(
                "{:.0} ms; first append answered after {:.0} ms",
                of(0),
                of(1)
            ),
            &format!("{OPENINGS} times"),
        );
    }
}

/// How long it takes to open a copy of such a log, and until its first append is answered.
fn open_copy(home: &Path, evict: bool) -> [Duration; 2] {
    // As it was when the writer was killed: opening it repairs and folds.
    let copy = home.join("copy");
    std::fs::create_dir(&copy).expect("a folder");
    for name in ["coven.redb", "coven.redb.journal"] {
        std::fs::copy(home.join(name), copy.join(name)).expect("copied");
        let file = File::open(copy.join(name)).expect("it is there");
        file.sync_all().expect("synced");
        if evict {
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("advised");
        }
    }
    let started = Instant::now();
    let store = Store::open(&log_in(&copy), Options::default()).expect("it opens");
    let opened = started.elapsed();
    store.record(&session_id("new", 1)).expect("read");
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(append(&store, 9999, Seq::ZERO, beginning()));
    let answered = started.elapsed();
    runtime.block_on(store.close());
    std::fs::remove_dir_all(&copy).expect("it is ours");
    [opened, answered]
}

/// Opens the log that nobody closed, and closes it.
fn close(home: &Path) {
    let store = Store::open(&log_in(home), Options::default()).expect("it opens");
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(store.close());
}

/// Has another process measure reads, and what the log takes in memory.
fn read(home: &Path, sessions: usize, label: &str) {
    let status = Command::new(std::env::current_exe().expect("this program"))
        .arg(home)
        .arg(READER)
        .env("COVEN_BENCH_SESSIONS", sessions.to_string())
        .env("COVEN_BENCH_LABEL", label)
        .status()
        .expect("it starts");
    assert!(status.success(), "it read");
}

/// One read of so many.
type Measure<'a> = Box<dyn Fn(usize) + 'a>;

/// What that process does.
pub(crate) fn read_what_was_filled(home: &Path) {
    let label = &std::env::var("COVEN_BENCH_LABEL").expect("a label");
    let sessions = number("COVEN_BENCH_SESSIONS") as usize;
    let runtime = Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let (before, _) = memory();
    let store = Store::open(&log_in(home), Options::default()).expect("it opens");
    let (rest, _) = memory();
    let last = store.last_seq().get();
    let few = ReadLimit {
        events: usize::MAX,
        bytes: 64 << 10,
    };
    let mut number = 0_u64;
    let mut pick = |below: u64| {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (number >> 20) % below
    };
    let newest = Page {
        archived: Archived::Hidden,
        before: None,
        limit: 100,
    };
    let first_of_busy = first_of(&store, &session_id("new", 0));
    // Events of a KiB, a few runs of which fill a page; and those of sessions of six lines, some hundreds of them.
    let seqs: Vec<u64> = (0..ROUNDS)
        .map(|_| first_of_busy + pick(last - first_of_busy))
        .collect();
    let seqs_of_short: Vec<u64> = (0..ROUNDS).map(|_| pick(first_of_busy)).collect();
    let ids: Vec<_> = (0..ROUNDS)
        .map(|_| session_id("old", pick(sessions as u64) as usize))
        .collect();
    let measures: [(&str, Measure<'_>); 5] = [
        (
            "resume of all at a cursor, 64 KiB",
            Box::new(|n| {
                store.read_all(Seq::new(seqs[n]), few).expect("read");
            }),
        ),
        (
            "resume of all among sessions of six events, 64 KiB",
            Box::new(|n| {
                store
                    .read_all(Seq::new(seqs_of_short[n]), few)
                    .expect("read");
            }),
        ),
        (
            "resume of one session at a cursor, 64 KiB",
            Box::new(|n| {
                store
                    .read(&session_id("new", 1 + n % BUSY), Seq::new(seqs[n]), few)
                    .expect("read");
            }),
        ),
        (
            "newest 100",
            Box::new(|_| {
                store.list(&newest).expect("read");
            }),
        ),
        (
            "a record by id",
            Box::new(|n| {
                assert!(store.record(&ids[n]).expect("read").is_some());
            }),
        ),
    ];
    for (what, measure) in measures {
        let times: Vec<f64> = (0..2 * ROUNDS)
            .map(|n| time(|| measure(n % ROUNDS)))
            .collect();
        // The second time round is warm.
        line(
            &format!("{what}, {label}"),
            &format!("{:.0} µs", median(times[ROUNDS..].iter().copied())),
            &format!(
                "first time {:.0} µs",
                median(times[..ROUNDS].iter().copied())
            ),
        );
    }
    let (now, most) = memory();
    line(
        &format!("memory, {label}"),
        &format!(
            "{:.0} MiB opened, {:.0} MiB before that, {:.0} MiB after these reads",
            mib(rest),
            mib(before),
            mib(now)
        ),
        &format!("at most {:.0} MiB", mib(most)),
    );
    runtime.block_on(store.close());
}

/// Where a session begins.
fn first_of(store: &Store, session: &SessionId) -> u64 {
    let one = ReadLimit {
        events: 1,
        bytes: usize::MAX,
    };
    let page = store.read(session, Seq::ZERO, one).expect("read");
    page[0].seq.get()
}

fn time(work: impl Fn()) -> f64 {
    let started = Instant::now();
    work();
    micros(started.elapsed().max(Duration::from_nanos(1)))
}
