//! Many sessions at once: each gets its own, whole, whatever the others do.

mod world;

use std::fs;
use std::sync::Arc;

use coven::{Event, LaunchRequest, Seq, Status};
use world::{World, me, noise, within, written};

const SESSIONS: usize = 36;

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_sessions_is_recorded_each_by_itself() {
    let world = Arc::new(World::new().await);
    let mut all = world.engine.follow_all(None);
    let mut running = Vec::new();
    for number in 0..SESSIONS {
        let world = Arc::clone(&world);
        running.push(tokio::spawn(async move { one(&world, number).await }));
    }
    for session in running {
        session.await.unwrap();
    }
    // Whoever follows all hears each of them once, in one order.
    let (mut ended, mut last) = (0, Seq::ZERO);
    while ended < SESSIONS {
        for envelope in within(all.next()).await.unwrap().unwrap() {
            assert!(envelope.seq > last);
            last = envelope.seq;
            ended += usize::from(matches!(envelope.event, Event::Exited { .. }));
        }
    }
    within(world.engine.shutdown()).await;
    assert_eq!(world.engine.health().live_sessions, 0);
}

/// One that floods, one that talks, one that is killed.
async fn one(world: &World, number: usize) {
    let name = format!("noise-{number}");
    let noise = noise(number as u64, 200_000);
    fs::write(world.path(&name), &noise).unwrap();
    let script = match number % 3 {
        0 => format!("stty raw -echo; cat {name}"),
        1 => "stty -echo; echo ready; read a; echo $a; read b; echo $b".to_owned(),
        _ => "echo ready; exec sleep 1000".to_owned(),
    };
    let request = LaunchRequest {
        title: Some(format!("number {number}")),
        ..world.request(&script)
    };
    let record = within(world.engine.launch(request, me())).await.unwrap();
    let id = &record.session.id;
    match number % 3 {
        0 => {}
        1 => {
            world.until(id, "ready").await;
            world.input(id, "first\n").await.unwrap();
            world.input(id, "second\n").await.unwrap();
        }
        _ => {
            world.until(id, "ready").await;
            within(world.engine.kill(id, me())).await.unwrap();
        }
    }
    let events = world.to_the_end(id).await;
    let record = world.engine.get(id).await.unwrap();
    assert_eq!(record.session.title.as_str(), format!("number {number}"));
    match number % 3 {
        0 => assert!(written(&events) == noise),
        1 => assert_eq!(written(&events), b"ready\r\nfirst\r\nsecond\r\n"),
        _ => assert_eq!(record.session.status(), Status::Killed),
    }
}
