//! Following: catch up, then live; no gap, no repeat; and how often output is committed.

#[path = "../coven-store/tests/support/mod.rs"]
mod log;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use coven::clock::ManualClock;
use coven::store::{self, Store};
use coven::{Engine, Event, EventKind, ReadLimit, Seq, Title};
use world::{PATIENCE, World, kinds, me, options, within, written};

/// What one session's commits with output keep between them.
const COMMIT_INTERVAL: Duration = Duration::from_millis(10);

#[tokio::test]
async fn a_follower_is_told_everything_once_from_wherever_it_begins() {
    let world = World::new().await;
    let script = "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done";
    let id = world.launch_id(script).await;
    let live = world.to_the_end(&id).await;
    let later = world.to_the_end(&id).await;
    assert_eq!(live, later, "live and from the log are the same");
    assert!(live.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    for (place, envelope) in live.iter().enumerate() {
        let mut follow = world.engine.follow(&id, envelope.seq);
        let mut rest = Vec::new();
        while let Some(page) = within(follow.next()).await.unwrap() {
            rest.extend(page);
        }
        assert_eq!(rest, live[place + 1..]);
    }
}

#[tokio::test]
async fn a_follower_of_all_sessions_hears_each_of_them_and_of_deletion() {
    let world = World::new().await;
    let (before, _) = world.run("echo before").await;
    let mut follow = world.engine.follow_all(None);
    let first = world.launch_id("echo one").await;
    let second = world.launch_id("echo two").await;
    world.to_the_end(&first).await;
    world.to_the_end(&second).await;
    world.engine.delete(&first, me()).await.unwrap();
    let mut ended = BTreeSet::new();
    let mut heard = Vec::new();
    while !kinds(&heard).contains(&EventKind::Deleted) {
        heard.extend(within(follow.next()).await.unwrap().unwrap());
    }
    for envelope in &heard {
        assert_ne!(envelope.session, before.session.id, "it was before");
        if envelope.event.kind() == EventKind::Exited {
            ended.insert(envelope.session.clone());
        }
    }
    assert!(ended.contains(&second));
    let all = world
        .engine
        .read_all(Seq::ZERO, ReadLimit::default())
        .await
        .unwrap();
    let of_first: Vec<_> = all
        .iter()
        .filter(|envelope| envelope.session == first)
        .collect();
    assert_eq!(of_first.len(), 1, "only its deletion is left");
}

/// Two sessions that have ended and of whose output, in which they took turns, nothing is left: more of it than a
/// follower reads at once.
async fn with_trimmed_output() -> World {
    const EVENTS: u64 = 400;
    let World { engine, dir } = World::new().await;
    engine.shutdown().await;
    drop(engine);
    let path = dir.path().join("home/coven.redb");
    let store = Store::open(&path, store::Options::default()).unwrap();
    for session in ["a", "b"] {
        log::running(&store, session).await;
    }
    for offset in 0..EVENTS {
        for session in ["a", "b"] {
            let said = log::append(&store, session, vec![log::output(offset, "x")]);
            said.await.unwrap();
        }
    }
    for session in ["a", "b"] {
        let ending = vec![log::output_closed(), log::exited(0)];
        log::append(&store, session, ending).await.unwrap();
        log::trim(&store, session, 0, EVENTS).await;
    }
    store.close().await;
    let engine = within(Engine::open(options(dir.path()))).await.unwrap();
    World { engine, dir }
}

#[tokio::test]
async fn a_follower_of_all_sessions_goes_past_output_that_was_trimmed_however_much_it_was() {
    let world = with_trimmed_output().await;
    let mut follow = world.engine.follow_all(Some(Seq::ZERO));
    let mut heard = Vec::new();
    while heard.len() < 10 {
        heard.extend(within(follow.next()).await.unwrap().unwrap());
    }
    let of_one = [
        EventKind::OutputClosed,
        EventKind::Exited,
        EventKind::Trimmed,
    ];
    assert_eq!(kinds(&heard)[4..], [of_one, of_one].concat());
}

#[tokio::test]
async fn a_follower_hears_the_end_of_a_session_that_is_deleted() {
    let world = World::new().await;
    let (record, _) = world.run("echo done").await;
    let id = &record.session.id;
    let mut follow = world.engine.follow(id, Seq::ZERO);
    assert!(within(follow.next()).await.unwrap().is_some());
    world.engine.delete(id, me()).await.unwrap();
    assert_eq!(within(follow.next()).await.unwrap(), None);
}

#[tokio::test]
async fn a_follower_of_an_external_session_waits_for_its_owner() {
    let world = World::new().await;
    let request = coven::ExternalRequest {
        id: Some("theirs".to_owned()),
        project_root: Some("/elsewhere".to_owned()),
        harness: Some("codex".to_owned()),
        ..coven::ExternalRequest::default()
    };
    let (_, record) = world.engine.register(request, me()).await.unwrap();
    let id = &record.session.id;
    let mut follow = world.engine.follow(id, Seq::ZERO);
    assert_eq!(
        kinds(&within(follow.next()).await.unwrap().unwrap()),
        [EventKind::Registered]
    );
    let (next, completed) = tokio::join!(follow.next(), world.engine.complete(id, Some(0), me()));
    completed.unwrap();
    assert_eq!(kinds(&next.unwrap().unwrap()), [EventKind::Completed]);
    assert_eq!(within(follow.next()).await.unwrap(), None);
}

#[tokio::test]
async fn output_is_committed_at_once_after_a_quiet_spell_and_then_gathered() {
    // It stands still: nothing that is committed was waited for, and no share of time passes.
    let clock = Arc::new(ManualClock::new());
    let world = World::with(|options| options.clock = clock).await;
    let script = "stty -echo; echo first; read go
        i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done";
    let id = world.launch_id(script).await;
    world.until(&id, "first").await;
    world.input(&id, "\n").await.unwrap();
    let events = world.to_the_end(&id).await;
    let outputs: Vec<_> = events
        .iter()
        .filter_map(|envelope| match &envelope.event {
            Event::Output { data, .. } => Some(data.clone()),
            _ => None,
        })
        .collect();
    let rest: String = (0..1000).map(|i| format!("line {i}\r\n")).collect();
    assert_eq!(
        outputs,
        ["first\r\n".to_owned(), rest],
        "a thousand writes are one event"
    );
}

#[tokio::test]
async fn gathered_output_is_committed_when_its_share_of_time_has_come() {
    let clock = Arc::new(ManualClock::new());
    let world = World::with(|options| options.clock = Arc::clone(&clock) as _).await;
    let id = world
        .launch_id("stty -echo; echo first; read go; echo second; read go")
        .await;
    world.until(&id, "first").await;
    world.input(&id, "\n").await.unwrap();
    clock.advance(COMMIT_INTERVAL);
    world.until(&id, "second").await;
    world.input(&id, "\n").await.unwrap();
    world.to_the_end(&id).await;
}

#[tokio::test]
async fn a_flood_takes_part_in_at_most_a_hundred_commits_a_second() {
    let world = World::new().await;
    let before = world.engine.health().store.transactions;
    let id = world
        .launch_id("head -c 4000000 /dev/zero | tr '\\0' x; exit 0")
        .await;
    let events = world.to_the_end(&id).await;
    let transactions = world.engine.health().store.transactions - before;
    let (first, last) = (events.first().unwrap().at, events.last().unwrap().at);
    let millis = (last.as_nanos() - first.as_nanos()) as u64 / 1_000_000;
    // Created, started and the end are commits too.
    assert!(
        transactions <= millis / 10 + 5,
        "{transactions} in {millis} ms"
    );
    assert_eq!(written(&events).len(), 4_000_000);
    let outputs = events
        .iter()
        .filter(|e| matches!(e.event, Event::Output { .. }))
        .count();
    assert!(outputs >= 4_000_000 / 60_000);
}

#[tokio::test]
async fn an_idle_session_writes_nothing_and_waits_for_no_timer() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for _ in 0..10 {
        let id = world.launch_id("echo ready; read go").await;
        world.until(&id, "ready\r\n").await;
        ids.push(id);
    }
    // What was committed can be read a moment before everybody is told of it. What is answered was
    // told, and with it all that was committed before.
    let title = Some(Title::parse("the last commit").unwrap());
    let edited = within(world.engine.edit(&ids[0], title, None, me()));
    let last = edited.await.unwrap().last_seq;
    let metrics = tokio::runtime::Handle::current().metrics();
    // The one place where time itself is measured. What the launches left to do may take as many
    // spells as it likes on a busy machine; a timer of the sessions, each of which would have its
    // own, would wake the engine ten times and more in every one, for ever.
    let mut spells = Vec::new();
    let quiet = async {
        while spells.last().is_none_or(|woken| *woken > 5) {
            let parked = metrics.worker_park_count(0);
            tokio::time::sleep(Duration::from_millis(2500)).await;
            assert_eq!(world.engine.last_seq(), last);
            spells.push(metrics.worker_park_count(0) - parked);
        }
    };
    let is_quiet = tokio::time::timeout(PATIENCE, quiet).await.is_ok();
    assert!(is_quiet, "woken {spells:?} times");
    for id in &ids {
        world.input(id, "\n").await.unwrap();
        world.to_the_end(id).await;
    }
}
