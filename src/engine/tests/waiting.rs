//! Inputs that wait until their process reads.

use std::fs;

use bytes::Bytes;
use coven_core::limits::{MAX_INPUT_BYTES, MAX_UNDELIVERED_INPUT_BYTES};
use coven_core::{InputData, InputId, Seq};
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Runtime;

use super::shims;
use super::world::{World, me, within};
use super::*;
use crate::{Hosting, LaunchRequest, Unavailable};

/// Four of them are as much as may wait, or hardly less.
const PIECE_BYTES: usize = MAX_UNDELIVERED_INPUT_BYTES / 4 - 200;

/// It reads nothing before it is told to, and then writes all that it is typed.
async fn that_reads_later(mode: &str) -> (World, SessionId) {
    let world = World::with(|options| options.hosting = shims::hosting()).await;
    let script = match mode {
        "stream" => "read prompt; echo ready; until [ -e go ]; do sleep .01; done; exec cat",
        _ => "stty raw -echo; echo ready; until [ -e go ]; do sleep .01; done; exec cat",
    };
    let request = LaunchRequest {
        launch_mode: Some(mode.to_owned()),
        ..world.request(script)
    };
    let launched = within(world.engine.launch(request, me())).await.unwrap();
    let id = launched.session.id.clone();
    world.until(&id, "ready\n").await;
    (world, id)
}

/// Asks for an input until it is on record, or has an answer: it is taken, or there is no room for it.
async fn offer(world: &World, id: &SessionId, number: u8) {
    let data = Bytes::from(vec![b'A' + number; PIECE_BYTES]);
    let name = InputId([number; 16]);
    let is_this = |event: &Event| matches!(event, Event::Input { id, .. } if *id == Some(name));
    let typed = within(world.engine.input(id, data, Some(name), me()));
    tokio::select! {
        answer = typed => match answer {
            Ok(()) => {}
            Err(Error::Unavailable {
                reason: Unavailable::InputQueueFull | Unavailable::ShimSilent { .. },
            }) => {}
            Err(error) => panic!("{error:?}"),
        },
        () = world.until_event(id, is_this) => {}
    }
}

/// Has it read, and makes sure that it reads all that is on record, once and in order, and that nothing is
/// told to be undelivered.
async fn all_that_is_on_record_is_typed(world: &World, id: &SessionId) {
    fs::write(world.path("go"), "").unwrap();
    let last = async {
        while let Err(error) = world.input(id, ".").await {
            assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        }
    };
    within(last).await;
    let (mut typed, mut read) = (b"ready\n".to_vec(), Vec::new());
    let mut follow = world.engine.follow(id, Seq::ZERO);
    while !(typed.contains(&b'.') && read.contains(&b'.')) {
        let page = within(follow.next()).await.unwrap().expect("it runs on");
        for envelope in page {
            match envelope.event {
                Event::Input {
                    data: InputData::Plain { data },
                    ..
                } => typed.extend_from_slice(&data),
                Event::Output { data, .. } => read.extend_from_slice(&data),
                Event::Undelivered { .. } => panic!("it was read"),
                _ => {}
            }
        }
    }
    // As many as there is room for, whoever accepted them, and no more.
    let pieces = typed.len() / PIECE_BYTES;
    assert!((3..=5).contains(&pieces), "{pieces} are on record");
    let rest = &typed[read.len().min(typed.len())..];
    assert!(rest.len() < 100, "{} of {} bytes", read.len(), typed.len());
    assert!(read == typed[..read.len()], "it read something else");
    within(world.engine.kill(id, me())).await.unwrap();
    world.to_the_end(id).await;
}

#[test]
fn what_was_typed_before_a_takeover_takes_no_room_after_it() {
    let runtime = Runtime::new().unwrap();
    let (world, id) = runtime.block_on(that_reads_later("stream"));
    fs::write(world.path("go"), "").unwrap();
    runtime.block_on(async {
        for number in 0..5 {
            offer(&world, &id, number).await;
            let letter = char::from(b'A' + number);
            world.until(&id, &format!("{letter}\"}}]}}}}\n")).await;
        }
    });
    let (runtime, world) = shims::next(shims::die(runtime, world));
    // It would not fit, were they still waiting.
    let more = "more".repeat(PIECE_BYTES / 4);
    runtime.block_on(world.input(&id, &more)).unwrap();
    runtime.block_on(world.until(&id, "more\"}]}}\n"));
}

#[test]
fn what_waits_over_many_deaths_of_the_engine_is_typed_once_and_in_order() {
    let runtime = Runtime::new().unwrap();
    let (world, id) = runtime.block_on(that_reads_later("interactive"));
    let (mut runtime, mut world) = (runtime, world);
    for engine in 0..4 {
        runtime.block_on(async {
            for number in 0..5 {
                offer(&world, &id, 5 * engine + number).await;
            }
        });
        (runtime, world) = shims::next(shims::die(runtime, world));
    }
    runtime.block_on(all_that_is_on_record_is_typed(&world, &id));
}

#[test]
fn what_no_shim_was_given_over_many_deaths_of_the_engine_is_typed_once_and_in_order() {
    let runtime = Runtime::new().unwrap();
    let (world, id) = runtime.block_on(that_reads_later("stream"));
    let shim = runtime.block_on(async {
        let session = world.engine.get(&id).await.unwrap().session;
        let shim = session.phase.process().unwrap().shim_pid.unwrap();
        Pid::from_raw(i32::try_from(shim).unwrap()).unwrap()
    });
    kill_process(shim, Signal::STOP).unwrap();
    let (mut runtime, mut world) = (runtime, world);
    for engine in 0..3 {
        runtime.block_on(async {
            let offers = [0, 1, 2, 3, 4].map(|number| offer(&world, &id, 5 * engine + number));
            let [a, b, c, d, e] = offers;
            tokio::join!(a, b, c, d, e);
        });
        (runtime, world) = shims::next(shims::die(runtime, world));
    }
    kill_process(shim, Signal::CONT).unwrap();
    runtime.block_on(all_that_is_on_record_is_typed(&world, &id));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_message_there_may_be_reaches_a_stream_session() {
    // Each of its bytes is six in JSON.
    let longest = Bytes::from(vec![1; MAX_INPUT_BYTES]);
    let script = "read prompt; echo ready; head -c 6000000 >/dev/null; echo read";
    for hosting in [Hosting::InProcess, shims::hosting()] {
        let world = World::with(|options| options.hosting = hosting).await;
        let id = world.launch_in("stream", script).await;
        world.until(&id, "ready").await;
        let typed = world.engine.input(&id, longest.clone(), None, me());
        within(typed).await.unwrap();
        world.until(&id, "\nread\n").await;
    }
}
