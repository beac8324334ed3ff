//! One who appends an event and waits; and a thousand who do so at once, for a few sessions or each for
//! one of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Builder;

use crate::SESSIONS;
use crate::coven::Coven;
use crate::figures::{Payload, line, median, micros, percentile};
use crate::log::{Kind, Log};

const ROUNDS: usize = 5;
const APPENDS: usize = 400;
const PRODUCERS: usize = 1000;
/// More than any segment or table holds, so that nothing is compressed by being met again.
const EVENTS: usize = 16 * PRODUCERS;
const SPELL: Duration = Duration::from_secs(3);

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
    let raw_folder = folder_of(folder, &format!("raw-{sessions}"));
    let mut raw = Kind::Raw.open(&raw_folder);
    let own_folder = folder_of(folder, &format!("many-{sessions}"));
    let coven = Coven::open(&own_folder.join("coven.redb"), sessions);
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let (mut ratios, mut rates, mut acks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let mut batches = 0;
        while started.elapsed() < SPELL / 3 {
            raw.append(0, &events[batches * PRODUCERS % EVENTS..][..PRODUCERS]);
            batches += 1;
        }
        let limit = (batches * PRODUCERS) as f64 / started.elapsed().as_secs_f64();
        let started = Instant::now();
        let spell = runtime.block_on(all_at_once(&coven, sessions, &events));
        let rate = spell.len() as f64 / started.elapsed().as_secs_f64();
        ratios.push(rate / limit);
        rates.push(rate);
        acks.extend(spell);
    }
    Box::new(coven).close();
    raw.close();
    line(
        &format!("1000 producers of {sessions} sessions, {}", payload.name()),
        &format!(
            "{:.0} events/s, ack p50 {:.1} ms, p99 {:.1} ms",
            median(rates),
            median(acks.iter().copied()) / 1e3,
            percentile(acks, 99) / 1e3,
        ),
        &format!("{:.2} × raw in batches of 1000", median(ratios)),
    );
}

fn folder_of(folder: &Path, name: &str) -> std::path::PathBuf {
    let folder = folder.join(name);
    std::fs::create_dir(&folder).expect("a folder");
    folder
}

/// How long each answer took, in µs.
async fn all_at_once(coven: &Coven, sessions: usize, events: &[Bytes]) -> Vec<f64> {
    let end = Instant::now() + SPELL;
    let producers = (0..PRODUCERS).map(|producer| async move {
        let mut acks = Vec::new();
        let own = events.iter().cycle().skip(producer).step_by(PRODUCERS);
        for event in own {
            let started = Instant::now();
            if started >= end {
                break;
            }
            coven.append_one(producer % sessions, event.clone()).await;
            acks.push(micros(started.elapsed()));
        }
        acks
    });
    let all = futures_util::future::join_all(producers).await;
    all.into_iter().flatten().collect()
}
