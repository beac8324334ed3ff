//! A launch of which nothing but that is on record, when its engine ends.

use std::fs;
use std::os::unix::fs::DirBuilderExt;

use coven_core::{Command, Draft, FailureCause, Place, Seq};
use coven_harness::process::boot_id;
use coven_store::Urgency;
use tokio::runtime::Runtime;

use super::shims;
use super::world::World;
use super::*;
use crate::commit::Plan;

/// Puts it on record, with a kill or without, and makes its folder, in which nothing is: it provably never ran.
async fn put_on_record(world: &World, id: &SessionId, is_killed: bool) {
    let shared = &world.engine.shared;
    let project = world.project().to_str().unwrap().to_owned();
    let draft = Draft::parse(&world.request("touch ran")).unwrap();
    let created = Event::Created {
        launch: Box::new(draft.at(Place::new(&project, &project).unwrap())),
        boot_id: Some(boot_id().unwrap().to_owned()),
    };
    let session = coven_core::Session::begin(id.clone(), &created).unwrap();
    let created = NewEvent {
        at: shared.clock.now(),
        actor: None,
        event: created,
    };
    let batch = Batch {
        session: id.clone(),
        events: vec![created],
        after: Some(Seq::ZERO),
        urgency: Urgency::Control,
    };
    shared.store.append(batch).await.unwrap();
    if is_killed {
        let mut plan = Plan::of(&session);
        plan.add(Command::Kill, shared.clock.now(), None).unwrap();
        let batch = plan.batch(None, Urgency::Control);
        shared.store.append(batch).await.unwrap();
    }
    let mut folder = fs::DirBuilder::new();
    let folder = folder.mode(0o700).recursive(true);
    folder.create(shared.spools.folder(id)).unwrap();
}

#[test]
fn a_launch_that_was_killed_before_it_ran_was_killed_and_not_lost_with_its_engine() {
    let runtime = Runtime::new().unwrap();
    let hosted = World::with(|options| options.hosting = shims::hosting());
    let world = runtime.block_on(hosted);
    let ids = ["killed", "interrupted"].map(|id| SessionId::parse(id).unwrap());
    for (id, is_killed) in ids.iter().zip([true, false]) {
        runtime.block_on(put_on_record(&world, id, is_killed));
    }
    let (runtime, world) = shims::next(shims::die(runtime, world));
    let told = ids.map(|id| {
        let events = runtime.block_on(world.to_the_end(&id));
        let told = events
            .into_iter()
            .find_map(|envelope| match envelope.event {
                Event::LaunchFailed { reason, cause } => Some((reason, cause)),
                _ => None,
            });
        told.unwrap()
    });
    let called_off = "it was killed before it ran".to_owned();
    let interrupted = "it was being started when its daemon ended".to_owned();
    let expected = [
        (called_off, FailureCause::Launch),
        (interrupted, FailureCause::EngineDied),
    ];
    assert_eq!(told, expected);
    assert!(!world.path("ran").exists());
}
