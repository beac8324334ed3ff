//! What is asked under a key, so that it is done once however often it is asked.

use std::time::UNIX_EPOCH;

use coven_http::client::Error;

use crate::failure::Failure;

/// A key for one thing that is asked: no other has it, of this process, at this time.
pub(crate) fn new_key(what: &str) -> String {
    let since = UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("coven-{what}-{}-{}", std::process::id(), since.as_nanos())
}

/// Why what was asked under a key failed, as `told` says it. Where the connection broke it may have
/// been done or not; the next daemon is asked the same, and knows.
pub(crate) fn failure(error: Error, told: impl FnOnce(Error) -> Failure) -> Failure {
    let is_known = !matches!(error, Error::Broken { .. });
    let failure = told(error);
    if is_known { failure } else { failure.unheard() }
}
