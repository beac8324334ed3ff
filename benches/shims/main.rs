//! What it costs that sessions outlive the daemon: the built daemon, whose sessions are held by shims,
//! beside an engine in this program that holds its own, both over their sockets and on one disk.
//!
//! `cargo bench -p coven-cli --bench shims -- [launch|flood|keystroke|idle]`; all of them without a word.

mod bare;
mod daemon;
#[path = "../daemon/figures.rs"]
mod figures;
mod flood;
mod here;
mod idle;
mod keystroke;
mod launch;
#[path = "../support/payload.rs"]
mod payload;
mod place;

use coven_http::client::Client;
use coven_http::wire::SessionRecord;

use daemon::Daemon;
use here::Here;

fn main() {
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let wants = |name: &str| asked.is_empty() || asked.iter().any(|arg| arg == name);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        if wants("launch") {
            launch::run(&mut Daemon::open().await, &Here::open().await).await;
        }
        if wants("flood") {
            flood::run(&mut Daemon::open().await, &Here::open().await).await;
        }
        if wants("keystroke") {
            keystroke::run(&mut Daemon::open().await, &Here::open().await).await;
        }
        if wants("idle") {
            idle::run(&mut Daemon::open().await).await;
        }
    });
}

/// Waits until a session has ended, and gives its record.
async fn ended(client: &Client, id: &str) -> SessionRecord {
    let mut events = client.follow(id, None);
    while events.next().await.expect("the events").is_some() {}
    client.session(id).await.expect("its record")
}
