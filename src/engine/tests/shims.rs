//! Shims for tests of the engine: a program of their own, since the test program is none.

#[path = "../../../tests/shared/embedded_shim.rs"]
mod embedded_shim;

use std::time::Duration;

use coven_harness::shim::Program;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::world::{World, leftovers, options, within};
use crate::{Engine, Hosting, Shims};

/// Sessions in shims.
pub(super) fn hosting() -> Hosting {
    Hosting::Shims(Shims::of(Program {
        path: embedded_shim::path(),
        args: Vec::new(),
        environment: [leftovers::mark()].into_iter().collect(),
    }))
}

/// Ends an engine without a word: its runtime is gone, and with it all that it did.
pub(super) fn die(runtime: Runtime, world: World) -> TempDir {
    let World { engine, dir } = world;
    drop(engine);
    runtime.shutdown_timeout(Duration::from_secs(10));
    dir
}

/// The next engine of a home, which takes its sessions over.
pub(super) fn next(dir: TempDir) -> (Runtime, World) {
    let runtime = Runtime::new().unwrap();
    let engine = runtime.block_on(async {
        let mut options = options(dir.path());
        options.hosting = hosting();
        within(Engine::open(options)).await.unwrap()
    });
    (runtime, World { engine, dir })
}
