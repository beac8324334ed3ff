//! A session of which the log takes nothing more, while a shim holds it.

use coven_core::{Command, OrphanReason, TermSize};
use coven_harness::process::is_running;
use coven_harness::shim::{self, Found};
use coven_store::Urgency;

use super::shims;
use super::world::{World, me, within};
use super::*;
use crate::commit::Plan;

/// Why nothing can be recorded: what was observed first.
const UNRECORDED: &str = "Output cannot follow in phase Orphaned";

/// Why what is asked before that is known cannot.
const NOT_RESIZED: &str = "Resized cannot follow in phase Orphaned";

/// Waits until it is known that nothing can be recorded, which is then said of all that is asked but a kill. Nothing
/// else tells of that: it is asked again.
async fn until_nothing_is_recorded(engine: &Engine, id: &SessionId) {
    let size = TermSize::parse(100, 40).unwrap();
    loop {
        match engine.resize(id, size, me()).await {
            Err(Error::Internal { message }) if message == UNRECORDED => return,
            Err(Error::Internal { message }) if message == NOT_RESIZED => {
                tokio::task::yield_now().await;
            }
            other => panic!("{other:?}"),
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

    within(until_nothing_is_recorded(&world.engine, &id)).await;
    assert!(is_running(session.phase.process().unwrap()));
    let said = format!("all of it was ended, and that cannot be put on record: {UNRECORDED}");
    // Whoever asks again is told the same.
    for _ in 0..2 {
        match within(world.engine.kill(&id, me())).await {
            Err(Error::KillFailed { session, message }) => {
                assert_eq!((session, message), (id.clone(), said.clone()));
            }
            other => panic!("{other:?}"),
        }
    }
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
    let left = left.await.records().unwrap();
    let left: Vec<_> = left.map(|recorded| recorded.unwrap().record).collect();
    let has_exited = |record: &_| matches!(record, shim::Record::Exited { .. });
    let is_closed = |record: &_| matches!(record, shim::Record::OutputClosed { .. });
    assert!(left.iter().any(has_exited) && left.iter().any(is_closed));
    within(world.engine.shutdown()).await;
}
