//! Shims that do not say what became of a launch: they stand still, or their folder is out of reach.

use std::fs;
use std::process::ExitCode;

use coven::environment::Environment;
use coven::shim::{Program, Waypoint};
use coven::{Archived, Error, Hosting, LaunchRequest, OrphanReason, Page, Phase, Record, Shims};
use rustix::process::{Signal, getpid, kill_process};

use crate::table::{Leads, MayHaveRun, Way};
use crate::world::{World, me, within};
use crate::{dying, found, next, nothing_is_left, runs};

const AWAY: &str = "a_session_whose_start_is_not_on_record_is_looked_for_while_its_folder_is_away";
const KILLED: &str = "a_kill_ends_a_session_whose_start_is_not_on_record_and_whose_folder_is_away";
const STOPPED: &str =
    "whoever_launches_is_told_of_a_shim_that_stands_still_and_a_kill_ends_its_session";

pub(crate) const NAMES: [&str; 3] = [AWAY, KILLED, STOPPED];

/// In the environment of a shim that stands still once its agent runs, before it says so.
const STANDS_STILL: &str = "STANDS_STILL";

/// Is a shim, if this program was started as one.
pub(crate) fn shim() -> Option<ExitCode> {
    coven::shim::run_if_invoked_with(&|point| {
        if point == Waypoint::Spawned && std::env::var_os(STANDS_STILL).is_some() {
            kill_process(getpid(), Signal::STOP).expect("it may do that to itself");
        }
    })
}

pub(crate) async fn all() {
    tokio::join!(
        a_session_whose_start_is_not_on_record_is_looked_for_while_its_folder_is_away(),
        a_kill_ends_a_session_whose_start_is_not_on_record_and_whose_folder_is_away(),
        whoever_launches_is_told_of_a_shim_that_stands_still_and_a_kill_ends_its_session()
    );
}

async fn a_session_whose_start_is_not_on_record_is_looked_for_while_its_folder_is_away() {
    let (dir, _) = dying::engine(Way::Shim, Some("ProcessMade"));
    let (spools, away) = (dir.path().join("home/spools"), dir.path().join("away"));
    fs::rename(&spools, &away).expect("it is moved");
    let world = next(dir, Way::Shim).await.expect("a home");
    fs::rename(&away, &spools).expect("it is moved back");
    found(&world, Way::Shim, Leads::On)
        .await
        .expect("it goes on");
    within(world.engine.shutdown()).await;
    println!("test {AWAY} ... ok");
}

async fn a_kill_ends_a_session_whose_start_is_not_on_record_and_whose_folder_is_away() {
    let (dir, _) = dying::engine(Way::Shim, Some("ProcessMade"));
    let (spools, away) = (dir.path().join("home/spools"), dir.path().join("away"));
    fs::rename(&spools, &away).expect("it is moved");
    let world = next(dir, Way::Shim).await.expect("a home");
    let record = only(&world).await;
    assert_eq!(record.session.phase, Phase::Created);
    world
        .engine
        .kill(&record.session.id, me())
        .await
        .expect("it is killed");
    world.to_the_end_of_what_is_left(&record.session.id).await;
    let leads = Leads::Lost(OrphanReason::LaunchInterrupted, MayHaveRun::Perhaps);
    found(&world, Way::Shim, leads)
        .await
        .expect("nothing is left");
    within(world.engine.shutdown()).await;
    println!("test {KILLED} ... ok");
}

async fn only(world: &World) -> Record {
    let all = Page {
        before: None,
        limit: 1,
        archived: Archived::Included,
    };
    let listed = within(world.engine.list(all)).await.expect("a list");
    listed.records.into_iter().next().expect("one")
}

async fn whoever_launches_is_told_of_a_shim_that_stands_still_and_a_kill_ends_its_session() {
    let mut program = Program::this();
    let told = (STANDS_STILL.to_owned(), "1".to_owned());
    program.environment = Environment::from_iter(dying::own_mark().into_iter().chain([told]));
    let world = World::with(|options| options.hosting = Hosting::Shims(Shims::of(program))).await;
    let request = LaunchRequest {
        // The session's id comes of it, and another run's is not to be ended.
        idempotency_key: Some(world.dir.path().display().to_string()),
        ..world.request("echo ran >> ran; exec tail -f /dev/null")
    };
    let first = within(world.engine.launch(request.clone(), me()));
    let again = within(world.engine.launch(request, me()));
    let (first, again) = tokio::join!(first, again);
    let (told, made) = match (first, again) {
        (Err(told), Ok(made)) | (Ok(made), Err(told)) => (told, made),
        both => panic!("{both:?}"),
    };
    let id = &made.session.id;
    assert!(matches!(&told, Error::LaunchFailed { session, .. } if session == id));
    assert!(told.to_string().contains("may run"), "{told}");
    assert_eq!(made.session.phase, Phase::Created);
    world.engine.kill(id, me()).await.expect("it is killed");
    world.to_the_end_of_what_is_left(id).await;
    nothing_is_left(&world, id).await.expect("nothing is left");
    assert!(runs(&world) <= 1);
    within(world.engine.shutdown()).await;
    println!("test {STOPPED} ... ok");
}
