//! Output that is over its budget goes, the oldest first, and nothing else does.

mod world;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coven::clock::{Clock, ManualClock};
use coven::{Envelope, Event, Pruned, Pruning, Retention, Seq, SessionId, Timestamp};
use sha2::{Digest, Sha256};
use world::{World, kinds, me, within, written};

const ALL: Retention = Retention {
    session_bytes: None,
    total_bytes: None,
    max_age: None,
};

async fn prune(world: &World, retention: Retention, pruning: Pruning) -> Pruned {
    let pruned = within(world.engine.prune(Some(retention), pruning, me())).await;
    let pruned = pruned.unwrap();
    assert!(pruned.failed.is_empty(), "{pruned:?}");
    pruned
}

async fn events(world: &World, id: &SessionId) -> Vec<Envelope> {
    let mut events = Vec::new();
    let mut after = Seq::ZERO;
    loop {
        let page = world.engine.read(id, after, coven::ReadLimit::default());
        let page = page.await.unwrap();
        let Some(last) = page.last() else {
            return events;
        };
        after = last.seq;
        events.extend(page);
    }
}

/// Where the output that is left begins, and what it is.
fn left(events: &[Envelope]) -> (u64, Vec<u8>) {
    let outputs = events.iter().filter_map(|envelope| match &envelope.event {
        Event::Output { offset, data, .. } => Some((*offset, data)),
        _ => None,
    });
    let (mut from, mut bytes) = (None, Vec::new());
    for (offset, data) in outputs {
        let from = *from.get_or_insert(offset);
        assert_eq!(offset, from + bytes.len() as u64, "output is missing");
        bytes.extend_from_slice(data);
    }
    (from.unwrap_or(0), bytes)
}

/// The trims of a session: (offset, bytes, hash).
fn trims(events: &[Envelope]) -> Vec<(u64, u64, [u8; 32])> {
    let trims = events.iter().filter_map(|envelope| match envelope.event {
        Event::Trimmed {
            offset,
            len_bytes,
            sha256,
        } => Some((offset, len_bytes, sha256)),
        _ => None,
    });
    trims.collect()
}

/// Writes this many bytes in lines of eight, slowly enough for many events.
fn lines(bytes: u32) -> String {
    let lines = bytes / 8;
    format!("stty -onlcr; i=0; while [ $i -lt {lines} ]; do printf '%07d\\n' $i; i=$((i+1)); done")
}

#[tokio::test]
async fn a_session_over_its_budget_loses_its_oldest_output_and_nothing_else() {
    let world = World::new().await;
    let id = world.launch_id(&lines(200_000)).await;
    let before = world.to_the_end(&id).await;
    let whole = written(&before);
    let retention = Retention {
        session_bytes: Some(50_000),
        ..ALL
    };
    let would = prune(&world, retention, Pruning::DryRun).await;
    assert_eq!(
        events(&world, &id).await,
        before,
        "a dry run writes nothing"
    );
    let pruned = prune(&world, retention, Pruning::Real).await;
    assert_eq!(would.sessions, pruned.sessions);

    let after = events(&world, &id).await;
    let (from, bytes) = left(&after);
    assert!(bytes.len() <= 50_000 && bytes == whole[usize::try_from(from).unwrap()..]);
    let [session] = &pruned.sessions[..] else {
        panic!("{pruned:?}");
    };
    assert_eq!((session.offset, session.len_bytes), (0, from));
    assert_eq!(session.kept_bytes, bytes.len() as u64);
    let gone = &whole[..usize::try_from(from).unwrap()];
    assert_eq!(trims(&after), [(0, from, Sha256::digest(gone).into())]);
    let record = world.engine.get(&id).await.unwrap();
    assert_eq!(record.session.trimmed_bytes, from);
    assert_eq!(record.session.output_bytes, 200_000);
    let control = |events: &[Envelope]| {
        let mut kinds = kinds(events);
        kinds
            .retain(|kind| *kind != coven::EventKind::Output && *kind != coven::EventKind::Trimmed);
        kinds
    };
    assert_eq!(control(&after), control(&before));
    let again = prune(&world, retention, Pruning::Real).await;
    assert!(again.sessions.is_empty(), "{again:?}");
}

