//! The shim: one small process per session that owns its terminal, or its three pipes, and waits
//! for its end, so that the session outlives the engine.
//!
//! Everything that happens is a record, written to the session's spool before anybody is told of
//! it, and kept there until an engine has it on record itself. An engine that is new asks for the
//! records from where its own log ends, and goes on as if it had been there.
//!
//! The shim is the same program as the engine's, started with [`WORD`] as its first argument: an
//! embedding program calls [`run_if_invoked`] first thing in its `main`.

mod client;
mod folder;
pub mod frame;
mod host;
pub mod protocol;
mod spool;

use std::process::ExitCode;

pub use client::{
    AdoptError, Child, CloseError, Control, InputError, Launch, LaunchError, Lost, Program,
    Records, adopt_all, launch,
};
#[doc(hidden)]
pub use client::{LaunchStep, launch_with};
pub use folder::{
    Found, LOCK, MAX_BOOKMARK_BYTES, NewFolder, Remains, SOCKET, is_dead, look, read_bookmark,
    remove_bookmark, write_bookmark,
};
#[doc(hidden)]
pub use host::Waypoint;
pub use protocol::{InputId, InputRefusal, LaunchFailure, Record, Recorded, Taken};
pub use spool::{Damage, Leftover, Reach, reach};

/// The first argument of a program that is to be a shim.
pub const WORD: &str = "shim";

/// Is a shim to the end of its session, if this process was started to be one; call it before
/// anything else in `main`, and return what it gives. `None`: this process is something else.
///
/// It is one if its first argument is [`WORD`] and its stdin a socket. It blocks until its session
/// is over and on record, starts no thread, and prints nothing.
pub fn run_if_invoked() -> Option<ExitCode> {
    run_if_invoked_with(&|_| {})
}

/// [`run_if_invoked`] of a shim that tells where it is on its way.
#[doc(hidden)]
pub fn run_if_invoked_with(on_the_way: &dyn Fn(Waypoint)) -> Option<ExitCode> {
    let is_asked = std::env::args_os().nth(1).is_some_and(|word| word == WORD);
    let is_socket = || rustix::net::sockopt::socket_type(rustix::stdio::stdin()).is_ok();
    (is_asked && is_socket()).then(|| host::run(on_the_way))
}
