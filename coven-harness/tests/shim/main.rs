//! Shims, as real processes: what they hold and pass on, and what is left of them.

mod adopting;
mod conversation;
mod dying;
mod enduring;
mod full;
mod golden;
mod hostile;
mod linked;
#[path = "../../../tests/shared/not_run.rs"]
mod not_run;
mod peer;
mod peers;
mod process;
mod running;
mod scanning;
mod silent;
#[path = "../../../tests/shared/small_disk.rs"]
#[allow(dead_code)] // others mount it anew
mod small_disk;
#[path = "../support/mod.rs"]
mod support;
mod transcript;
mod typing;
mod world;