#[tokio::test]
async fn a_live_session_goes_on_while_its_oldest_output_goes() {
    let world = World::new().await;
    let id = world
        .launch_id(&format!("{}; read go", lines(400_000)))
        .await;
    let retention = Retention {
        session_bytes: Some(20_000),
        ..ALL
    };
    while world.engine.get(&id).await.unwrap().session.output_bytes < 400_000 {
        prune(&world, retention, Pruning::Real).await;
    }
    prune(&world, retention, Pruning::Real).await;
    world.input(&id, "\n").await.unwrap();
    world.to_the_end_of_what_is_left(&id).await;
    let after = events(&world, &id).await;
    let (from, bytes) = left(&after);
    assert!(bytes.len() < 20_100, "{}", bytes.len());
    let whole: String = (0..50_000).map(|n| format!("{n:07}\n")).collect();
    let left = String::from_utf8(bytes).unwrap();
    assert!(left.starts_with(&whole[usize::try_from(from).unwrap()..]));
    let mut next = 0;
    for (offset, len_bytes, sha256) in trims(&after) {
        assert_eq!(offset, next);
        let end = usize::try_from(offset + len_bytes).unwrap();
        let gone = &whole.as_bytes()[usize::try_from(offset).unwrap()..end];
        assert_eq!(sha256, <[u8; 32]>::from(Sha256::digest(gone)));
        next = end as u64;
    }
    assert_eq!(next, from);
}

#[tokio::test]
async fn of_all_sessions_together_those_that_ended_longest_ago_lose_theirs_first() {
    let world = World::new().await;
    let (first, _) = world.run(&lines(8_000)).await;
    let (second, _) = world.run(&lines(8_000)).await;
    let live = world.launch_id(&format!("{}; read go", lines(8_000))).await;
    world.until(&live, "0000999").await;
    let within_total = |total_bytes| Retention {
        total_bytes: Some(total_bytes),
        ..ALL
    };
    let pruned = prune(&world, within_total(16_000), Pruning::Real).await;
    let ids: Vec<_> = pruned.sessions.iter().map(|it| it.id.clone()).collect();
    assert_eq!(ids, std::slice::from_ref(&first.session.id));
    assert_eq!(pruned.sessions[0].len_bytes, 8_000);
    let pruned = prune(&world, within_total(8_000), Pruning::Real).await;
    assert_eq!(pruned.sessions[0].id, second.session.id);
    prune(&world, within_total(0), Pruning::Real).await;
    let record = world.engine.get(&live).await.unwrap();
    assert_eq!(record.session.trimmed_bytes, 8_000);
    world.input(&live, "\n").await.unwrap();
    world.to_the_end_of_what_is_left(&live).await;
}

#[tokio::test]
async fn output_that_is_too_old_goes_and_what_came_later_stays() {
    let clock = Arc::new(ManualClock::new());
    let world = World::with(|options| options.clock = Arc::clone(&clock) as _).await;
    let script = "stty -echo -onlcr; echo old; read go; echo new; read go";
    let id = world.launch_id(script).await;
    world.until(&id, "old\n").await;
    clock.advance(Duration::from_secs(3600));
    world.input(&id, "\n").await.unwrap();
    world.until(&id, "new\n").await;
    let retention = Retention {
        max_age: Some(Duration::from_secs(1800)),
        ..ALL
    };
    let pruned = prune(&world, retention, Pruning::Real).await;
    assert_eq!(pruned.sessions[0].len_bytes, 4);
    assert_eq!(left(&events(&world, &id).await), (4, b"new\n".to_vec()));
    world.engine.kill(&id, me()).await.unwrap();
    world.to_the_end_of_what_is_left(&id).await;
}

/// A clock that can be set back, as a system's is; the moments of its timers go on.
#[derive(Debug)]
struct SetBack {
    clock: ManualClock,
    back_hours: AtomicU64,
}

