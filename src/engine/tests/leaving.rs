//! What was asked of a session whose engine leaves is answered as it is.

use bytes::Bytes;
use coven_core::{Event, InputData};
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Runtime;

use super::shims;
use super::world::{World, me, within};
use super::*;
use crate::Unavailable;

/// The shim of a session.
async fn shim_of(world: &World, id: &SessionId) -> Pid {
    let session = world.engine.get(id).await.unwrap().session;
    let shim = session.phase.process().unwrap().shim_pid.unwrap();
    Pid::from_raw(i32::try_from(shim).unwrap()).unwrap()
}

#[test]
fn an_input_on_record_is_answered_as_taken_by_an_engine_that_leaves_and_typed_once_by_the_next() {
    let runtime = Runtime::new().unwrap();
    let (world, id, shim) = runtime.block_on(async {
        let world = World::with(|options| options.hosting = shims::hosting()).await;
        // It is not asked whether it shows what is typed.
        let id = world.launch_in("stream", "echo ready; exec cat").await;
        world.until(&id, "ready\n").await;
        let shim = shim_of(&world, &id).await;
        (world, id, shim)
    });
    kill_process(shim, Signal::STOP).unwrap();
    runtime.block_on(async {
        let (engine, session) = (world.engine.clone(), id.clone());
        let typing = tokio::spawn(async move {
            let data = Bytes::from_static(b"typed");
            engine.input(&session, data, None, me()).await
        });
        let is_input = |event: &Event| matches!(event, Event::Input { .. });
        world.until_event(&id, is_input).await;
        within(world.engine.leave()).await;
        within(typing).await.unwrap().expect("it is on record");
    });
    let (runtime, world) = shims::next(shims::die(runtime, world));
    kill_process(shim, Signal::CONT).unwrap();
    runtime.block_on(async {
        world.input(&id, "the last").await.unwrap();
        let read = world.until(&id, "the last").await;
        assert_eq!(read.matches("typed").count(), 1, "{read}");
        within(world.engine.kill(&id, me())).await.unwrap();
        world.to_the_end(&id).await;
    });
}

#[test]
fn an_input_that_waits_to_be_recorded_is_refused_by_an_engine_that_leaves_and_nowhere_on_record() {
    let runtime = Runtime::new().unwrap();
    let (world, id, shim) = runtime.block_on(async {
        let world = World::with(|options| options.hosting = shims::hosting()).await;
        let script = "echo ready; read line; echo \"<$line>\"; exec cat";
        let id = world.launch_id(script).await;
        world.until(&id, "ready").await;
        let shim = shim_of(&world, &id).await;
        (world, id, shim)
    });
    kill_process(shim, Signal::STOP).unwrap();
    runtime.block_on(async {
        // It waits for the shim to say whether that is shown.
        let typing = world.input(&id, "refused\n");
        let leaving = within(world.engine.leave());
        // In this order the session's task is told of them.
        let (refused, ()) = tokio::join!(biased; typing, leaving);
        let refused = refused.unwrap_err();
        let shutting_down = Unavailable::ShuttingDown;
        assert!(
            matches!(&refused, Error::Unavailable { reason } if *reason == shutting_down),
            "{refused:?}"
        );
    });
    let (runtime, world) = shims::next(shims::die(runtime, world));
    kill_process(shim, Signal::CONT).unwrap();
    runtime.block_on(async {
        world.input(&id, "again\n").await.unwrap();
        world.until(&id, "<again>").await;
        within(world.engine.kill(&id, me())).await.unwrap();
        let events = world.to_the_end(&id).await;
        let typed = events.iter().filter_map(|it| match &it.event {
            Event::Input {
                data: InputData::Plain { data },
                ..
            } => Some(&data[..]),
            _ => None,
        });
        assert_eq!(typed.collect::<Vec<_>>(), [b"again\n"]);
    });
}
