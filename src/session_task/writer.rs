//! Writing to a session's process: one task, so that a process that does not read holds up
//! nobody but itself. Order is kept, and two inputs are never joined into one write.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use coven_core::limits::{MAX_UNDELIVERED_INPUT_BYTES, MAX_UNDELIVERED_INPUTS};
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

/// What the process has not taken yet.
#[derive(Debug, Default)]
struct Waiting {
    inputs: AtomicUsize,
    input_bytes: AtomicUsize,
    answer_bytes: AtomicUsize,
}

/// The room of one input among those that the process has not taken yet. It is free again once this
/// is dropped.
#[derive(Debug)]
pub(super) struct Room {
    waiting: Arc<Waiting>,
    len_bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.waiting.inputs.fetch_sub(1, Ordering::Relaxed);
        let len_bytes = self.len_bytes;
        self.waiting
            .input_bytes
            .fetch_sub(len_bytes, Ordering::Relaxed);
    }
}

/// One step of writing.
#[derive(Debug)]
pub(super) enum Step {
    /// Write what somebody typed. What is part of the launch takes no room.
    Input { data: Bytes, room: Option<Room> },
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
        // Bounded all the same: see `reserve` and `answer`.
        let (queue, steps) = mpsc::unbounded_channel();
        let waiting = Arc::new(Waiting::default());
        let task = tokio::spawn(write(input, steps, Arc::clone(&waiting), clock));
        Self {
            queue,
            waiting,
            task,
        }
    }

    /// Sets room aside for an input of `len_bytes`; none when too much is undelivered. Where the
    /// process does not read any more nothing will ever be delivered, and the step is what says so.
    pub(super) fn reserve(&self, len_bytes: usize) -> Option<Room> {
        let Waiting {
            inputs,
            input_bytes,
            ..
        } = &*self.waiting;
        // Only the session's task adds, so nothing is added between the look and the addition.
        let fits = inputs.load(Ordering::Relaxed) < MAX_UNDELIVERED_INPUTS
            && input_bytes.load(Ordering::Relaxed) + len_bytes <= MAX_UNDELIVERED_INPUT_BYTES;
        (fits || self.task.is_finished()).then(|| {
            inputs.fetch_add(1, Ordering::Relaxed);
            input_bytes.fetch_add(len_bytes, Ordering::Relaxed);
            Room {
                waiting: Arc::clone(&self.waiting),
                len_bytes,
            }
        })
    }

    /// Queues a step.
    pub(super) fn step(&self, step: Step) -> Result<(), Gone> {
        self.queue.send(step).map_err(|_| Gone)
    }

    /// Queues what the terminal answers, unless too many answers wait.
    pub(super) fn answer(&self, data: Bytes) {
        let len_bytes = data.len();
        let waiting = self.waiting.answer_bytes.load(Ordering::Relaxed);
        if waiting + len_bytes <= MAX_WAITING_ANSWER_BYTES {
            self.waiting
                .answer_bytes
                .fetch_add(len_bytes, Ordering::Relaxed);
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
            Step::Input { data, room } => {
                let written = input.write(&data).await;
                drop(room);
                written
            }
            Step::Answer { data } => {
                let written = input.write(&data).await;
                waiting
                    .answer_bytes
                    .fetch_sub(data.len(), Ordering::Relaxed);
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
