//! Shims for tests of the engine: a program of their own, since the test program is none.

use std::process::Command;
use std::sync::Once;

use std::time::Duration;

use coven_harness::shim::Program;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::world::{World, leftovers, options, within};
use crate::{Engine, Hosting, Shims};

/// Sessions in shims, which are the example of coven-harness. One that is there may be an older one.
pub(super) fn hosting() -> Hosting {
    static BUILT: Once = Once::new();
    let test = std::env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap();
    let path = built.join("examples/embedded_shim");
    BUILT.call_once(|| {
        let mut build = Command::new(env!("CARGO"));
        let example = ["-p", "coven-harness", "--example", "embedded_shim"];
        build.args(["build", "--quiet"]).args(example);
        assert!(build.status().unwrap().success());
    });
    Hosting::Shims(Shims::of(Program {
        path,
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
