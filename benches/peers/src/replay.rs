//! Reading one session of 64 from its beginning, beside reading a raw file that has its events and no
//! others: frame by frame, each into bytes of its own; and beside reading one whose frames have
//! checksums, which are checked, as Coven's are. Coven's is read twice: for the first time since the log
//! was opened, when it comes from the file, in the system's memory, and again, from the log's own cache,
//! which gives out shares of its bytes and does not touch them; so also with a sum of every event's bytes.
//! And a session that is larger than that cache is read again.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use coven_core::{Event, Seq};
use coven_store::ReadLimit;

use crate::coven::Coven;
use crate::figures::{Payload, line, median, memory, mib};
use crate::log::Log;
use crate::{EVENT_BYTES, SESSIONS};

const ROUNDS: usize = 9;
const BATCH: usize = 64;
const SESSION_BYTES: usize = 32 << 20;
/// More than the log's cache.
const LARGE_BYTES: usize = 4 * SESSION_BYTES;
const LARGE: usize = SESSIONS;

pub(crate) fn run(folder: &Path, payload: Payload) {
    let events = payload.events(64 * BATCH);
    let mut coven = Coven::open(&folder.join("coven.redb"), SESSIONS + 1);
    let mut raw = Vec::new();
    for turn in 0..SESSION_BYTES / (BATCH * EVENT_BYTES) {
        let batch = &events[turn * BATCH % events.len()..][..BATCH];
        for session in 0..SESSIONS {
            coven.append(session, batch);
        }
        for event in batch {
            raw.extend_from_slice(&(event.len() as u32).to_le_bytes());
            raw.extend_from_slice(&crc32fast::hash(event).to_le_bytes());
            raw.extend_from_slice(event);
        }
    }
    for turn in 0..LARGE_BYTES / (BATCH * EVENT_BYTES) {
        coven.append(LARGE, &events[turn * BATCH % events.len()..][..BATCH]);
    }
    coven.settle();
    let path = folder.join("raw.log");
    std::fs::write(&path, &raw).expect("written");
    let (mut as_events, mut as_bytes, mut of_large) = (Vec::new(), Vec::new(), Vec::new());
    let mut memory_bytes = 0;
    for _ in 0..=ROUNDS {
        let bare = read_raw(&path, |_, _| {});
        let checked = read_raw(&path, |event, sum| assert_eq!(crc32fast::hash(event), sum));
        coven.settle();
        let before = memory().0;
        let first = read_events(&coven, 0, |_| {});
        memory_bytes = memory().0.saturating_sub(before);
        let again = read_events(&coven, 0, |_| {});
        let summed = read_events(&coven, 0, |event| {
            black_box(crc32fast::hash(event));
        });
        as_events.push([bare, checked, first, again, summed]);
        coven.settle();
        let first = read_output(&coven, |_| {});
        let again = read_output(&coven, |_| {});
        let summed = read_output(&coven, |event| {
            black_box(crc32fast::hash(event));
        });
        as_bytes.push([bare, checked, first, again, summed]);
        let bare = read_raw(&path, |_, _| {});
        let large = read_events(&coven, LARGE, |_| {});
        let times_as_large = (LARGE_BYTES / SESSION_BYTES) as f64;
        of_large.push((times_as_large * bare.as_secs_f64(), large.as_secs_f64()));
    }
    Box::new(coven).close();
    for (what, times) in [("as events", as_events), ("as bytes", as_bytes)] {
        for (when, at) in [("first", 2), ("again", 3), ("again, each byte summed", 4)] {
            let rate = |time: Duration| SESSION_BYTES as f64 / 1e6 / time.as_secs_f64();
            let of = |n: usize| median(times.iter().map(|times| rate(times[n])));
            let beside =
                |n: usize| median(times.iter().map(|times| rate(times[at]) / rate(times[n])));
            line(
                &format!(
                    "replay of one session among 64, {what}, {when}, {}",
                    payload.name()
                ),
                &format!(
                    "{:.0} MB/s (raw file {:.0}, checked {:.0})",
                    of(at),
                    of(0),
                    of(1)
                ),
                &format!("{:.2} × raw file, {:.2} × checked", beside(0), beside(1)),
            );
        }
    }
    line(
        &format!(
            "replay of one of {:.0} MiB, as events, again, {}",
            mib(LARGE_BYTES as u64),
            payload.name()
        ),
        &format!(
            "{:.0} MB/s",
            median(
                of_large
                    .iter()
                    .map(|(_, own)| LARGE_BYTES as f64 / 1e6 / own)
            )
        ),
        &format!(
            "{:.2} × raw file",
            median(of_large.iter().map(|(raw, own)| raw / own))
        ),
    );
    line(
        &format!("memory that reading it took, {}", payload.name()),
        &format!("{:.0} MiB", mib(memory_bytes)),
        "",
    );
}

fn read_raw(path: &Path, check: impl Fn(&[u8], u32)) -> Duration {
    let started = Instant::now();
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).expect("it is there"));
    let mut page = Vec::new();
    let mut bytes = 0;
    let mut head = [0; 8];
    while file.read_exact(&mut head).is_ok() {
        let [len, sum] = [&head[..4], &head[4..]]
            .map(|field| u32::from_le_bytes(field.try_into().expect("four bytes")));
        let mut event = vec![0; len as usize];
        file.read_exact(&mut event).expect("read");
        check(&event, sum);
        bytes += event.len();
        page.push(Bytes::from(event));
        // As many as a page of the log has.
        if page.len() == 1000 {
            page.clear();
        }
    }
    assert_eq!(bytes, SESSION_BYTES);
    started.elapsed()
}

fn read_events(coven: &Coven, session: usize, look_at: impl Fn(&[u8])) -> Duration {
    let started = Instant::now();
    let mut after = Seq::ZERO;
    loop {
        let page = coven
            .store
            .read(coven.id(session), after, ReadLimit::default())
            .expect("read");
        let Some(last) = page.last() else {
            break;
        };
        after = last.seq;
        for envelope in &page {
            if let Event::Output { data, .. } = &envelope.event {
                look_at(data);
            }
        }
    }
    started.elapsed()
}

fn read_output(coven: &Coven, look_at: impl Fn(&[u8])) -> Duration {
    let started = Instant::now();
    let mut offset = 0;
    while offset < SESSION_BYTES as u64 {
        let chunks = coven.store.output(coven.id(0), offset, 1 << 20);
        let chunks = chunks.expect("read");
        for chunk in &chunks {
            offset += chunk.data.len() as u64;
            look_at(&chunk.data);
        }
    }
    started.elapsed()
}
