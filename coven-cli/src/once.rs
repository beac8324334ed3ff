//! What is asked under a key, so that it is done once however often it is asked.

use std::time::UNIX_EPOCH;

/// A key for one thing that is asked: no other has it, of this process, at this time.
pub(crate) fn new_key(what: &str) -> String {
    let since = UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("coven-{what}-{}-{}", std::process::id(), since.as_nanos())
}
