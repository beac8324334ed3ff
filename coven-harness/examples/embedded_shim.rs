//! The least that a program needs to hold sessions as a shim: one call, first thing in `main`.
//!
//! Tests use it as theirs. `until=WAYPOINT` among its arguments has it kill itself there, as
//! nothing else can be timed to.

use std::process::ExitCode;

use coven_harness::shim;
use rustix::process::{Signal, getpid, kill_process};

fn main() -> ExitCode {
    let until =
        std::env::args().find_map(|argument| Some(argument.strip_prefix("until=")?.to_owned()));
    let on_the_way = |waypoint| {
        if until.as_deref() == Some(format!("{waypoint:?}").as_str()) {
            kill_process(getpid(), Signal::KILL).expect("it may kill itself");
        }
    };
    // A program of its own would go on to its own business here.
    shim::run_if_invoked_with(&on_the_way).unwrap_or(ExitCode::FAILURE)
}
