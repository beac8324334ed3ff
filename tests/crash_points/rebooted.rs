//! Whether a launch of which nothing is left may have run is told by the boot that it is of. Had the machine gone down
//! since, that may have taken away what its shim made.

use std::fs;
use std::future::Future;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use coven::clock::{Clock, SystemClock};
use coven::store::{self, Batch, NewEvent, Store, Urgency};
use coven::{Engine, Event, OrphanReason, Seq, SessionId, Timestamp};
use coven_core::{Draft, Place};

use crate::table::{Leads, MayHaveRun, Way};
use crate::world::{World, within};
use crate::{dying, found, next};

const ANOTHER: &str =
    "a_launch_of_another_boot_or_of_one_that_is_not_on_record_is_not_told_to_have_never_run";
const SET: &str = "a_clock_that_was_set_changes_nothing_of_what_is_proven_of_a_launch";

pub(crate) const NAMES: [&str; 2] = [ANOTHER, SET];

pub(crate) async fn all() {
    a_launch_of_another_boot_or_of_one_that_is_not_on_record_is_not_told_to_have_never_run().await;
    a_clock_that_was_set_changes_nothing_of_what_is_proven_of_a_launch().await;
}

async fn a_launch_of_another_boot_or_of_one_that_is_not_on_record_is_not_told_to_have_never_run() {
    let this = coven::harness::process::boot_id().expect("it has one");
    let unknown = Leads::Lost(OrphanReason::LaunchInterrupted, MayHaveRun::Never);
    for (boot_id, leads) in [
        (Some("3e6b0d0c-8a52-4b0f-9d5e-2f1f6f0c7a11"), unknown),
        (None, unknown),
        (Some(this), Leads::NeverRan),
    ] {
        let (dir, _) = dying::engine(Way::Shim, Some("PlaceChecked"));
        put_on_record(dir.path(), boot_id).await;
        let world = next(dir, Way::Shim).await.expect("a home");
        found(&world, Way::Shim, leads)
            .await
            .unwrap_or_else(|found| panic!("{boot_id:?}: {found}"));
        within(world.engine.shutdown()).await;
    }
    println!("test {ANOTHER} ... ok");
}

/// A launch on record, whose shim has a folder, and made nothing in it.
async fn put_on_record(dir: &Path, boot_id: Option<&str>) {
    let home = dir.join("home");
    let project = dir.join("project").to_str().expect("text").to_owned();
    let draft = Draft::parse(&dying::request(dir, Way::Shim)).expect("a launch");
    let launch = draft.at(Place::new(&project, &project).expect("a place"));
    let session = uuid::Uuid::now_v7().to_string();
    let store = Store::open(&home.join("coven.redb"), store::Options::default()).expect("a log");
    let created = NewEvent {
        at: SystemClock::new().now(),
        actor: None,
        event: Event::Created {
            launch: Box::new(launch),
            boot_id: boot_id.map(str::to_owned),
        },
    };
    let batch = Batch {
        session: SessionId::parse(&session).expect("an id"),
        events: vec![created],
        after: Some(Seq::ZERO),
        urgency: Urgency::Control,
    };
    store.append(batch).await.expect("it is new");
    store.close().await;
    let mut folder = fs::DirBuilder::new();
    let folder = folder.mode(0o700).recursive(true);
    folder
        .create(home.join("spools").join(session))
        .expect("a folder");
}

/// So many years from now.
#[derive(Debug)]
struct Set(SystemClock, i64);

impl Clock for Set {
    fn now(&self) -> Timestamp {
        const YEAR: i64 = 365 * 24 * 3600 * 1_000_000_000;
        Timestamp::from_nanos(self.0.now().as_nanos() + self.1 * YEAR)
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep_until(&self, moment: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.sleep_until(moment)
    }
}

async fn a_clock_that_was_set_changes_nothing_of_what_is_proven_of_a_launch() {
    for years in [100, -50] {
        let (dir, _) = dying::engine(Way::Shim, Some("ShimStarted"));
        let mut options = dying::options(dir.path(), Way::Shim);
        options.clock = Arc::new(Set(SystemClock::new(), years));
        let engine = Engine::open(options).await.expect("a home");
        let world = World { engine, dir };
        found(&world, Way::Shim, Leads::NeverRan)
            .await
            .unwrap_or_else(|found| panic!("{years} years: {found}"));
        within(world.engine.shutdown()).await;
    }
    println!("test {SET} ... ok");
}
