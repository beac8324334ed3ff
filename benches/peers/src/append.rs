//! Append in batches: each log in turn with a raw file, and with no other, as what one of them still
//! does in the background would weigh on the next. A ratio is the median over the rounds.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::SESSIONS;
use crate::figures::{Payload, line, median, micros};
use crate::log::{Kind, Log};

const ROUNDS: usize = 11;

/// More than any segment holds of one session, so that nothing is compressed by being met again.
const EVENTS: usize = 16_000;

/// Events in a batch, and batches in a round.
const SHAPES: [(usize, usize); 4] = [(1, 200), (10, 100), (100, 40), (1000, 40)];

pub(crate) fn run(folder: &Path, payload: Payload) {
    let events = payload.events(EVENTS);
    for kind in [Kind::Coven, Kind::Sqlite, Kind::Fjall, Kind::RawWithSpace] {
        let home = folder.join("one");
        std::fs::create_dir(&home).expect("a folder");
        let mut raw = Kind::Raw.open(&home);
        let mut log = kind.open(&home);
        for (batch, batches) in SHAPES {
            let mut times: Vec<(Duration, Duration)> = Vec::new();
            let mut batches_of = [(); 2].map(|()| events.chunks_exact(batch).cycle());
            // The first round warms caches and files up, and is not counted.
            for round in 0..=ROUNDS {
                let [theirs, ours] = batches_of.each_mut().map(|all| all.take(batches));
                let beside = round_of(raw.as_mut(), theirs);
                let own = round_of(log.as_mut(), ours);
                if round > 0 {
                    times.push((beside, own));
                }
            }
            let per_batch = |time: Duration| micros(time) / batches as f64;
            line(
                &format!(
                    "append, batch {batch:>4}, {}: {}",
                    payload.name(),
                    log.name()
                ),
                &format!(
                    "{:.0} µs a batch (raw {:.0})",
                    median(times.iter().map(|(_, own)| per_batch(*own))),
                    median(times.iter().map(|(raw, _)| per_batch(*raw))),
                ),
                &format!("{:.2} × raw", median(times.iter().map(ratio))),
            );
        }
        log.close();
        raw.close();
        std::fs::remove_dir_all(&home).expect("it is ours");
    }
}

fn ratio((raw, own): &(Duration, Duration)) -> f64 {
    raw.as_secs_f64() / own.as_secs_f64()
}

fn round_of<'a>(log: &mut dyn Log, batches: impl Iterator<Item = &'a [Bytes]>) -> Duration {
    let started = Instant::now();
    for (number, events) in batches.enumerate() {
        log.append(number % SESSIONS, events);
    }
    started.elapsed()
}
