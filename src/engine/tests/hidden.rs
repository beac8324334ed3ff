//! Hidden inputs that are on record, and that no shim was given by the engine that died.

use bytes::Bytes;
use coven_core::{InputData, InputId, Seq};
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Runtime;

use super::shims;
use super::world::{World, me, within, written};
use super::*;
use crate::Code;

/// It reads lines as one reads passwords, so that what it is typed is hidden, and says that it has.
const READS: &str =
    "stty -echo; echo ready; while read -r line; do echo \"got $line\"; done; exec sleep 1000";

/// What is told of an input: its number, and how much of it was written.
type Told = (u8, Option<u64>);

async fn that_reads() -> (World, SessionId) {
    let world = World::with(|options| options.hosting = shims::hosting()).await;
    let id = world.launch_id(READS).await;
    world.until(&id, "ready").await;
    (world, id)
}

/// What is typed as the input of this number.
fn line(number: u8) -> String {
    format!("line {number}\n")
}

async fn type_in(world: &World, id: &SessionId, number: u8) -> Result<(), Code> {
    let name = Some(InputId([number; 16]));
    let typed = world.engine.input(id, line(number).into(), name, me());
    within(typed).await.map_err(|error| error.code())
}

async fn until_read(world: &World, id: &SessionId, number: u8) {
    world.until(id, &format!("got line {number}\r\n")).await;
}

/// Puts an input on record as an engine does that dies before the shim has it.
async fn only_on_record(world: &World, id: &SessionId, number: u8, data: InputData) {
    let shared = &world.engine.shared;
    let event = NewEvent {
        at: shared.clock.now(),
        actor: None,
        event: Event::Input {
            data,
            id: Some(InputId([number; 16])),
        },
    };
    let behind = Batch {
        session: id.clone(),
        events: vec![event],
        after: None,
        urgency: Urgency::Control,
    };
    within(shared.store.append(behind)).await.unwrap();
}

fn hidden(number: u8) -> InputData {
    let len_bytes = line(number).len() as u64;
    InputData::Redacted { len_bytes }
}

fn plain(number: u8) -> InputData {
    let data = Bytes::from(line(number));
    InputData::Plain { data }
}

/// Ends a session and makes sure that this was told, and all else that was typed read, once and in this order.
async fn comes_to(world: &World, id: &SessionId, told: &[Told], read: &[u8]) {
    within(world.engine.kill(id, me())).await.unwrap();
    has_come_to(world, id, told, read).await;
}

async fn has_come_to(world: &World, id: &SessionId, told: &[Told], read: &[u8]) {
    let events = world.to_the_end(id).await;
    let undelivered = events.iter().filter_map(|it| match it.event {
        Event::Undelivered {
            id, written_bytes, ..
        } => Some((id.0[0], written_bytes)),
        _ => None,
    });
    assert_eq!(undelivered.collect::<Vec<_>>(), told);
    let got = read.iter().map(|it| format!("got line {it}\r\n"));
    let expected = format!("ready\r\n{}", got.collect::<String>());
    assert_eq!(String::from_utf8_lossy(&written(&events)), expected);
}

/// Makes sure that what was passed over was told before what came after it was read.
async fn is_told_before_is_read(world: &World, id: &SessionId, told: u8, read: u8) {
    let mut follow = world.engine.follow(id, Seq::ZERO);
    let (mut is_told, mut output) = (false, Vec::new());
    while let Some(page) = within(follow.next()).await.unwrap() {
        for envelope in page {
            match envelope.event {
                Event::Undelivered { id, .. } => is_told |= id.0[0] == told,
                Event::Output { data, .. } => output.extend_from_slice(&data),
                _ => {}
            }
            if String::from_utf8_lossy(&output).contains(&line(read).replace('\n', "\r\n")) {
                assert!(is_told, "{read} was read first");
                return;
            }
        }
    }
    panic!("it ended without reading {read}");
}

/// The next engine of a session that reads, and of which one hidden input is on record that its shim has not.
fn after_a_hidden_one() -> (Runtime, World, SessionId) {
    let runtime = Runtime::new().unwrap();
    let (world, id) = runtime.block_on(async {
        let (world, id) = that_reads().await;
        only_on_record(&world, &id, 1, hidden(1)).await;
        (world, id)
    });
    let (runtime, world) = shims::next(shims::die(runtime, world));
    (runtime, world, id)
}

