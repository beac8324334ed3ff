//! Of a launch from before the machine went down, of which nothing is left, nobody knows whether it ran:
//! that may have taken away what its shim made.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use coven::clock::{Clock, SystemClock};
use coven::{Engine, OrphanReason, Timestamp};

use crate::table::{Leads, MayHaveRun, Way};
use crate::world::{World, within};
use crate::{dying, found};

pub(crate) const NAME: &str =
    "a_launch_from_before_this_boot_is_not_told_to_have_never_run_though_nothing_is_left_of_it";

/// Years after its launch: the machine has not been up for so long.
#[derive(Debug)]
struct Later(SystemClock);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        const YEARS: i64 = 100 * 365 * 24 * 3600 * 1_000_000_000;
        Timestamp::from_nanos(self.0.now().as_nanos() + YEARS)
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep_until(&self, moment: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.sleep_until(moment)
    }
}

pub(crate) async fn a_launch_from_before_this_boot_is_not_told_to_have_never_run() {
    let (dir, _) = dying::engine(Way::Shim, Some("ShimStarted"));
    let mut options = dying::options(dir.path(), Way::Shim);
    options.clock = Arc::new(Later(SystemClock::new()));
    let engine = Engine::open(options).await.expect("a home");
    let world = World { engine, dir };
    let leads = Leads::Lost(OrphanReason::LaunchInterrupted, MayHaveRun::Never);
    found(&world, Way::Shim, leads).await.expect("it is lost");
    within(world.engine.shutdown()).await;
    println!("test {NAME} ... ok");
}
