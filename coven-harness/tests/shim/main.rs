//! Shims, as real processes: what they hold and pass on, and what is left of them.

mod adopting;
mod dying;
mod full;
#[path = "../../../tests/shared/not_run.rs"]
mod not_run;
mod process;
mod protocol;
mod running;
mod scanning;
#[path = "../../../tests/shared/small_disk.rs"]
#[allow(dead_code)] // others mount it anew
mod small_disk;
#[path = "../support/mod.rs"]
mod support;
mod typing;
mod world;
