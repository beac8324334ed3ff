//! Manifests: what is wrong with one is told by file, line and key, and harms no other.

mod files;
#[path = "../../../tests/shared/not_run.rs"]
mod not_run;
mod text;

use std::fs;
use std::path::Path;

use coven_core::HarnessId;
use coven_harness::Registry;

/// The smallest manifest there is.
const GOOD: &str = "\
id = \"mine\"
executable = \"my-agent\"
install_hint = \"make install\"
[interactive]
args = [\"--\", \"{prompt}\"]
";

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

fn holds(registry: &Registry, id: &str) -> bool {
    registry.get(&HarnessId::parse(id).unwrap()).is_some()
}
