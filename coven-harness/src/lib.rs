//! Runs coding agents: what their command lines are, and the processes and terminals they run in.
//!
//! Linux only today: it stands on `/proc`, pidfds and `TIOCGPTPEER`.
#![deny(unsafe_code)]

pub mod environment;
pub mod process;
mod pty;
