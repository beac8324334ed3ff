//! A viewer's terminal at a session.
#![allow(unreachable_pub)] // `pub` is for the modules beside each other

mod leaving;
mod opening;
mod returning;
mod stopping;
#[path = "../support/mod.rs"]
mod support;
mod typing;
mod viewer;
