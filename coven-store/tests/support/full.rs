//! Waiting for what a full disk has the log do, and filling it.

#![allow(dead_code, unreachable_pub)] // each test uses its own part of this

use std::fs;
use std::path::Path;
use std::time::Duration;

use coven_store::{Store, WriterState};

use super::support::noise;

pub async fn until_state(store: &Store, state: WriterState) {
    until(|| store.health().state == state).await;
}

/// Waits for what the store tells nobody of: its health, and what it does when there is nothing
/// else to do.
pub async fn until(mut is_so: impl FnMut() -> bool) {
    in_time(async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

pub async fn in_time<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(Duration::from_secs(60), work).await;
    done.expect("in time")
}

/// Takes what room there is, as another program would.
pub fn fill(path: &Path) {
    let mut file = fs::File::create(path).expect("a file");
    let block = noise(1, 64 << 10);
    while std::io::Write::write_all(&mut file, &block).is_ok() {}
}
