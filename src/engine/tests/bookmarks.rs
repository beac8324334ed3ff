//! What the next engine need not hear again, and knows all the same.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use coven_core::{InputId, Seq};
use tokio::runtime::Runtime;

use super::shims;
use super::world::{World, me, within};
use super::*;
use crate::session_task::waits_in;
use crate::{Pruning, Retention};

/// More than a terminal holds for one who does not read.
const LARGE_BYTES: usize = 100_000;

/// More than comes between two bookmarks, and than a viewer is shown.
const MUCH_BYTES: usize = 1_200_000;

/// For which it is listened to until then.
const CONVERSATION: &str = "019a9f5e-1d6b-7c3e-8c1d-2f4b6a7c8d9e";

const LARGE: InputId = InputId([1; 16]);

/// It says its conversation's id, puts its terminal into a mode, and then, each once it is told to, writes much, reads what it is typed, and
/// writes much again.
async fn launched() -> (World, SessionId) {
    let world = World::with(|options| options.hosting = shims::hosting()).await;
    let script = format!(
        r"stty raw -echo; printf 'Shell agent\nconversation: {CONVERSATION}\n\033[?2004hready\n'; told() {{ until [ -e $1 ]; do sleep .01; done; }}
          told write; head -c {MUCH_BYTES} /dev/zero | tr '\0' x; echo written
          told read; head -c {LARGE_BYTES} >/dev/null; echo read
          told more; head -c {MUCH_BYTES} /dev/zero | tr '\0' y; echo more; exec cat"
    );
    let id = world.launch_in("interactive", &script).await;
    world.until(&id, "ready\n").await;
    (world, id)
}

async fn tell(world: &World, id: &SessionId, what: &str, says: &str) {
    fs::write(world.path(what), "").unwrap();
    world.until(id, says).await;
}

async fn type_large(world: &World, id: &SessionId) {
    let data = Bytes::from(vec![b'z'; LARGE_BYTES]);
    let typed = world.engine.input(id, data, Some(LARGE), me());
    within(typed).await.unwrap();
}

fn bookmark(world: &World, id: &SessionId) -> PathBuf {
    let spools = world.dir.path().join("home").join("spools");
    spools.join(id.as_str()).join("bookmark")
}

async fn until_bookmarked(world: &World, id: &SessionId) {
    let bookmark = bookmark(world, id);
    let there = async {
        while !bookmark.exists() {
            tokio::task::yield_now().await;
        }
    };
    within(there).await;
}

/// Where an input is on record.
async fn place(world: &World, id: &SessionId, name: InputId) -> Seq {
    let mut follow = world.engine.follow(id, Seq::ZERO);
    loop {
        let page = within(follow.next()).await.unwrap().unwrap();
        let is_it = |event: &Event| matches!(event, Event::Input { id, .. } if *id == Some(name));
        if let Some(found) = page.iter().find(|it| is_it(&it.event)) {
            return found.seq;
        }
    }
}

/// Has cat write this, ends the session, and counts the inputs of a name that are on record.
async fn count(world: &World, id: &SessionId, name: InputId) -> usize {
    world.input(id, "end").await.unwrap();
    world.until(id, "more\nend").await;
    within(world.engine.kill(id, me())).await.unwrap();
    let events = world.to_the_end(id).await;
    assert!(
        !events
            .iter()
            .any(|it| matches!(it.event, Event::Undelivered { .. }))
    );
    let is_it = |event: &Event| matches!(event, Event::Input { id, .. } if *id == Some(name));
    events.iter().filter(|it| is_it(&it.event)).count()
}

#[test]
fn what_waits_before_one_is_in_it_and_is_typed_once() {
    let runtime = Runtime::new().unwrap();
    let (world, id) = runtime.block_on(async {
        let (world, id) = launched().await;
        type_large(&world, &id).await;
        tell(&world, &id, "write", "written\n").await;
        until_bookmarked(&world, &id).await;
        let place = place(&world, &id, LARGE).await;
        let folder = bookmark(&world, &id).with_file_name("");
        assert_eq!(waits_in(&folder), [(LARGE, (place, place))]);
        (world, id)
    });
    let (runtime, world) = shims::next(shims::die(runtime, world));
    runtime.block_on(async {
        tell(&world, &id, "read", "read\n").await;
        tell(&world, &id, "more", "more\n").await;
        assert_eq!(count(&world, &id, LARGE).await, 1);
        let folder = bookmark(&world, &id).with_file_name("");
        let gone = async {
            while folder.exists() {
                tokio::task::yield_now().await;
            }
        };
        within(gone).await;
    });
}

#[test]
fn the_modes_that_were_set_in_what_was_trimmed_are_known_to_the_next_engine() {
    let runtime = Runtime::new().unwrap();
    let (world, id) = runtime.block_on(async {
        let (world, id) = launched().await;
        let nothing = Retention {
            session_bytes: Some(0),
            ..Retention::default()
        };
        within(world.engine.prune(Some(nothing), Pruning::Real, me()))
            .await
            .unwrap();
        until_bookmarked(&world, &id).await;
        (world, id)
    });
    let (runtime, world) = shims::next(shims::die(runtime, world));
    runtime.block_on(async {
        let view = within(world.engine.attach_view(&id)).await.unwrap();
        assert_eq!(&view.restore[..], b"\x1b[?2004h");
        within(world.engine.kill(&id, me())).await.unwrap();
        world.to_the_end_of_what_is_left(&id).await;
    });
}

#[test]
fn what_came_before_one_is_known_to_the_next_engine() {
    let runtime = Runtime::new().unwrap();
    let (world, id) = runtime.block_on(async {
        let (world, id) = launched().await;
        type_large(&world, &id).await;
        tell(&world, &id, "write", "written\n").await;
        tell(&world, &id, "read", "read\n").await;
        tell(&world, &id, "more", "more\n").await;
        until_bookmarked(&world, &id).await;
        (world, id)
    });
    let (runtime, world) = shims::next(shims::die(runtime, world));
    runtime.block_on(async {
        // Whoever looks before all is heard waits for that.
        let view = within(world.engine.attach_view(&id)).await.unwrap();
        assert!(String::from_utf8_lossy(&view.restore).contains("\x1b[?2004h"));
        // Asked for again, it is on record already.
        type_large(&world, &id).await;
        assert_eq!(count(&world, &id, LARGE).await, 1);
    });
}
