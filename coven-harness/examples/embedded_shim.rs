//! The least that a program needs to hold sessions as a shim: one call, first thing in `main`.
//!
//! Tests use it as theirs. `until=WAYPOINT` among its arguments has it kill itself there, and
//! `stop=WAYPOINT` stop itself, as nothing else can be timed to; with `tell=SOCKET` it says there
//! where it is.

use std::os::unix::net::UnixDatagram;
use std::process::ExitCode;

use coven_harness::shim;
use rustix::process::{Signal, getpid, kill_process};

fn main() -> ExitCode {
    let asked = |what: &str| {
        std::env::args().find_map(|argument| Some(argument.strip_prefix(what)?.to_owned()))
    };
    let (until, stop, tell) = (asked("until="), asked("stop="), asked("tell="));
    let on_the_way = |waypoint| {
        let here = Some(format!("{waypoint:?}"));
        if let (Some(socket), Some(here)) = (&tell, &here) {
            let told = UnixDatagram::unbound().and_then(|told| {
                // Whoever asked may not listen any more, and is not waited for.
                told.set_nonblocking(true)?;
                told.send_to(here.as_bytes(), socket)
            });
            drop(told);
        }
        for (there, signal) in [(&until, Signal::KILL), (&stop, Signal::STOP)] {
            if *there == here {
                kill_process(getpid(), signal).expect("it may do that to itself");
            }
        }
    };
    // A program of its own would go on to its own business here.
    shim::run_if_invoked_with(&on_the_way).unwrap_or(ExitCode::FAILURE)
}
