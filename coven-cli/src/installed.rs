//! Whether a harness's program is installed, as a launch from here will see it.

use std::path::PathBuf;

use coven::environment::lookup;
use coven_http::wire::Harness;

/// The harnesses with `available` and `path` as they are on *our* PATH: a launch from here brings
/// our environment, and the daemon may have been started with another.
pub(crate) fn looked_up_here(harnesses: Vec<Harness>) -> Vec<Harness> {
    harnesses
        .into_iter()
        .map(|harness| {
            let path = find(&harness.executable);
            Harness {
                available: path.is_some(),
                path: path.map(|path| path.display().to_string()),
                ..harness
            }
        })
        .collect()
}

/// Where a program is: on our PATH, or itself when it is an absolute path.
pub(crate) fn find(executable: &str) -> Option<PathBuf> {
    lookup(executable, &std::env::var_os("PATH").unwrap_or_default())
}
