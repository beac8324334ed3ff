//! The one rule for a test that a machine cannot run. Included by path: every crate has such tests.

use std::fmt::Display;
use std::io::Write;

/// Says that the test which returns now was not run, and why. Where `CI` is `true` it fails
/// instead: what is skipped there proves nothing.
#[track_caller]
pub(crate) fn not_run(why: impl Display) {
    let message = format!("NOT run: {why}");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
    // libtest keeps what `eprintln!` prints to itself. Nothing is lost if standard error is
    // closed: the outcome is the test's.
    let _ = writeln!(std::io::stderr(), "{message}");
}
