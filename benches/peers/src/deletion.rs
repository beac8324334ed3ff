//! Deleting a session of 100 MiB while 64 others write.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Builder;

use crate::SESSIONS;
use crate::coven::Coven;
use crate::figures::{Payload, bytes_on_disk, line, median, mib, micros, percentile};
use crate::log::{Log, SharedLog};

const SESSION_BYTES: usize = 100 << 20;
const BATCH: usize = 1000;
const ROUNDS: usize = 3;
/// Little more than erasing takes, so that most of it is beside that.
const SPELL: Duration = Duration::from_secs(2);
const GIVING_BACK: Duration = Duration::from_secs(5);
/// How often 100 MiB are deleted and as many written: of recorded output, too, that takes more space than the
/// file may have to spare.
const REUSES: usize = 8;

pub(crate) fn run(folder: &Path, payload: Payload) {
    let path = folder.join("coven.redb");
    let events = payload.events(16 * BATCH);
    let mut coven = Coven::open(&path, SESSIONS + ROUNDS);
    let fill = |coven: &mut Coven, session: usize| {
        for turn in 0..SESSION_BYTES / (BATCH * crate::EVENT_BYTES) {
            let start = turn * BATCH % events.len();
            coven.append(session, &events[start..start + BATCH]);
        }
        coven.settle();
    };
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let mut acks: [Vec<f64>; 2] = Default::default();
    for session in SESSIONS..SESSIONS + ROUNDS {
        fill(&mut coven, session);
        let before = runtime.block_on(spell(&coven, &events));
        let during = runtime.block_on(async {
            let deletion = coven.delete(session);
            let (acks, ()) = futures_util::join!(spell(&coven, &events), deletion);
            acks
        });
        acks[0].push(percentile(before, 99));
        acks[1].push(percentile(during, 99));
    }
    let ratios = acks[0].iter().zip(&acks[1]);
    let ratio = median(ratios.map(|(before, during)| during / before));
    let [before, during] = acks.map(median);
    line(
        &format!("deleting 100 MiB while 64 write, {}", payload.name()),
        &format!(
            "ack p99 {:.1} ms (before {:.1})",
            during / 1e3,
            before / 1e3
        ),
        &format!("× {ratio:.2}"),
    );
    // Nobody else writes now, who might take the space first.
    fill(&mut coven, 0);
    let before = bytes_on_disk(&path);
    runtime.block_on(coven.delete(0));
    coven.settle();
    // It is erased and given back in the background, bit by bit, and nothing tells when.
    std::thread::sleep(GIVING_BACK);
    let full = bytes_on_disk(&path);
    line(
        &format!(
            "given back of 100 MiB that were deleted, {}",
            payload.name()
        ),
        &format!("{:.0} MiB", mib(before.saturating_sub(full))),
        &format!("{:.0} MiB before", mib(before)),
    );
    fill(&mut coven, 1);
    for session in 1..REUSES {
        runtime.block_on(coven.delete(session));
        coven.settle();
        fill(&mut coven, session + 1);
    }
    line(
        &format!(
            "{REUSES} times 100 MiB written after 100 MiB were deleted, {}",
            payload.name()
        ),
        &format!(
            "the file grew by {:.0} MiB in all",
            mib(bytes_on_disk(&path).saturating_sub(before))
        ),
        &format!("{:.0} MiB before", mib(before)),
    );
    Box::new(coven).close();
}

/// 64 sessions that each write a little and wait; how long each answer took, in µs.
async fn spell(coven: &Coven, events: &[Bytes]) -> Vec<f64> {
    let end = Instant::now() + SPELL;
    let writers = (0..SESSIONS).map(|session| async move {
        let mut acks = Vec::new();
        for event in events.iter().cycle().skip(session) {
            let started = Instant::now();
            coven.append_one(session, event.clone()).await;
            acks.push(micros(started.elapsed()));
            if Instant::now() > end {
                break;
            }
        }
        acks
    });
    let all = futures_util::future::join_all(writers).await;
    all.into_iter().flatten().collect()
}
