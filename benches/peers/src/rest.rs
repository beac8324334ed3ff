//! What the log holds of memory after a load, when nobody asks anything of it any more.
//!
//! 64 sessions write 200 MiB at once, while somebody follows them all; then eight read every session from its
//! beginning. Then nothing: what waits is folded after 2 s, what was read is given back after 10 s, and 3 s after
//! that, as in the daemon, what the allocator keeps free, in four arenas at most. What it keeps for itself until then,
//! and after it, counts.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use coven_core::Seq;
use coven_store::{ReadLimit, Store};
use tokio::runtime::Builder;

use crate::coven::{batch, beginning, options, output, session_id};
use crate::figures::{Payload, line, memory, mib};
use crate::{EVENT_BYTES, SESSIONS};

/// What this program is told to be the one that is loaded, and has no memory of what came before.
pub(crate) const LOADED: &str = "be-loaded-and-rest";

const BYTES: usize = 200 << 20;
const BATCH: usize = 64;
const READERS: usize = 8;

/// When it is looked at, in seconds after the last read.
const MOMENTS: [u64; 3] = [0, 3, 20];

pub(crate) fn run(folder: &Path, payload: Payload) {
    let status = Command::new(std::env::current_exe().expect("this program"))
        .arg(folder)
        .arg(LOADED)
        .env("COVEN_BENCH_NOISE", (payload == Payload::Noise).to_string())
        .status()
        .expect("it starts");
    assert!(status.success(), "it was measured");
}

/// What the other process does.
pub(crate) fn be_loaded_and_rest(folder: &Path) {
    let is_noise = std::env::var("COVEN_BENCH_NOISE").is_ok_and(|word| word == "true");
    let payload = if is_noise {
        Payload::Noise
    } else {
        Payload::Recorded
    };
    let events = payload.events(8 * BATCH);
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let (before, _) = memory();
    let store = Store::open(&folder.join("coven.redb"), options()).expect("a new log");
    thread::scope(|scope| {
        let follower = scope.spawn(|| follow(&store));
        runtime.block_on(fill(&store, &events));
        let last = store.last_seq();
        assert_eq!(follower.join().expect("it follows"), last, "it has all");
    });
    let (filled, _) = memory();
    read_all(&store);
    let mut at = 0;
    let moments = MOMENTS.map(|seconds| {
        thread::sleep(Duration::from_secs(seconds - at));
        at = seconds;
        let over = memory().0.saturating_sub(before);
        format!("{:.1} MiB after {seconds} s", mib(over))
    });
    let (_, most) = memory();
    line(
        &format!(
            "memory, {} MiB written and read, {}",
            BYTES >> 20,
            payload.name()
        ),
        &moments.join(", "),
        &format!(
            "over the {:.1} MiB before it; {:.1} MiB when they were written, the process at most {:.0} MiB",
            mib(before),
            mib(filled.saturating_sub(before)),
            mib(most)
        ),
    );
    runtime.block_on(store.close());
}

async fn fill(store: &Store, events: &[bytes::Bytes]) {
    let batches = BYTES / EVENT_BYTES / BATCH / SESSIONS;
    let all = (0..SESSIONS).map(|session| async move {
        let appended = store.append(batch(session_id("rest", session), beginning(), Seq::ZERO));
        let mut after = appended.await.expect("appended").last;
        let mut offset = 0;
        for turn in 0..batches {
            let start = ((turn + session) * BATCH) % events.len();
            let outputs = events[start..start + BATCH].iter().map(|data| {
                let output = output(offset, data.clone());
                offset += data.len() as u64;
                output
            });
            let outputs = batch(session_id("rest", session), outputs.collect(), after);
            after = store.append(outputs).await.expect("appended").last;
        }
    });
    futures_util::future::join_all(all).await;
}

/// Reads everything as it comes, until that is all; gives how far it came.
fn follow(store: &Store) -> Seq {
    let mut after = Seq::ZERO;
    let mut bytes = 0;
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let mut more = store.committed();
    while bytes < BYTES {
        let page = store.read_all(after, ReadLimit::default()).expect("read");
        bytes += page.iter().map(output_bytes).sum::<usize>();
        match page.last() {
            Some(last) => after = last.seq,
            None => runtime.block_on(more.changed()).expect("it is open"),
        }
    }
    after
}

fn output_bytes(envelope: &coven_core::Envelope) -> usize {
    match &envelope.event {
        coven_core::Event::Output { data, .. } => data.len(),
        _ => 0,
    }
}

fn read_all(store: &Store) {
    thread::scope(|scope| {
        for reader in 0..READERS {
            scope.spawn(move || {
                for session in (reader..SESSIONS).step_by(READERS) {
                    read_one(store, session);
                }
            });
        }
    });
}

fn read_one(store: &Store, session: usize) {
    let session = session_id("rest", session);
    let mut after = Seq::ZERO;
    loop {
        let page = store
            .read(&session, after, ReadLimit::default())
            .expect("read");
        let Some(last) = page.last() else { return };
        after = last.seq;
    }
}
