//! One who appends an event and waits; and a thousand who do so at once, for a few sessions or each for
//! one of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Builder;

use crate::SESSIONS;
use crate::coven::Coven;
use crate::figures::{Payload, line, median, micros, percentile};
use crate::log::{Kind, Log, SharedLog};
use crate::raw::SharedRaw;

const ROUNDS: usize = 5;
const APPENDS: usize = 400;
const PRODUCERS: usize = 1000;
/// More than any segment or table holds, so that nothing is compressed by being met again.
const EVENTS: usize = 16 * PRODUCERS;
const SPELL: Duration = Duration::from_secs(3);
/// The raw files need no time until they are folded, and fill the disk.
const RAW_SPELL: Duration = Duration::from_secs(1);

pub(crate) fn run(folder: &Path, payload: Payload) {
    one(folder, payload);
    for sessions in [SESSIONS, PRODUCERS] {
        many(folder, payload, sessions);
    }
}

fn one(folder: &Path, payload: Payload) {
    let events = payload.events(APPENDS);
    let mut raw = Kind::Raw.open(folder);
    let mut log = Kind::Coven.open(folder);
    let mut acks: [Vec<f64>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (log, acks) in [&mut raw, &mut log].into_iter().zip(&mut acks) {
            acks.extend(events.iter().map(|event| {
                let started = Instant::now();
                log.append(0, std::slice::from_ref(event));
                micros(started.elapsed())
            }));
        }
    }
    log.close();
    raw.close();
    let [raw, own] = acks.map(median);
    line(
        &format!("1 producer, ack p50, {}", payload.name()),
        &format!("{own:.0} µs (write and fdatasync {raw:.0})"),
        &format!("{:.1} × fdatasync", own / raw),
    );
}

fn many(folder: &Path, payload: Payload, sessions: usize) {
    let events = payload.events(EVENTS);
    let mut batches = Kind::Raw.open(&folder_of(folder, &format!("batches-{sessions}")));
    let raw = SharedRaw::open(&folder_of(folder, &format!("raw-{sessions}")).join("raw.log"));
    let own_folder = folder_of(folder, &format!("many-{sessions}"));
    let coven = Coven::open(&own_folder.join("coven.redb"), sessions);
    let [mut of_batches, mut of_raw, mut rates]: [Vec<f64>; 3] = Default::default();
    let [mut acks, mut raw_acks]: [Vec<f64>; 2] = Default::default();
    for _ in 0..ROUNDS {
        let limit = in_batches(&mut *batches, &events);
        let beside = all_at_once(&raw, RAW_SPELL, sessions, &events);
        let own = all_at_once(&coven, SPELL, sessions, &events);
        of_batches.push(own.per_second / limit);
        of_raw.push(own.per_second / beside.per_second);
        rates.push(own.per_second);
        acks.extend(own.acks);
        raw_acks.extend(beside.acks);
    }
    Box::new(coven).close();
    raw.close();
    batches.close();
    let name = format!("1000 producers of {sessions} sessions, {}", payload.name());
    let millis = |acks: &[f64], percent| percentile(acks.iter().copied(), percent) / 1e3;
    line(
        &name,
        &format!(
            "{:.0} events/s, ack p50 {:.1} ms, p99 {:.1} ms (raw {:.1}, {:.1})",
            median(rates),
            millis(&acks, 50),
            millis(&acks, 99),
            millis(&raw_acks, 50),
            millis(&raw_acks, 99),
        ),
        &format!(
            "{:.2} × raw of as many; {:.2} × raw in batches of 1000 by one",
            median(of_raw),
            median(of_batches)
        ),
    );
}

fn folder_of(folder: &Path, name: &str) -> std::path::PathBuf {
    let folder = folder.join(name);
    std::fs::create_dir(&folder).expect("a folder");
    folder
}

/// Events a second of one who appends a thousand and waits, and again.
fn in_batches(raw: &mut dyn Log, events: &[Bytes]) -> f64 {
    let started = Instant::now();
    let mut batches = 0;
    while started.elapsed() < RAW_SPELL {
        raw.append(0, &events[batches * PRODUCERS % EVENTS..][..PRODUCERS]);
        batches += 1;
    }
    (batches * PRODUCERS) as f64 / started.elapsed().as_secs_f64()
}

/// What came of a spell.
struct Spell {
    per_second: f64,
    /// How long each answer took, in µs.
    acks: Vec<f64>,
}

/// A thousand, who each append an event and wait, and again.
fn all_at_once(log: &impl SharedLog, spell: Duration, sessions: usize, events: &[Bytes]) -> Spell {
    let started = Instant::now();
    let end = started + spell;
    let producers = (0..PRODUCERS).map(|producer| async move {
        let mut acks = Vec::new();
        let own = events.iter().cycle().skip(producer).step_by(PRODUCERS);
        for event in own {
            let started = Instant::now();
            if started >= end {
                break;
            }
            log.append_one(producer % sessions, event.clone()).await;
            acks.push(micros(started.elapsed()));
        }
        acks
    });
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let all = runtime.block_on(futures_util::future::join_all(producers));
    let acks: Vec<f64> = all.into_iter().flatten().collect();
    Spell {
        per_second: acks.len() as f64 / started.elapsed().as_secs_f64(),
        acks,
    }
}
