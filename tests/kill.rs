//! Killing: it does not wait, reaches everybody, and is proved by the exit event.

mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coven::{Code, Error, Event, EventKind, Seq, Status};
use world::{World, is_alive, kinds, me, within, written};

/// The process ids that a script told, as words after `pids`.
fn pids(said: &str) -> Vec<u32> {
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("pids "))
        .unwrap();
    line.split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

#[tokio::test]
async fn a_killed_session_is_killed_and_its_death_is_proved_by_the_exit_event() {
    let world = World::new().await;
    let id = world.launch_id("echo pids $$; exec sleep 1000").await;
    let pids = pids(&world.until(&id, "\n").await);
    within(world.engine.kill(&id, me())).await.unwrap();
    let record = world.engine.get(&id).await.unwrap();
    assert_eq!(record.session.status(), Status::Killed);
    let events = world.to_the_end(&id).await;
    assert_eq!(kinds(&events).last(), Some(&EventKind::Exited));
    assert!(!is_alive(pids[0]));
    let killed = events
        .iter()
        .find(|envelope| envelope.event == Event::KillRequested)
        .unwrap();
    assert_eq!(killed.actor, Some(me()));
    let record = world.engine.get(&id).await.unwrap();
    assert_eq!(record.session.status(), Status::Killed);
    assert!(record.ended_at.is_some());
}

#[tokio::test]
async fn a_tool_that_double_forked_into_a_session_of_its_own_dies_too() {
    let world = World::new().await;
    let tool = "setsid sh -c 'sleep 1000 & echo $! > tool; wait' < /dev/null > /dev/null 2>&1 &";
    let script = format!(
        "(({tool}) &); until [ -s tool ]; do sleep 0.01; done; echo pids $(cat tool) $$; read x"
    );
    let id = world.launch_id(&script).await;
    let pids = pids(&world.until(&id, "\n").await);
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    within(world.engine.kill(&id, me())).await.unwrap();
    world.to_the_end(&id).await;
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
}

#[tokio::test]
async fn a_process_that_ignores_the_question_is_ended_after_the_grace() {
    let world = World::new().await;
    let id = world
        .launch_id("trap '' HUP TERM; echo pids $$; while :; do sleep 1; done")
        .await;
    let pids = pids(&world.until(&id, "\n").await);
    within(world.engine.kill(&id, me())).await.unwrap();
    let events = world.to_the_end(&id).await;
    assert!(matches!(
        events.last().unwrap().event,
        Event::Exited {
            exit: Some(coven::Exit::Signal { signal: 9 }),
            ..
        }
    ));
    assert!(!is_alive(pids[0]));
}

#[tokio::test]
async fn with_a_grace_without_end_kills_and_shutdowns_end_all_the_same() {
    let world = World::with(|options| options.grace = Duration::MAX).await;
    let script = "echo pids $$; exec sleep 1000";
    let (killed, left) = (world.launch_id(script).await, world.launch_id(script).await);
    within(world.engine.kill(&killed, me())).await.unwrap();
    let events = world.to_the_end(&killed).await;
    assert_eq!(kinds(&events).last(), Some(&EventKind::Exited));
    let left = pids(&world.until(&left, "\n").await);
    within(world.engine.shutdown()).await;
    assert!(!is_alive(left[0]));
}

#[tokio::test]
async fn what_a_killed_process_says_last_is_on_record() {
    let world = World::new().await;
    let script =
        "trap 'echo goodbye; exit 0' TERM; trap '' HUP; echo ready; while :; do sleep 0.05; done";
    let id = world.launch_id(script).await;
    world.until(&id, "ready").await;
    within(world.engine.kill(&id, me())).await.unwrap();
    let events = world.to_the_end(&id).await;
    let said = String::from_utf8(written(&events)).unwrap();
    assert!(said.ends_with("goodbye\r\n"), "{said:?}");
    let record = world.engine.get(&id).await.unwrap();
    assert_eq!(record.session.status(), Status::Killed);
}

