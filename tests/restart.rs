//! What is left when an engine ends, and what the next one makes of it.

mod world;

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use coven::{
    Code, Engine, Event, EventKind, OnTheWay, OpenError, OrphanReason, Seq, Status, Unavailable,
    Waypoint,
};
use tokio::runtime::Runtime;
use world::{PATIENCE, World, is_alive, kinds, me, options, within, written};

/// An engine that ends without a word: its runtime is gone, and with it all terminals.
fn die(runtime: Runtime, engine: Engine) {
    drop(engine);
    runtime.shutdown_timeout(Duration::from_secs(10));
}

fn pid(said: &str) -> u32 {
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("pid "))
        .unwrap();
    line.trim().parse().unwrap()
}

#[test]
fn a_session_that_was_live_is_orphaned_and_keeps_its_output() {
    let first = Runtime::new().unwrap();
    let world = first.block_on(World::new());
    let id = first.block_on(async {
        let id = world.launch_id("echo pid $$; exec sleep 1000").await;
        world.until(&id, "\n").await;
        id
    });
    let World { engine, dir } = world;
    die(first, engine);

    let second = Runtime::new().unwrap();
    second.block_on(async {
        let engine = within(Engine::open(options(dir.path()))).await.unwrap();
        let world = World { engine, dir };
        let record = world.engine.get(&id).await.unwrap();
        assert_eq!(record.session.status(), Status::Orphaned);
        assert!(record.ended_at.is_some());
        let events = world.to_the_end(&id).await;
        let reason = OrphanReason::EngineDied;
        assert_eq!(events.last().unwrap().event, Event::Orphaned { reason });
        assert!(!is_alive(pid(
            std::str::from_utf8(&written(&events)).unwrap()
        )));
        let refused = world.engine.kill(&id, me()).await.unwrap_err();
        assert_eq!(refused.code(), Code::SessionNotLive);
        world.engine.delete(&id, me()).await.unwrap();
    });
}

#[test]
fn a_process_that_outlived_its_terminal_is_ended_before_its_session_is_orphaned() {
    let first = Runtime::new().unwrap();
    let world = first.block_on(World::new());
    let script =
        "trap '' HUP TERM; echo pid $$; while :; do sleep 1 < /dev/null > /dev/null 2>&1; done";
    let said = first.block_on(async {
        let id = world.launch_id(script).await;
        world.until(&id, "\n").await
    });
    let World { engine, dir } = world;
    die(first, engine);
    assert!(is_alive(pid(&said)), "it ignores the hang-up");

    let second = Runtime::new().unwrap();
    second.block_on(async {
        within(Engine::open(options(dir.path()))).await.unwrap();
        assert!(!is_alive(pid(&said)));
    });
}

#[test]
fn a_tool_that_outlived_its_agent_and_its_engine_is_ended_before_its_session_is_orphaned() {
    let first = Runtime::new().unwrap();
    let world = first.block_on(World::new());
    let script = "setsid sh -c 'echo pid $$; exec sleep 1000 > /dev/null 2>&1 < /dev/null' & wait";
    let said = first.block_on(async {
        let id = world.launch_id(script).await;
        world.until(&id, "\n").await
    });
    let World { engine, dir } = world;
    die(first, engine);
    assert!(is_alive(pid(&said)), "nobody hangs it up");

    let second = Runtime::new().unwrap();
    second.block_on(async {
        within(Engine::open(options(dir.path()))).await.unwrap();
        assert!(!is_alive(pid(&said)));
    });
}

