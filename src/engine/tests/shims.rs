//! Shims for tests of the engine: a program of their own, since the test program is none.

use std::process::Command;
use std::sync::Once;

use coven_harness::shim::Program;

use super::world::leftovers;
use crate::{Hosting, Shims};

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