#[tokio::test]
async fn the_second_kill_is_refused_and_records_nothing() {
    let world = World::new().await;
    let id = world
        .launch_id("trap '' HUP TERM; echo ready; while :; do sleep 1; done")
        .await;
    world.until(&id, "ready").await;
    within(world.engine.kill(&id, me())).await.unwrap();
    let refused = within(world.engine.kill(&id, me())).await.unwrap_err();
    assert_eq!(refused.code(), Code::SessionNotLive);
    let refused = world.input(&id, "x").await.unwrap_err();
    assert_eq!(refused.code(), Code::SessionNotLive);
    let events = world.to_the_end(&id).await;
    let kills = kinds(&events)
        .iter()
        .filter(|kind| **kind == EventKind::KillRequested)
        .count();
    assert_eq!(kills, 1);
}

#[tokio::test]
async fn two_kills_at_once_are_one() {
    let world = World::new().await;
    let id = world.launch_id("echo ready; exec sleep 1000").await;
    world.until(&id, "ready").await;
    let (first, second) = tokio::join!(world.engine.kill(&id, me()), world.engine.kill(&id, me()));
    assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1);
    let events = world.to_the_end(&id).await;
    let kills = kinds(&events)
        .iter()
        .filter(|kind| **kind == EventKind::KillRequested)
        .count();
    assert_eq!(kills, 1);
}

#[tokio::test]
async fn nothing_of_a_session_runs_when_it_is_told_to_have_ended() {
    let world = World::new().await;
    let ended = Arc::new(AtomicUsize::new(0));
    for _ in 0..4 {
        let id = world
            .launch_id("sleep 1000 & sleep 1000 & echo pids $! $$; wait")
            .await;
        let pids = pids(&world.until(&id, "\n").await);
        let mut follow = world.engine.follow(&id, Seq::ZERO);
        let seen = Arc::clone(&ended);
        let watching = tokio::spawn(async move {
            while let Some(page) = within(follow.next()).await.unwrap() {
                if kinds(&page).contains(&EventKind::Exited) {
                    assert!(pids.iter().all(|pid| !is_alive(*pid)));
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        within(world.engine.kill(&id, me())).await.unwrap();
        watching.await.unwrap();
    }
    assert_eq!(ended.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn of_registrations_at_once_under_one_id_one_is_new_and_the_others_are_told_so() {
    let world = World::new().await;
    for round in 0..20 {
        let request = coven::ExternalRequest {
            id: Some(format!("theirs-{round}")),
            project_root: Some("/elsewhere".to_owned()),
            harness: Some("codex".to_owned()),
            ..coven::ExternalRequest::default()
        };
        let (one, other) = tokio::join!(
            world.engine.register(request.clone(), me()),
            world.engine.register(request, me()),
        );
        let mut registered = [one.unwrap().0, other.unwrap().0];
        registered.sort_by_key(|it| *it == coven::Registered::Again);
        assert_eq!(
            registered,
            [coven::Registered::New, coven::Registered::Again]
        );
    }
}

#[tokio::test]
async fn an_external_session_is_not_killed_from_here() {
    let world = World::new().await;
    let request = coven::ExternalRequest {
        id: Some("theirs".to_owned()),
        project_root: Some("/elsewhere".to_owned()),
        harness: Some("codex".to_owned()),
        ..coven::ExternalRequest::default()
    };
    let (_, record) = world.engine.register(request.clone(), me()).await.unwrap();
    let id = &record.session.id;
    let refused = world.engine.kill(id, me()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ExternalSessionNotKillable);
    let (again, same) = world.engine.register(request, me()).await.unwrap();
    assert_eq!((again, &same), (coven::Registered::Again, &record));
    let done = world.engine.complete(id, Some(1), me()).await.unwrap();
    assert_eq!(done.session.status(), Status::Failed);
    let refused = world.engine.complete(id, None, me()).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(_)));
}
