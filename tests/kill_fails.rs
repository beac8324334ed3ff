//! Kills that leave somebody: nothing is told dead, and the end is found all the same.

#[path = "shared/not_run.rs"]
mod not_run;
#[path = "shared/unkillable.rs"]
mod unkillable;
mod world;

use std::time::Duration;

use coven::{
    Code, Engine, Envelope, Error, Event, EventKind, InputId, Options, OrphanReason, Seq,
    SessionId, Status,
};
use tokio::runtime::Runtime;
use unkillable::Unkillable;
use world::{World, is_alive, kinds, me, options, within};

/// A session whose tool has survived a kill.
struct Survived {
    world: World,
    id: SessionId,
    tool: u32,
    said: String,
}

impl Survived {
    async fn kill(unkillable: &Unkillable) -> Self {
        let world = World::with(|options| options.grace = Duration::from_millis(100)).await;
        let id = world.launch_id(&unkillable.script()).await;
        let said = world.until(&id, "\n").await;
        let tool = said.trim().strip_prefix("tool ").unwrap().parse().unwrap();
        within(world.engine.kill(&id, me())).await.unwrap();
        let said = within(failure(&world.engine, &id)).await;
        Self {
            world,
            id,
            tool,
            said,
        }
    }
}

/// What a further kill says, once the first has failed. Nothing wakes for that: it is asked again,
/// as people do.
async fn failure(engine: &Engine, id: &SessionId) -> String {
    loop {
        let error = engine.kill(id, me()).await.unwrap_err();
        let record = engine.get(id).await.unwrap();
        assert_eq!(record.ended_at, None, "it is told dead");
        if let Error::KillFailed { message, .. } = error {
            return message;
        }
        assert_eq!(error.code(), Code::SessionNotLive);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_session_whose_tool_survives_a_kill_stays_dying_until_that_has_ended() {
    let name = "a_session_whose_tool_survives_a_kill_stays_dying_until_that_has_ended";
    let Some(unkillable) = Unkillable::of_its_own(name, &[]) else {
        return;
    };
    let survived = Survived::kill(&unkillable).await;
    let Survived {
        world, id, tool, ..
    } = survived;
    let named = format!("sh (process {tool})");
    assert!(survived.said.contains(&named), "{}", survived.said);
    assert!(is_alive(tool));
    let record = world.engine.get(&id).await.unwrap();
    assert_eq!(record.session.status(), Status::Killed);
    for refused in [
        world.engine.archive(&id, me()).await.map(drop),
        world.engine.delete(&id, me()).await,
    ] {
        assert_eq!(refused.unwrap_err().code(), Code::SessionLive);
    }
    unkillable.end();
    let events = world.to_the_end(&id).await;
    assert!(!is_alive(tool));
    let kinds = kinds(&events);
    assert_eq!(kinds.last(), Some(&EventKind::Exited));
    let kills = kinds.iter().filter(|of| **of == EventKind::KillRequested);
    assert_eq!(kills.count(), 1);
}

/// It is as the engine that dies leaves it: without a shim, and with an agent that minds no hangup.
#[test]
fn a_session_of_a_dead_engine_is_not_told_over_while_somebody_is_left_and_can_be_killed() {
    let name =
        "a_session_of_a_dead_engine_is_not_told_over_while_somebody_is_left_and_can_be_killed";
    let Some(unkillable) = Unkillable::of_its_own(name, &[]) else {
        return;
    };
    let impatient = |options: &mut Options| options.grace = Duration::from_millis(100);
    let first = Runtime::new().unwrap();
    let world = first.block_on(World::with(impatient));
    let ids = first.block_on(async {
        let script = unkillable.script_of_itself();
        let ids = [
            world.launch_id(&script).await,
            world.launch_id(&script).await,
        ];
        for id in &ids {
            world.until(id, "ready").await;
            let typed = world
                .engine
                .input(id, "typed".into(), Some(InputId([7; 16])), me());
            within(typed).await.unwrap();
        }
        ids
    });
    let World { engine, dir } = world;
    drop(engine);
    first.shutdown_timeout(Duration::from_secs(10));

    Runtime::new().unwrap().block_on(async {
        let mut options = options(dir.path());
        impatient(&mut options);
        let engine = within(Engine::open(options)).await.unwrap();
        let world = World { engine, dir };
        for id in &ids {
            let record = world.engine.get(id).await.unwrap();
            assert_eq!(
                (record.session.status(), record.ended_at),
                (Status::Running, None)
            );
        }
        let [lost, killed] = &ids;
        // Its terminal is gone, so nobody would read it.
        let typed = world.engine.input(lost, "more".into(), None, me());
        let refused = within(typed).await.unwrap_err();
        assert_eq!(refused.code(), Code::SessionNotLive);
        within(world.engine.kill(killed, me())).await.unwrap();
        let said = within(failure(&world.engine, killed)).await;
        assert!(said.starts_with("still there: sh"), "{said}");
        unkillable.end();
        unkillable.end();
        let reason = OrphanReason::EngineDied;
        // What became of what was typed nobody is left to know, so nothing is said of it.
        let is_untold = |events: &[Envelope]| !kinds(events).contains(&EventKind::Undelivered);
        let events = world.to_the_end(lost).await;
        assert_eq!(events.last().unwrap().event, Event::Orphaned { reason });
        assert!(is_untold(&events));
        let inputs = kinds(&events);
        let inputs = inputs.iter().filter(|kind| **kind == EventKind::Input);
        assert_eq!(inputs.count(), 1);
        let events = world.to_the_end(killed).await;
        assert_eq!(kinds(&events).last(), Some(&EventKind::Exited));
        assert!(is_untold(&events));
        let record = world.engine.get(killed).await.unwrap();
        assert_eq!(record.session.status(), Status::Killed);
    });
}

#[tokio::test]
async fn an_engine_that_is_shut_down_tells_a_session_lost_whose_tool_survives() {
    let name = "an_engine_that_is_shut_down_tells_a_session_lost_whose_tool_survives";
    let Some(unkillable) = Unkillable::of_its_own(name, &[]) else {
        return;
    };
    let Survived {
        world, id, tool, ..
    } = Survived::kill(&unkillable).await;
    within(world.engine.shutdown()).await;
    assert!(is_alive(tool));
    let engine = Engine::open(options(world.dir.path())).await.unwrap();
    let record = engine.get(&id).await.unwrap();
    assert_eq!(record.session.status(), Status::Orphaned);
    let mut events = engine.follow(&id, Seq::ZERO);
    while let Some(page) = within(events.next()).await.unwrap() {
        assert!(!kinds(&page).contains(&EventKind::Exited));
    }
}
