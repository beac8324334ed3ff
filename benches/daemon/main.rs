//! The built daemon, over its socket, beside what it stands on.
//!
//! `cargo bench --bench daemon -- [launch|flood|idle]`; all three without a word. The binary is
//! named by `COVEN_BIN`, its temporary home is made under `COVEN_BENCH_DIR` or the system's.

mod bare;
mod figures;
mod flood;
mod home;
mod http;
mod idle;
mod launch;
#[path = "../../tests/shared/leftovers.rs"]
mod leftovers;
#[path = "../support/payload.rs"]
mod payload;
mod sse;

fn main() {
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let wants = |name: &str| asked.is_empty() || asked.iter().any(|arg| arg == name);
    if wants("launch") {
        launch::run();
    }
    if wants("flood") {
        flood::run();
    }
    if wants("idle") {
        idle::run();
    }
}
