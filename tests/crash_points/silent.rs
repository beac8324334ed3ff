//! Shims that do not say what became of a launch: they stand still, or their folder is out of reach.

use std::fs;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use coven::clock::{Clock, SystemClock};
use coven::environment::Environment;
use coven::shim::{Program, Waypoint};
use coven::{
    Archived, Error, Hosting, LaunchRequest, OrphanReason, Page, Phase, Record, Refusal, Shims,
    Timestamp,
};
use rustix::process::{Signal, getpid, kill_process};
use tokio::runtime::Builder;

use crate::table::{Leads, MayHaveRun, Way};
use crate::world::{World, me, within};
use crate::{dying, found, next, nothing_is_left, runs};

const AWAY: &str = "a_session_whose_start_is_not_on_record_is_looked_for_while_its_folder_is_away";
const KILLED: &str = "a_kill_ends_a_session_whose_start_is_not_on_record_and_whose_folder_is_away";
const STOPPED: &str =
    "whoever_launches_is_told_of_a_shim_that_stands_still_and_a_kill_ends_its_session";

const NEVER_TELLS: &str =
    "a_kill_whose_shim_never_tells_the_end_fails_and_says_what_is_known_until_that_shim_is_ended";

const MANY: &str = "launches_whose_shims_say_nothing_hold_no_thread_that_others_wait_for";

pub(crate) const NAMES: [&str; 5] = [AWAY, KILLED, STOPPED, NEVER_TELLS, MANY];

/// In the environment of a shim that stands still once its agent runs, before it says so.
const STANDS_STILL: &str = "STANDS_STILL";

/// In the environment of a shim that stays where it is once it sees that its agent has ended.
const NEVER_TELLS_THE_END: &str = "NEVER_TELLS_THE_END";

/// Is a shim, if this program was started as one.
pub(crate) fn shim() -> Option<ExitCode> {
    coven::shim::run_if_invoked_with(&|point| {
        if point == Waypoint::Spawned && std::env::var_os(STANDS_STILL).is_some() {
            kill_process(getpid(), Signal::STOP).expect("it may do that to itself");
        }
        if point == Waypoint::ExitSeen && std::env::var_os(NEVER_TELLS_THE_END).is_some() {
            loop {
                std::thread::park();
            }
        }
    })
}

pub(crate) async fn all() {
    tokio::join!(
        a_session_whose_start_is_not_on_record_is_looked_for_while_its_folder_is_away(),
        a_kill_ends_a_session_whose_start_is_not_on_record_and_whose_folder_is_away(),
        whoever_launches_is_told_of_a_shim_that_stands_still_and_a_kill_ends_its_session(),
        a_kill_whose_shim_never_tells_the_end_fails_and_says_what_is_known_until_that_shim_is_ended(
        ),
        launches_whose_shims_say_nothing_hold_no_thread_that_others_wait_for()
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
    let world = of_shims_that(STANDS_STILL, Arc::new(SystemClock::new())).await;
    let request = keyed(&world, "one");
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

async fn launches_whose_shims_say_nothing_hold_no_thread_that_others_wait_for() {
    let with_one_thread_that_may_block = || {
        let mut runtime = Builder::new_multi_thread();
        let runtime = runtime.enable_all().max_blocking_threads(1).build();
        runtime.expect("a runtime").block_on(launch_in_silence());
    };
    let held = tokio::task::spawn_blocking(with_one_thread_that_may_block);
    held.await.expect("it holds");
    println!("test {MANY} ... ok");
}

async fn launch_in_silence() {
    let world = of_shims_that(STANDS_STILL, Arc::new(SystemClock::new())).await;
    let launched = ["one", "two"].map(|key| {
        let (engine, request) = (world.engine.clone(), keyed(&world, key));
        tokio::spawn(async move { engine.launch(request, me()).await })
    });
    let all = || Page {
        before: None,
        limit: 2,
        archived: Archived::Included,
    };
    let records = within(async {
        loop {
            let listed = world.engine.list(all()).await.expect("a list");
            let stands_still = |record: &Record| {
                dying::shims_of(&record.session.id)
                    .into_iter()
                    .any(is_stopped)
            };
            if listed
                .records
                .iter()
                .filter(|record| stands_still(record))
                .count()
                == 2
            {
                return listed.records;
            }
        }
    })
    .await;
    for record in records {
        let id = &record.session.id;
        world.engine.kill(id, me()).await.expect("it is killed");
        world.to_the_end_of_what_is_left(id).await;
    }
    for launched in launched {
        // A shim that a kill had go on may have said that it runs.
        let _ = within(launched).await.expect("no panic");
    }
    within(world.engine.shutdown()).await;
}

fn is_stopped(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| stat.contains(") T "))
}

/// One whose shims are told this word.
async fn of_shims_that(word: &str, clock: Arc<dyn Clock>) -> World {
    let mut program = Program::this();
    let told = (word.to_owned(), "1".to_owned());
    program.environment = Environment::from_iter(dying::own_mark().into_iter().chain([told]));
    World::with(|options| {
        options.hosting = Hosting::Shims(Shims::of(program));
        options.clock = clock;
    })
    .await
}

/// The system's clock, but for what is waited for: that comes so many times as soon.
#[derive(Debug)]
struct Hurried(SystemClock);

const TIMES: u32 = 20;

impl Clock for Hurried {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed() * TIMES
    }

    fn sleep_until(&self, moment: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.sleep_until(moment / TIMES)
    }
}

async fn a_kill_whose_shim_never_tells_the_end_fails_and_says_what_is_known_until_that_shim_is_ended()
 {
    let clock = Arc::new(Hurried(SystemClock::new()));
    let world = of_shims_that(NEVER_TELLS_THE_END, clock).await;
    let launched = within(world.engine.launch(keyed(&world, "one"), me())).await;
    let id = launched.expect("it runs").session.id.clone();
    let engine = &world.engine;
    within(engine.kill(&id, me())).await.expect("it is killed");
    let failed = within(async {
        loop {
            match engine.kill(&id, me()).await {
                Err(Error::Refused(Refusal::NotLive { .. })) => tokio::task::yield_now().await,
                told => return told,
            }
        }
    });
    let Err(Error::KillFailed { message, .. }) = failed.await else {
        panic!("the shim tells nothing");
    };
    let [shim] = dying::shims_of(&id)[..] else {
        panic!("one shim is left");
    };
    assert!(message.contains("all its processes are dead"), "{message}");
    assert!(
        message.contains(&format!("`kill -KILL {shim}`")),
        "{message}"
    );
    let record = within(engine.get(&id)).await.expect("it is there");
    assert!(
        matches!(record.session.phase, Phase::Dying { .. }),
        "{record:?}"
    );
    let shim = rustix::process::Pid::from_raw(shim).expect("it is one");
    kill_process(shim, Signal::KILL).expect("it lives");
    world.to_the_end_of_what_is_left(&id).await;
    nothing_is_left(&world, &id).await.expect("nothing is left");
    let record = within(engine.get(&id)).await.expect("it is there");
    assert!(
        matches!(record.session.phase, Phase::Ended { .. }),
        "{record:?}"
    );
    within(engine.shutdown()).await;
    println!("test {NEVER_TELLS} ... ok");
}

fn keyed(world: &World, key: &str) -> LaunchRequest {
    LaunchRequest {
        // The session's id comes of it, and another run's is not to be ended.
        idempotency_key: Some(format!("{}-{key}", world.dir.path().display())),
        ..world.request("echo ran >> ran; exec tail -f /dev/null")
    }
}
