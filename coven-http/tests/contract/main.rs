//! `coven.daemon.v1` as clients written by others know it: raw requests, raw answers.
#![allow(unreachable_pub)] // `pub` is for the modules beside each other

mod daemon;
mod damage;
mod drive;
mod events;
mod external;
mod launch;
mod list;
mod output;
mod preview;
mod retention;
mod shape;
#[path = "../support/mod.rs"]
mod support;
