//! The records that a dead shim left, read where that keeps nobody else waiting for the disk.

use std::collections::VecDeque;

use coven_harness::shim::{Damage, Leftover, Recorded};
use tokio::task::JoinHandle;

/// Records that are read at once: enough that going to another thread costs little for each, and few
/// enough that all of them may be large.
const BATCH: usize = 32;

/// What a dead shim left, and was not told yet.
pub(super) struct Left {
    read: VecDeque<Result<Recorded, Damage>>,
    /// What is to be read after that; none while it is read, and where there is nothing.
    unread: Option<Leftover>,
    reading: Option<JoinHandle<Batch>>,
}

struct Batch {
    read: VecDeque<Result<Recorded, Damage>>,
    unread: Option<Leftover>,
}

impl Left {
    pub(super) fn new(unread: Leftover) -> Self {
        Self {
            read: VecDeque::new(),
            unread: Some(unread),
            reading: None,
        }
    }

    /// The next record, or why there is none though there should be. Cancelled, nothing is lost.
    pub(super) async fn next(&mut self) -> Option<Result<Recorded, Damage>> {
        loop {
            if let Some(next) = self.read.pop_front() {
                return Some(next);
            }
            if let Some(unread) = self.unread.take() {
                self.reading = Some(tokio::task::spawn_blocking(|| read(unread)));
            }
            let batch = self.reading.as_mut()?.await;
            self.reading = None;
            match batch {
                Ok(Batch { read, unread }) => (self.read, self.unread) = (read, unread),
                Err(error) => tracing::error!(%error, "what a shim left is not read to its end"),
            }
        }
    }
}

fn read(mut left: Leftover) -> Batch {
    let read: VecDeque<_> = left.by_ref().take(BATCH).collect();
    let has_more = read.len() == BATCH;
    Batch {
        read,
        unread: has_more.then_some(left),
    }
}
