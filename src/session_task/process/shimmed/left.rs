//! The records that a dead shim left, read where that keeps nobody else waiting for the disk.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use coven_harness::shim::{Damage, Leftover, Recorded};
use tokio::task::JoinHandle;

/// Records that are read at once: enough that going to another thread costs little for each, and few
/// enough that all of them may be large.
const BATCH: usize = 32;

/// What a dead shim left, and was not told yet.
pub(super) struct Left<Unread = Leftover> {
    read: VecDeque<Result<Recorded, Damage>>,
    /// What is to be read after that; none while it is read, and where there is nothing.
    unread: Option<Unread>,
    reading: Option<JoinHandle<Batch<Unread>>>,
}

struct Batch<Unread> {
    read: VecDeque<Result<Recorded, Damage>>,
    unread: Option<Unread>,
}

impl<Unread> Left<Unread>
where
    Unread: Iterator<Item = Result<Recorded, Damage>> + Send + 'static,
{
    pub(super) fn new(unread: Unread) -> Self {
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
                // It is not told as its end, but read again.
                Err(error) => {
                    let (file, source) = (PathBuf::from("spool"), io::Error::other(error));
                    return Some(Err(Damage::Unreadable { file, source }));
                }
            }
        }
    }
}

fn read<Unread>(mut left: Unread) -> Batch<Unread>
where
    Unread: Iterator<Item = Result<Recorded, Damage>>,
{
    let read: VecDeque<_> = left.by_ref().take(BATCH).collect();
    let has_more = read.len() == BATCH;
    Batch {
        read,
        unread: has_more.then_some(left),
    }
}

#[cfg(test)]
mod tests {
    use coven_core::Timestamp;
    use coven_harness::shim::Record;

    use super::*;

    fn record(number: u64) -> Result<Recorded, Damage> {
        let (at, query) = (Timestamp::from_nanos(0), 0);
        let record = Record::Answered { query };
        Ok(Recorded { number, at, record })
    }

    #[tokio::test]
    async fn all_that_was_left_is_told_once_in_order_though_nobody_waits_for_it_at_times() {
        for len in [0, 1, BATCH - 1, BATCH, BATCH + 1, 5 * BATCH] {
            let len = u64::try_from(len).unwrap();
            let mut left = Left::new((1..=len).map(record));
            let mut told = Vec::new();
            loop {
                let next = tokio::select! {
                    biased;
                    next = left.next() => next,
                    // Whoever waited does something else first.
                    () = tokio::task::yield_now() => continue,
                };
                match next {
                    Some(recorded) => told.push(recorded.unwrap().number),
                    None => break,
                }
            }
            assert!(told.into_iter().eq(1..=len), "of {len}");
        }
    }
}
