//! Shims that stand still when all they had is on record: nobody needs them, and none is left for ever.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use coven::{Engine, OnTheWay, Options, SessionId, Waypoint};
use rustix::process::{Pid, Signal, kill_process};

use crate::table::{Leads, Way};
use crate::world::{World, me, within};
use crate::{dying, look, nothing_is_left};

const OWN: &str = "an_engine_ends_a_shim_that_does_not_end_when_all_it_had_is_on_record";
const NEXT: &str = "the_next_engine_ends_a_shim_that_does_not_end_when_all_it_had_is_on_record";

pub(crate) const NAMES: [&str; 2] = [OWN, NEXT];

pub(crate) async fn all() {
    tokio::join!(
        an_engine_ends_a_shim_that_does_not_end_when_all_it_had_is_on_record(),
        the_next_engine_ends_a_shim_that_does_not_end_when_all_it_had_is_on_record(),
    );
}

async fn an_engine_ends_a_shim_that_does_not_end_when_all_it_had_is_on_record() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("project")).expect("a project");
    let session = Arc::new(OnceLock::<SessionId>::new());
    let of = Arc::clone(&session);
    let on_the_way = OnTheWay::call(move |waypoint| {
        if *waypoint == Waypoint::EndRecorded {
            stop_shim(of.get().expect("it was launched"));
        }
    });
    let options = Options {
        on_the_way,
        ..dying::options(dir.path(), Way::Shim)
    };
    let engine = Engine::open(options).await.expect("a home");
    let world = World { engine, dir };
    let request = dying::request(world.dir.path(), Way::Shim);
    let launched = within(world.engine.launch(request, me())).await;
    let id = launched.expect("it runs").session.id.clone();
    session.set(id.clone()).expect("it is the only one");
    dying::go(&world.engine, world.dir.path(), Way::Shim, &id)
        .await
        .expect("it takes that");
    world.to_the_end(&id).await;
    nothing_is_left(&world, &id).await.expect("nothing is left");
    within(world.engine.shutdown()).await;
    println!("test {OWN} ... ok");
}

async fn the_next_engine_ends_a_shim_that_does_not_end_when_all_it_had_is_on_record() {
    let (dir, _) = dying::engine(Way::Shim, Some("EndRecorded"));
    stop_shim(&only_spool(dir.path()));
    look(dir, Way::Shim, Leads::Ended)
        .await
        .expect("nothing is left");
    println!("test {NEXT} ... ok");
}

/// The session that has a spool.
fn only_spool(dir: &Path) -> SessionId {
    let mut spools = std::fs::read_dir(dir.join("home/spools")).expect("spools");
    let name = spools.next().expect("one").expect("a folder").file_name();
    SessionId::parse(name.to_str().expect("text")).expect("an id")
}

/// Has the session's shim stand still; it does when this returns.
fn stop_shim(id: &SessionId) {
    let shims = dying::shims_of(id);
    assert_eq!(shims.len(), 1);
    for pid in shims {
        let shim = Pid::from_raw(pid).expect("a process");
        kill_process(shim, Signal::STOP).expect("it lives");
        let stands_still = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.expect("it lives").contains(") T ")
        };
        while !stands_still() {
            std::thread::yield_now();
        }
    }
}