impl SetBack {
    /// Sets what it says, in hours, an hour later.
    fn say(&self, hours: u64) {
        self.clock.advance(Duration::from_secs(3600));
        let is = self.clock.elapsed().as_secs() / 3600;
        self.back_hours.store(is - hours, Ordering::Relaxed);
    }
}

impl Clock for SetBack {
    fn now(&self) -> Timestamp {
        let back = self.back_hours.load(Ordering::Relaxed) * 3_600_000_000_000;
        Timestamp::from_nanos(self.clock.now().as_nanos() - back.cast_signed())
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    fn sleep_until(&self, moment: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.clock.sleep_until(moment)
    }
}

#[tokio::test]
async fn nothing_younger_than_the_limit_goes_though_the_clock_was_set_back() {
    let clock = Arc::new(SetBack {
        clock: ManualClock::new(),
        back_hours: AtomicU64::new(0),
    });
    clock.clock.advance(Duration::from_secs(100 * 3600));
    clock.say(60);
    let world = World::with(|options| options.clock = Arc::clone(&clock) as _).await;
    let script = "stty -echo -onlcr; echo 1; for n in 2 3 4; do read go; echo $n; done; read go";
    let id = world.launch_id(script).await;
    world.until(&id, "1\n").await;
    for (says, what) in [(80, "2\n"), (50, "3\n"), (95, "4\n")] {
        clock.say(says);
        world.input(&id, "\n").await.unwrap();
        world.until(&id, what).await;
    }
    clock.say(100);
    let retention = Retention {
        max_age: Some(Duration::from_secs(30 * 3600)),
        ..ALL
    };
    let kept = (2, b"2\n3\n4\n".to_vec());
    prune(&world, retention, Pruning::Real).await;
    assert_eq!(left(&events(&world, &id).await), kept);
    // It is back again as the session ends.
    clock.say(61);
    world.input(&id, "\n").await.unwrap();
    world.to_the_end_of_what_is_left(&id).await;
    clock.say(100);
    prune(&world, retention, Pruning::Real).await;
    assert_eq!(left(&events(&world, &id).await), kept);
}

#[tokio::test]
async fn an_engine_with_a_budget_keeps_to_it_by_itself() {
    let clock = Arc::new(ManualClock::new());
    let world = World::with(|options| {
        options.clock = Arc::clone(&clock) as _;
        options.retention.session_bytes = Some(100);
    })
    .await;
    let id = world
        .launch_id("stty -onlcr; head -c 5000 /dev/zero | tr '\\0' x")
        .await;
    world.to_the_end(&id).await;
    let trimmed = async {
        while world.engine.get(&id).await.unwrap().session.trimmed_bytes == 0 {
            clock.advance(Duration::from_secs(60));
            tokio::task::yield_now().await;
        }
    };
    within(trimmed).await;
    let record = world.engine.get(&id).await.unwrap();
    assert!(record.session.output_bytes - record.session.trimmed_bytes <= 100);
    world.engine.shutdown().await;
}

#[tokio::test]
async fn a_trimmed_session_is_viewed_from_where_it_is_left_in_the_modes_it_was_put_into_before() {
    let world = World::new().await;
    let id = world
        .launch_id(
            r"stty -echo -onlcr; printf '\033[?2004h'; echo one; read go; echo two; echo three",
        )
        .await;
    world.until(&id, "one\n").await;
    let nothing = Retention {
        session_bytes: Some(0),
        ..ALL
    };
    prune(&world, nothing, Pruning::Real).await;
    let view = within(world.engine.attach_view(&id)).await.unwrap();
    assert_eq!((view.live, &view.tail[..]), (true, &b""[..]));
    assert_eq!(&view.restore[..], b"\x1b[?2004h");
    world.input(&id, "\n").await.unwrap();
    world.to_the_end_of_what_is_left(&id).await;
    let mut view = within(world.engine.attach_view(&id)).await.unwrap();
    // Its task may be about to leave.
    while view.live {
        tokio::task::yield_now().await;
        view = within(world.engine.attach_view(&id)).await.unwrap();
    }
    // It may have been cut in the middle of a control sequence: a line's end shows that it is over.
    assert_eq!(&view.tail[..], b"three\n");
}
