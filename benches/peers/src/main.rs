//! Append, acknowledged after a disk sync: Coven's log beside a raw file, SQLite and fjall.
//!
//! Events of 1 KiB over 64 sessions, half of them agent output and half noise, in batches of 1,
//! 10, 100 and 1000. In every round each log takes its turn on the same disk; a ratio is the
//! median over the rounds of one log's events per second to the raw file's in the same round, so
//! that a noisy neighbour weighs on both.

mod coven;
mod fjall;
#[path = "../../support/payload.rs"]
mod payload;
mod raw;
mod sqlite;

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;

const SESSIONS: usize = 64;
const EVENT_BYTES: usize = 1024;
const ROUNDS: usize = 7;
/// Events in a batch, and batches in a round.
const SHAPES: [(usize, usize); 4] = [(1, 200), (10, 100), (100, 40), (1000, 10)];

/// A log that acknowledges a batch once it is on disk.
trait Log {
    fn name(&self) -> &'static str;
    /// Appends all events to one session and returns when they are durable.
    fn append(&mut self, session: usize, events: &[Bytes]);
}

fn main() {
    let folder = std::env::args()
        .nth(1)
        .expect("usage: coven-peers FOLDER (on a real disk)");
    let folder = Path::new(&folder);
    let mut logs: [Box<dyn Log>; 4] = [
        Box::new(raw::Raw::open(&folder.join("raw.log"))),
        Box::new(coven::Coven::open(&folder.join("coven.redb"), SESSIONS)),
        Box::new(sqlite::Sqlite::open(&folder.join("rows.sqlite3"))),
        Box::new(fjall::Fjall::open(&folder.join("fjall"))),
    ];
    let events = sample(SHAPES.iter().map(|(batch, _)| *batch).max().unwrap_or(1));

    for (batch, batches) in SHAPES {
        let mut times: Vec<Vec<Duration>> = vec![Vec::new(); logs.len()];
        // The first round warms caches and files up, and is not counted.
        for round in 0..=ROUNDS {
            for (log, times) in logs.iter_mut().zip(&mut times) {
                let took = round_of(log.as_mut(), &events[..batch], batches);
                if round > 0 {
                    times.push(took);
                }
            }
        }
        report(&logs, &times, batch, batches);
    }
}

fn round_of(log: &mut dyn Log, events: &[Bytes], batches: usize) -> Duration {
    let started = Instant::now();
    for number in 0..batches {
        log.append(number % SESSIONS, events);
    }
    started.elapsed()
}

/// One line for each log: what, figure, ratio; separated by tabs, for `benches/run`.
fn report(logs: &[Box<dyn Log>], times: &[Vec<Duration>], batch: usize, batches: usize) {
    let raw = &times[0];
    for (log, times) in logs.iter().zip(times) {
        let ratios = raw
            .iter()
            .zip(times)
            .map(|(raw, own)| raw.as_secs_f64() / own.as_secs_f64());
        let per_batch = times
            .iter()
            .map(|time| time.as_secs_f64() / batches as f64 * 1e6);
        println!(
            "append, batch {batch:>4}: {}\t{:.0} µs a batch\t{:.2} × raw",
            log.name(),
            median(per_batch.collect()),
            median(ratios.collect()),
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn sample(count: usize) -> Vec<Bytes> {
    (0..count as u64)
        .map(|seed| match seed % 2 {
            0 => payload::agent_output(seed, EVENT_BYTES).into(),
            _ => payload::noise(seed, EVENT_BYTES).into(),
        })
        .collect()
}
