//! The program that shims are, for tests whose own program is none: an example of coven-harness.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Once;

/// It, built: one that is there may be an older one.
pub(crate) fn path() -> PathBuf {
    static BUILT: Once = Once::new();
    let test = std::env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap();
    BUILT.call_once(|| {
        let mut build = Command::new(env!("CARGO"));
        let example = ["-p", "coven-harness", "--example", "embedded_shim"];
        build.args(["build", "--quiet"]).args(example);
        assert!(build.status().unwrap().success());
    });
    built.join("examples/embedded_shim")
}
