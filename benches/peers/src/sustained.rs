//! 1 GiB in commits of 1000 events, each log on its own, in turn; and what it takes on the disk.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::figures::{Payload, bytes_on_disk, line, median};
use crate::log::Kind;
use crate::{EVENT_BYTES, SESSIONS};

const ROUNDS: usize = 3;
const BATCH: usize = 1000;
const BATCHES: usize = (1 << 30) / (BATCH * EVENT_BYTES);
const KINDS: [Kind; 4] = [Kind::Raw, Kind::Coven, Kind::Sqlite, Kind::Fjall];

pub(crate) fn run(folder: &Path, payload: Payload) {
    // More than any segment or table holds, so that nothing is compressed by being met again.
    let events = payload.events(16 * BATCH);
    let mut times: [Vec<Duration>; 4] = Default::default();
    let mut names = [""; 4];
    let mut on_disk = [0; 4];
    for _ in 0..ROUNDS {
        for (number, kind) in KINDS.into_iter().enumerate() {
            let home = folder.join("one");
            std::fs::create_dir(&home).expect("a folder");
            let mut log = kind.open(&home);
            let started = Instant::now();
            for (batch, events) in (0..BATCHES).zip(events.chunks_exact(BATCH).cycle()) {
                log.append(batch % SESSIONS, events);
            }
            times[number].push(started.elapsed());
            names[number] = log.name();
            log.close();
            on_disk[number] = bytes_on_disk(&home);
            std::fs::remove_dir_all(&home).expect("it is ours");
        }
    }
    let written = (BATCHES * BATCH * EVENT_BYTES) as f64;
    for number in 0..KINDS.len() {
        let ratios = times[0].iter().zip(&times[number]);
        line(
            &format!(
                "1 GiB, commits of 1000, {}: {}",
                payload.name(),
                names[number]
            ),
            &format!(
                "{:.0} MB/s, {:.2} bytes of disk a byte",
                written / 1e6 / median(times[number].iter().map(Duration::as_secs_f64)),
                on_disk[number] as f64 / written,
            ),
            &format!(
                "{:.2} × raw",
                median(ratios.map(|(raw, own)| raw.as_secs_f64() / own.as_secs_f64())),
            ),
        );
    }
}
