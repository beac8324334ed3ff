//! Append in batches: each log beside a raw file that takes its turn right before it, so that
//! whatever another one still does in the background weighs on both. A ratio is the median over
//! the rounds.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::SESSIONS;
use crate::figures::{Payload, line, median, micros};
use crate::log::{Kind, Log};

const ROUNDS: usize = 11;

/// Events in a batch, and batches in a round.
const SHAPES: [(usize, usize); 4] = [(1, 200), (10, 100), (100, 40), (1000, 20)];

pub(crate) fn run(folder: &Path, payload: Payload) {
    let mut raw = Kind::Raw.open(folder);
    let mut logs = [Kind::Coven, Kind::Sqlite, Kind::Fjall].map(|kind| kind.open(folder));
    let events = payload.events(1000);
    for (batch, batches) in SHAPES {
        let mut pairs: [Vec<(Duration, Duration)>; 3] = Default::default();
        // The first round warms caches and files up, and is not counted.
        for round in 0..=ROUNDS {
            for (log, pairs) in logs.iter_mut().zip(&mut pairs) {
                let beside = round_of(raw.as_mut(), &events[..batch], batches);
                let own = round_of(log.as_mut(), &events[..batch], batches);
                if round > 0 {
                    pairs.push((beside, own));
                }
            }
        }
        for (log, pairs) in logs.iter().zip(&pairs) {
            let per_batch = |time: Duration| micros(time) / batches as f64;
            line(
                &format!(
                    "append, batch {batch:>4}, {}: {}",
                    payload.name(),
                    log.name()
                ),
                &format!(
                    "{:.0} µs a batch (raw {:.0})",
                    median(pairs.iter().map(|(_, own)| per_batch(*own))),
                    median(pairs.iter().map(|(raw, _)| per_batch(*raw))),
                ),
                &format!("{:.2} × raw", median(pairs.iter().map(ratio))),
            );
        }
    }
    logs.into_iter().for_each(Log::close);
    raw.close();
}

fn ratio((raw, own): &(Duration, Duration)) -> f64 {
    raw.as_secs_f64() / own.as_secs_f64()
}

fn round_of(log: &mut dyn Log, events: &[Bytes], batches: usize) -> Duration {
    let started = Instant::now();
    for number in 0..batches {
        log.append(number % SESSIONS, events);
    }
    started.elapsed()
}
