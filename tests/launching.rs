//! What may happen while a session's process is being made.

mod world;

use std::sync::mpsc;

use bytes::Bytes;
use coven::{Code, Error, EventKind, OnTheWay, Record, SessionId, Status, Unavailable, Waypoint};
use tokio::task::{JoinHandle, JoinSet};
use world::{PATIENCE, World, kinds, me, within, written};

/// A hook that says that a process is about to be made, and waits until it may.
fn gate() -> (OnTheWay, mpsc::Receiver<SessionId>, mpsc::Sender<()>) {
    let (arrived, arrivals) = mpsc::channel();
    let (open, opened) = mpsc::channel();
    let (arrived, opened) = (
        std::sync::Mutex::new(arrived),
        std::sync::Mutex::new(opened),
    );
    let action = OnTheWay::call(move |waypoint| {
        if let Waypoint::BeforeSpawn { session } = waypoint {
            arrived.lock().unwrap().send(session.clone()).unwrap();
            opened.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
    });
    (action, arrivals, open)
}

/// A launch that waits right before its process is made.
struct Held {
    world: World,
    id: SessionId,
    launching: JoinHandle<Result<Record, Error>>,
    open: mpsc::Sender<()>,
}

impl Held {
    async fn launch(script: &str) -> Self {
        let (action, arrivals, open) = gate();
        let world = World::with(|options| options.on_the_way = action).await;
        let (engine, request) = (world.engine.clone(), world.request(script));
        let launching = tokio::spawn(async move { engine.launch(request, me()).await });
        let arrival = move || arrivals.recv_timeout(PATIENCE).unwrap();
        let id = tokio::task::spawn_blocking(arrival).await.unwrap();
        Self {
            world,
            id,
            launching,
            open,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_before_the_process_runs_calls_the_launch_off() {
    let Held {
        world,
        id,
        launching,
        open,
    } = Held::launch("touch ran").await;
    within(world.engine.kill(&id, me())).await.unwrap();
    let record = world.engine.get(&id).await.unwrap();
    assert_eq!(record.session.status(), Status::Killed);
    assert_eq!(record.ended_at, None);
    let refused = within(world.engine.kill(&id, me())).await.unwrap_err();
    assert_eq!(refused.code(), Code::SessionNotLive);
    open.send(()).unwrap();
    let record = within(launching).await.unwrap().unwrap();
    assert_eq!(record.session.status(), Status::Killed);
    let events = world.to_the_end(&id).await;
    use EventKind::{Created, KillRequested, LaunchFailed};
    assert_eq!(kinds(&events), [Created, KillRequested, LaunchFailed]);
    assert!(!world.path("ran").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_goes_on_when_whoever_asked_for_it_has_left() {
    let Held {
        world,
        id,
        launching,
        open,
    } = Held::launch("echo done").await;
    launching.abort();
    open.send(()).unwrap();
    let events = world.to_the_end(&id).await;
    assert_eq!(written(&events), b"done\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_before_the_process_runs_are_answered_and_take_no_room_from_what_is_typed() {
    let Held {
        world,
        id,
        launching,
        open,
    } = Held::launch("read line; echo got $line").await;
    for _ in 0..300 {
        within(world.engine.redraw(&id)).await;
        let view = within(world.engine.attach_view(&id)).await.unwrap();
        assert!(view.tail.is_empty() && !view.live);
    }
    let (engine, typed) = (world.engine.clone(), id.clone());
    let typing = tokio::spawn(async move {
        engine
            .input(&typed, Bytes::from_static(b"x\n"), None, me())
            .await
    });
    open.send(()).unwrap();
    within(launching).await.unwrap().unwrap();
    within(typing).await.unwrap().unwrap();
    let said = String::from_utf8(written(&world.to_the_end(&id).await)).unwrap();
    assert!(said.ends_with("got x\r\n"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_before_the_process_runs_waits_for_it_up_to_a_bound() {
    const MOST: usize = 256;
    let script = format!("stty raw -echo; head -c {MOST} | wc -c");
    let Held {
        world,
        id,
        launching,
        open,
    } = Held::launch(&script).await;
    let mut typing = JoinSet::new();
    for _ in 0..MOST + 7 {
        let (engine, id) = (world.engine.clone(), id.clone());
        typing.spawn(async move {
            engine
                .input(&id, Bytes::from_static(b"x"), None, me())
                .await
        });
    }
    for _ in 0..7 {
        let surplus = within(typing.join_next()).await.unwrap().unwrap();
        assert!(
            matches!(
                surplus,
                Err(Error::Unavailable {
                    reason: Unavailable::Busy
                })
            ),
            "{surplus:?}"
        );
    }
    open.send(()).unwrap();
    within(launching).await.unwrap().unwrap();
    while let Some(typed) = within(typing.join_next()).await {
        typed.unwrap().unwrap();
    }
    let mut said = written(&world.to_the_end(&id).await);
    // The terminal echoes what it is given before `stty` tells it not to.
    said.retain(|byte| *byte != b'x');
    assert_eq!(said, format!("{MOST}\n").as_bytes());
}
