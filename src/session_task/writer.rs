//! Writing to a session's process: one task, so that a process that does not read holds up
//! nobody but itself. Order is kept, and two inputs are never joined into one write.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use coven_core::limits::MAX_UNDELIVERED_INPUT_BYTES;
use coven_harness::process::Input;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock::Clock;

/// Bytes of answers to terminal queries that may wait. A program that asks this much and reads
/// nothing does not want to know.
const MAX_WAITING_ANSWER_BYTES: usize = 4096;

/// The way to a session's process. Dropped, nothing more is written.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::UnboundedSender<Step>,
    waiting: Arc<Waiting>,
    task: JoinHandle<()>,
}

/// Bytes not taken by the process yet.
#[derive(Debug, Default)]
struct Waiting {
    input: AtomicUsize,
    answers: AtomicUsize,
}

/// One step of writing.
#[derive(Debug)]
pub(super) enum Step {
    /// Write what somebody typed. `len_bytes` of the undelivered bytes are its.
    Input { data: Bytes, len_bytes: usize },
    /// Wait before the next step.
    Pause(Duration),
    /// Write what the terminal answers.
    Answer { data: Bytes },
}

/// The process does not read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

impl Writer {
    pub(super) fn spawn(input: Input, clock: Arc<dyn Clock>) -> Self {
        // Bounded by bytes, not by steps: see `reserve` and `answer`.
        let (queue, steps) = mpsc::unbounded_channel();
        let waiting = Arc::new(Waiting::default());
        let task = tokio::spawn(write(input, steps, Arc::clone(&waiting), clock));
        Self {
            queue,
            waiting,
            task,
        }
    }

    /// Sets room aside for an input of `len_bytes`, which is then due as a [`Step::Input`] or to
    /// be given back. False when too much is undelivered. Where the process does not read any more
    /// nothing will ever be delivered, and the step is what says so.
    pub(super) fn reserve(&self, len_bytes: usize) -> bool {
        let waiting = self.waiting.input.load(Ordering::Relaxed);
        // Only the session's task adds, so nothing is added between the look and the addition.
        let fits = self.task.is_finished() || waiting + len_bytes <= MAX_UNDELIVERED_INPUT_BYTES;
        if fits {
            self.waiting.input.fetch_add(len_bytes, Ordering::Relaxed);
        }
        fits
    }

    /// Gives back what was reserved for an input that will not be written.
    pub(super) fn give_back(&self, len_bytes: usize) {
        self.waiting.input.fetch_sub(len_bytes, Ordering::Relaxed);
    }

    /// Queues a step.
    pub(super) fn step(&self, step: Step) -> Result<(), Gone> {
        self.queue.send(step).map_err(|_| Gone)
    }

    /// Queues what the terminal answers, unless too many answers wait.
    pub(super) fn answer(&self, data: Bytes) {
        let len_bytes = data.len();
        let waiting = self.waiting.answers.load(Ordering::Relaxed);
        if waiting + len_bytes <= MAX_WAITING_ANSWER_BYTES {
            self.waiting.answers.fetch_add(len_bytes, Ordering::Relaxed);
            // A process that does not read any more needs no answer.
            let _ = self.step(Step::Answer { data });
        }
    }
}

impl Drop for Writer {
    /// A process that does not read would hold the task, and with it the terminal, for ever.
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn write(
    mut input: Input,
    mut steps: mpsc::UnboundedReceiver<Step>,
    waiting: Arc<Waiting>,
    clock: Arc<dyn Clock>,
) {
    while let Some(step) = steps.recv().await {
        let written = match step {
            Step::Input { data, len_bytes } => {
                let written = input.write(&data).await;
                waiting.input.fetch_sub(len_bytes, Ordering::Relaxed);
                written
            }
            Step::Answer { data } => {
                let written = input.write(&data).await;
                waiting.answers.fetch_sub(data.len(), Ordering::Relaxed);
                written
            }
            Step::Pause(pause) => {
                clock.sleep_until(clock.elapsed() + pause).await;
                Ok(())
            }
        };
        if let Err(error) = written {
            tracing::debug!(%error, "the process does not read any more");
            return;
        }
    }
}