#[tokio::test]
async fn a_shutdown_ends_what_lives_and_frees_the_home() {
    let world = World::new().await;
    let polite = world.launch_id("echo pid $$; exec sleep 1000").await;
    let script = "trap '' HUP TERM; echo pid $$; while :; do sleep 1; done";
    let stubborn = world.launch_id(script).await;
    let mut pids = Vec::new();
    for id in [&polite, &stubborn] {
        pids.push(pid(&world.until(id, "\n").await));
    }
    let mut following = world.engine.follow(&polite, Seq::ZERO);
    let mut following_all = world.engine.follow_all(None);
    within(world.engine.shutdown()).await;
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
    let refused = world
        .engine
        .launch(world.request("true"), me())
        .await
        .unwrap_err();
    assert!(matches!(
        refused,
        coven::Error::Unavailable {
            reason: Unavailable::ShuttingDown
        }
    ));
    while within(following.next()).await.unwrap().is_some() {}
    while within(following_all.next()).await.unwrap().is_some() {}

    let World { engine, dir } = world;
    let second = within(Engine::open(options(dir.path()))).await.unwrap();
    for id in [&polite, &stubborn] {
        let record = second.get(id).await.unwrap();
        assert_eq!(record.session.status(), Status::Killed);
        assert!(record.ended_at.is_some());
    }
    drop(engine);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_that_a_shutdown_overtakes_is_refused_and_runs_nothing() {
    let (arrived, arrivals) = mpsc::channel();
    let (open, opened) = mpsc::channel();
    let (arrived, opened) = (Mutex::new(arrived), Mutex::new(opened));
    let on_the_way = OnTheWay::call(move |waypoint| {
        if *waypoint == Waypoint::PlaceChecked {
            arrived.lock().unwrap().send(()).unwrap();
            opened.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
    });
    let world = World::with(|options| options.on_the_way = on_the_way).await;
    let launching = tokio::spawn({
        let (engine, request) = (world.engine.clone(), world.request("touch ran"));
        async move { engine.launch(request, me()).await }
    });
    let arrival = tokio::task::spawn_blocking(move || arrivals.recv_timeout(PATIENCE));
    arrival.await.unwrap().unwrap();
    within(world.engine.shutdown()).await;
    open.send(()).unwrap();
    let refused = within(launching).await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::RuntimeUnavailable);
    assert!(!world.path("ran").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spawn_that_hangs_holds_up_no_shutdown_and_makes_no_process_after_it() {
    let (arrived, arrivals) = mpsc::channel();
    let (open, opened) = mpsc::channel();
    let (arrived, opened) = (Mutex::new(arrived), Mutex::new(opened));
    let on_the_way = OnTheWay::call(move |waypoint| {
        if let Waypoint::BeforeSpawn { session } = waypoint {
            arrived.lock().unwrap().send(session.clone()).unwrap();
            // As long as the test lets it: it outlasts the shutdown.
            opened.lock().unwrap().recv().unwrap();
        }
    });
    let world = World::with(|options| options.on_the_way = on_the_way).await;
    let launching = tokio::spawn({
        let (engine, request) = (world.engine.clone(), world.request("touch ran"));
        async move { engine.launch(request, me()).await }
    });
    let arrival = tokio::task::spawn_blocking(move || arrivals.recv_timeout(PATIENCE));
    let id = arrival.await.unwrap().unwrap();
    within(world.engine.shutdown()).await;
    open.send(()).unwrap();
    // Its end cannot be put on record any more.
    within(launching).await.unwrap().unwrap_err();
    assert!(!world.path("ran").exists());

    let World { engine, dir } = world;
    let second = within(Engine::open(options(dir.path()))).await.unwrap();
    let record = second.get(&id).await.unwrap();
    assert_eq!(record.session.status(), Status::Orphaned);
    drop(engine);
}

#[tokio::test]
async fn a_second_shutdown_waits_for_nothing_and_harms_nothing() {
    let world = World::new().await;
    world.run("true").await;
    within(world.engine.shutdown()).await;
    within(world.engine.shutdown()).await;
}

#[tokio::test]
async fn a_home_that_is_in_use_is_refused_and_its_owner_unharmed() {
    let world = World::new().await;
    let id = world.launch_id("echo ready; read go; echo done").await;
    world.until(&id, "ready").await;
    match Engine::open(options(world.dir.path())).await {
        Err(OpenError::InUse { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    world.input(&id, "\n").await.unwrap();
    let events = world.to_the_end(&id).await;
    assert_eq!(kinds(&events).last(), Some(&EventKind::Exited));
}

#[tokio::test]
async fn a_dropped_engine_lets_its_sessions_go_on() {
    let world = World::new().await;
    let id = world.launch_id("echo ready; read go; echo done").await;
    world.until(&id, "ready").await;
    let mut follow = world.engine.follow(&id, Seq::ZERO);
    world.input(&id, "\n").await.unwrap();
    let World { engine, dir } = world;
    drop(engine);
    let mut events = Vec::new();
    while let Some(page) = within(follow.next()).await.unwrap() {
        events.extend(page);
    }
    assert!(written(&events).ends_with(b"done\r\n"));
    drop(dir);
}