#[test]
fn one_that_reached_no_shim_is_told_once_when_a_later_one_is_typed_and_is_not_typed_after_it() {
    let runtime = Runtime::new().unwrap();
    let (world, id) = runtime.block_on(async {
        let (world, id) = that_reads().await;
        type_in(&world, &id, 1).await.unwrap();
        until_read(&world, &id, 1).await;
        only_on_record(&world, &id, 2, hidden(2)).await;
        (world, id)
    });
    let (runtime, world) = shims::next(shims::die(runtime, world));
    runtime.block_on(async {
        // Its shim has it.
        assert_eq!(type_in(&world, &id, 1).await, Ok(()));
        assert_eq!(type_in(&world, &id, 3).await, Ok(()));
        is_told_before_is_read(&world, &id, 2, 3).await;
        let refused = type_in(&world, &id, 2).await;
        assert_eq!(refused, Err(Code::InputUndelivered));
    });
    let (runtime, world) = shims::next(shims::die(runtime, world));
    runtime.block_on(async {
        let refused = type_in(&world, &id, 2).await;
        assert_eq!(refused, Err(Code::InputUndelivered));
        // Somebody reads all the same.
        assert_eq!(type_in(&world, &id, 4).await, Ok(()));
        until_read(&world, &id, 4).await;
        comes_to(&world, &id, &[(2, Some(0))], &[1, 3, 4]).await;
    });
}

#[test]
fn one_that_is_asked_for_again_first_is_typed_in_its_turn() {
    let (runtime, world, id) = after_a_hidden_one();
    runtime.block_on(async {
        let both = async { tokio::join!(type_in(&world, &id, 1), type_in(&world, &id, 2)) };
        assert_eq!(both.await, (Ok(()), Ok(())));
        until_read(&world, &id, 2).await;
    });
    let (runtime, world) = shims::next(shims::die(runtime, world));
    runtime.block_on(async {
        assert_eq!(type_in(&world, &id, 3).await, Ok(()));
        until_read(&world, &id, 3).await;
        comes_to(&world, &id, &[], &[1, 2, 3]).await;
    });
}

#[test]
fn one_that_is_asked_for_again_together_with_what_comes_before_that_is_refused() {
    let (runtime, world, id) = after_a_hidden_one();
    runtime.block_on(async {
        let both = async { tokio::join!(type_in(&world, &id, 2), type_in(&world, &id, 1)) };
        assert_eq!(both.await, (Ok(()), Err(Code::InputUndelivered)));
        until_read(&world, &id, 2).await;
        comes_to(&world, &id, &[(1, Some(0))], &[2]).await;
    });
}

#[test]
fn what_is_on_record_behind_one_is_typed_by_the_next_engine_once_that_one_is_told() {
    let runtime = Runtime::new().unwrap();
    let (world, id) = runtime.block_on(async {
        let (world, id) = that_reads().await;
        for (number, data) in [(1, hidden(1)), (2, plain(2)), (3, hidden(3))] {
            only_on_record(&world, &id, number, data).await;
        }
        (world, id)
    });
    let (runtime, world) = shims::next(shims::die(runtime, world));
    runtime.block_on(async {
        is_told_before_is_read(&world, &id, 1, 2).await;
        let refused = type_in(&world, &id, 1).await;
        assert_eq!(refused, Err(Code::InputUndelivered));
        // Nothing came after this one.
        assert_eq!(type_in(&world, &id, 3).await, Ok(()));
        until_read(&world, &id, 3).await;
        comes_to(&world, &id, &[(1, Some(0))], &[2, 3]).await;
    });
}

#[test]
fn one_that_nobody_asks_for_again_is_told_once_when_its_session_or_its_shim_ends() {
    for is_shim_killed in [false, true] {
        let (runtime, world, id) = after_a_hidden_one();
        runtime.block_on(async {
            if is_shim_killed {
                let session = world.engine.get(&id).await.unwrap().session;
                let shim = session.phase.process().unwrap().shim_pid.unwrap();
                let shim = Pid::from_raw(shim.cast_signed()).unwrap();
                kill_process(shim, Signal::KILL).unwrap();
                has_come_to(&world, &id, &[(1, Some(0))], &[]).await;
            } else {
                comes_to(&world, &id, &[(1, Some(0))], &[]).await;
            }
            let refused = type_in(&world, &id, 1).await;
            assert_eq!(refused, Err(Code::InputUndelivered));
        });
    }
}
