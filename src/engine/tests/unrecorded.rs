//! A session of which the log takes nothing more, while a shim holds it.

use coven_core::{Command, OrphanReason};
use coven_harness::process::is_running;
use coven_harness::shim::{self, Found};
use coven_store::Urgency;

use super::shims;
use super::world::{World, me, within};
use super::*;
use crate::commit::Plan;

/// What a kill says that comes when it is known that nothing can be recorded. Nothing tells of that: it is asked
/// again, as people do.
async fn said_of_a_kill(engine: &Engine, id: &SessionId) -> String {
    loop {
        match engine.kill(id, me()).await {
            Err(Error::KillFailed { message, .. }) => return message,
            Ok(()) | Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_lives_on_until_a_kill_ends_it_and_says_what_is_not_on_record() {
    let world = World::with(|options| options.hosting = shims::hosting()).await;
    let script = "echo ready; until [ -e go ]; do sleep .01; done; echo more; read x";
    let id = world.launch_id(script).await;
    world.until(&id, "ready").await;
    let shared = &world.engine.shared;
    let session = world.engine.get(&id).await.unwrap().session;

    // What nothing that happens to it can follow.
    let mut plan = Plan::of(&session);
    let lost = Command::RecordLoss {
        reason: OrphanReason::EngineDied,
    };
    plan.add(lost, shared.clock.now(), None).unwrap();
    let lost = plan.batch(None, Urgency::Control);
    shared.store.append(lost).await.unwrap();
    std::fs::write(world.path("go"), "").unwrap();

    let said = within(said_of_a_kill(&world.engine, &id)).await;
    let ended = "all of it was ended, and that cannot be put on record: ";
    assert!(said.starts_with(ended), "{said}");
    assert!(!is_running(session.phase.process().unwrap()));
    let folder = shared.spools.folder(&id);
    // Its shim was just signalled.
    let left = within(async {
        loop {
            match shim::look(&folder).unwrap() {
                Found::Dead(left) => return left,
                Found::Alive | Found::Starting => tokio::task::yield_now().await,
            }
        }
    });
    let left = left.await.summary().unwrap();
    assert!(left.exited.is_some() && left.output_closed.is_some());
    within(world.engine.shutdown()).await;
}
