mod bookmarks;
mod called_off;
mod hidden;
mod leaving;
mod shims;
mod unread;
mod unrecorded;
mod waiting;
#[path = "../../tests/world/mod.rs"]
mod world;

use coven_core::{Event, OrphanReason, OutputEnd, Phase};
use coven_store::{Batch, NewEvent, Urgency};
use world::{World, is_alive, me, within};

use super::*;
use crate::{AttachView, Follow, FollowAll};

#[test]
fn an_engine_and_its_followers_go_wherever_a_program_wants_them() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn sent<T: Send + 'static>() {}
    shared::<Engine>();
    sent::<Follow>();
    sent::<FollowAll>();
    sent::<AttachView>();
}

#[tokio::test]
async fn a_session_that_the_log_takes_nothing_more_of_is_ended_and_lost_at_once() {
    let world = World::new().await;
    let script = "echo $$; until test -e go; do sleep 0.01; done; echo more; exec sleep 1000";
    let id = world.launch_id(script).await;
    let said = world.until(&id, "\n").await;
    let pid = said.trim_end().parse().unwrap();
    // Behind its task's back, the log comes to say what its next output contradicts.
    let shared = &world.engine.shared;
    let over = NewEvent {
        at: shared.clock.now(),
        actor: None,
        event: Event::OutputClosed {
            end: OutputEnd::Complete,
        },
    };
    let behind = Batch {
        session: id.clone(),
        events: vec![over],
        after: None,
        urgency: Urgency::Control,
    };
    within(shared.store.append(behind)).await.unwrap();
    std::fs::write(world.path("go"), "").unwrap();
    world
        .until_event(&id, |event| matches!(event, Event::Orphaned { .. }))
        .await;
    let reason = OrphanReason::EngineDied;
    let record = world.engine.get(&id).await.unwrap();
    assert_eq!(record.session.phase, Phase::Orphaned { reason });
    assert!(!is_alive(pid));
    let refused = within(world.engine.kill(&id, me())).await.unwrap_err();
    assert_eq!(refused.code(), crate::Code::SessionNotLive);
}
