//! Inputs to a process that runs on and reads nothing any more.

use std::fs;

use bytes::Bytes;
use coven_core::{InputId, Seq};
use tokio::runtime::Runtime;

use super::shims;
use super::world::{World, kinds, me, within};
use super::*;
use crate::{Code, EventKind, Hosting};

/// It closes its stdin once it is told to, and runs on.
const CLOSES: &str = "read prompt; echo ready; until [ -e go ]; do sleep .01; done; exec <&-; \
    echo closed; exec tail -f /dev/null";

/// More than a pipe holds.
const LARGE_BYTES: usize = 100_000;

async fn type_in(world: &World, id: &SessionId, name: u8) -> Result<(), Code> {
    let data = match name {
        1 => Bytes::from(vec![b'x'; LARGE_BYTES]),
        _ => Bytes::from_static(b"y"),
    };
    let name = Some(InputId([name; 16]));
    let typed = within(world.engine.input(id, data, name, me())).await;
    typed.map_err(|error| error.code())
}

/// One that was typed three inputs which it does not read.
async fn that_reads_none_of_three(hosting: Hosting) -> (World, SessionId) {
    let world = World::with(|options| options.hosting = hosting).await;
    let id = world.launch_in("stream", CLOSES).await;
    world.until(&id, "ready").await;
    for name in 1..=3 {
        type_in(&world, &id, name).await.unwrap();
    }
    (world, id)
}

/// Waits until three inputs are told to be undelivered, and makes sure that it is those, in order, that
/// nothing of them is told twice, and that no other is on record.
async fn all_three_are_told(world: &World, id: &SessionId) {
    let mut follow = world.engine.follow(id, Seq::ZERO);
    let mut told = Vec::new();
    while told.len() < 3 {
        let page = within(follow.next()).await.unwrap().expect("it runs on");
        for envelope in page {
            if let Event::Undelivered {
                id, written_bytes, ..
            } = envelope.event
            {
                told.push((id.0[0], written_bytes));
            }
        }
    }
    assert!(
        matches!(told[..], [(1, Some(1..)), (2, Some(0)), (3, Some(0))]),
        "{told:?}"
    );
    let session = world.engine.get(id).await.unwrap().session;
    assert_eq!(session.undelivered_inputs, 3);
    session.accepts_input().expect("it runs on");
}

/// Makes sure that no further input is taken, and that what is asked for again is told to be undelivered.
async fn nothing_more_is_taken(world: &World, id: &SessionId) {
    for name in 4..9 {
        let refused = type_in(world, id, name).await;
        assert_eq!(refused, Err(Code::SessionNotLive));
    }
    for name in 1..=3 {
        let refused = type_in(world, id, name).await;
        assert_eq!(refused, Err(Code::InputUndelivered));
    }
}

async fn nothing_else_was_put_on_record(world: &World, id: &SessionId) {
    within(world.engine.kill(id, me())).await.unwrap();
    let kinds = kinds(&world.to_the_end(id).await);
    for kind in [EventKind::Input, EventKind::Undelivered] {
        assert_eq!(
            kinds.iter().filter(|it| **it == kind).count(),
            3,
            "{kind:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_reads_any_more_is_told_while_its_process_runs_and_nothing_more_is_taken() {
    for hosting in [Hosting::InProcess, shims::hosting()] {
        let (world, id) = that_reads_none_of_three(hosting).await;
        fs::write(world.path("go"), "").unwrap();
        all_three_are_told(&world, &id).await;
        nothing_more_is_taken(&world, &id).await;
        nothing_else_was_put_on_record(&world, &id).await;
    }
}

#[test]
fn what_nobody_reads_any_more_is_told_by_whoever_takes_over_and_nothing_more_is_taken() {
    let runtime = Runtime::new().unwrap();
    let (world, id) = runtime.block_on(that_reads_none_of_three(shims::hosting()));
    let go = world.path("go");
    let mut dir = shims::die(runtime, world);
    // So it closes its stdin when no engine is there to see it.
    fs::write(go, "").unwrap();
    for _ in 0..2 {
        let (runtime, world) = shims::next(dir);
        runtime.block_on(async {
            all_three_are_told(&world, &id).await;
            nothing_more_is_taken(&world, &id).await;
        });
        dir = shims::die(runtime, world);
    }
    let (runtime, world) = shims::next(dir);
    runtime.block_on(nothing_else_was_put_on_record(&world, &id));
}
