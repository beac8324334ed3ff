//! Writing to a session's process: one task, so that a process that does not read holds up
//! nobody but itself. Order is kept, and two inputs are never joined into one write.

mod passing;

use std::future::{pending, poll_fn};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use coven_core::InputId;
use coven_core::limits::MAX_WAITING_ANSWER_BYTES;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use super::deliveries::Deliveries;
use super::owed::{Owed, UnsureCount};
use super::process::Keyboard;
use super::rooms::Room;
use crate::clock::Clock;

use passing::Passing;

/// The way to a session's process. Dropped, nothing more is written, and who waits is answered.
pub(super) struct Writer {
    queue: mpsc::UnboundedSender<Step>,
    /// What is held back, while something is.
    held: Option<Vec<Step>>,
    answer_bytes: Arc<AtomicUsize>,
    /// Told whenever the shim may have room again.
    room_made: Arc<Notify>,
    is_to_shim: bool,
    unsure: UnsureCount,
    progress: Shared,
    /// Becomes true once nobody reads any more.
    unread: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

/// How far the inputs have come, which are written one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// The one that is written, or was last, and how many bytes of it are.
    written: Option<(InputId, u64)>,
    /// The last one that a shim says it has.
    taken: Option<InputId>,
    /// No more is written here: a terminal takes what its process, which has ended, will not read.
    is_final: bool,
}

impl Progress {
    pub(super) fn tell(self, deliveries: &mut Deliveries) {
        if let Some((id, written_bytes)) = self.written {
            deliveries.reached(id, written_bytes);
        }
        if let Some(id) = self.taken {
            deliveries.taken(id);
        }
    }
}

/// It is held while something is written: what was written is always in it.
type Shared = Arc<Mutex<Progress>>;

/// One step of writing.
pub(super) enum Step {
    /// Write what somebody typed.
    Input(Input),
    /// Write what the terminal answers.
    Answer { data: Bytes },
    /// Tell whether the inputs since the last such step are sure to be typed.
    Tell(Owed),
}

/// What somebody typed.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) id: InputId,
    pub(super) data: Bytes,
    /// How long nothing else is written after it.
    pub(super) pause: Duration,
    /// Its room, until it is on record. What is asked for again keeps it until it is passed on; what is part of
    /// the launch takes none.
    pub(super) room: Option<Room>,
}

/// Why an input is not typed, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotTyped(pub(super) String);

impl NotTyped {
    fn gone() -> Self {
        Self("the process does not read any more".to_owned())
    }

    pub(super) fn unsure() -> Self {
        let why = "it is not known whether it was typed, and nobody else will type it; look at the session, or \
                   ask again under the same key";
        Self(why.to_owned())
    }
}

impl Writer {
    pub(super) fn spawn(keyboard: Keyboard, clock: Arc<dyn Clock>) -> Self {
        // Bounded all the same: see `Rooms` and `answer`.
        let (queue, steps) = mpsc::unbounded_channel();
        let answer_bytes = Arc::new(AtomicUsize::new(0));
        let room_made = Arc::new(Notify::new());
        let is_to_shim = matches!(keyboard, Keyboard::Shim(_));
        let progress = Shared::default();
        let (found_unread, unread) = watch::channel(false);
        let task = match keyboard {
            Keyboard::Here(keyboard) => {
                let writing = Writing {
                    keyboard,
                    progress: Arc::clone(&progress),
                    found_unread,
                    answer_bytes: Arc::clone(&answer_bytes),
                };
                tokio::spawn(writing.on(steps, clock))
            }
            Keyboard::Shim(shim) => {
                let passing = Passing {
                    shim,
                    room_made: Arc::clone(&room_made),
                    progress: Arc::clone(&progress),
                    found_unread,
                };
                tokio::spawn(passing.on(steps))
            }
        };
        Self {
            queue,
            held: None,
            answer_bytes,
            room_made,
            is_to_shim,
            unsure: UnsureCount::new(),
            progress,
            unread,
            task,
        }
    }

    /// Whether nobody reads any more, as whoever writes has found.
    pub(super) fn is_unread(&self) -> bool {
        *self.unread.borrow()
    }

    /// Waits until that is so.
    pub(super) async fn until_unread(&self) {
        let mut unread = self.unread.clone();
        if unread.wait_for(|is_unread| *is_unread).await.is_err() {
            pending::<()>().await;
        }
    }

    /// How far the inputs have come.
    pub(super) fn progress(&self) -> Progress {
        *lock(&self.progress)
    }

    /// The same of a process that has ended: no more is written to it, or what is told not to have been would be.
    pub(super) fn final_progress(&self) -> Progress {
        let mut progress = lock(&self.progress);
        progress.is_final = true;
        *progress
    }

    /// Queues an input.
    pub(super) fn input(&mut self, input: Input) -> Result<(), NotTyped> {
        self.step(Step::Input(input))
    }

    /// Keeps back from now on what is queued for a shim, in order.
    pub(super) fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    pub(super) const fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// Nothing of what is held back is typed here any more; who waits for it is told what is on record.
    pub(super) fn drop_held(&mut self) {
        self.held = None;
    }

    /// The last input that is held back.
    pub(super) fn last_held(&self) -> Option<InputId> {
        let mut steps = self.held.iter().flatten().rev();
        steps.find_map(|step| match step {
            Step::Input(input) => Some(input.id),
            Step::Answer { .. } | Step::Tell(_) => None,
        })
    }

    /// Keeps nothing back any more.
    pub(super) fn let_go(&mut self) {
        for step in self.held.take().into_iter().flatten() {
            // Where nobody reads any more, nothing is missed.
            let _ = self.step(step);
        }
    }

    /// Tells whether all that is queued is sure to be typed, should the process live: at once, where
    /// this program types; with the last answer, where a shim does.
    pub(super) fn tell(&mut self, owed: Owed) {
        if !self.is_to_shim {
            return owed.settle(Ok(()));
        }
        let owed = owed.counted_by(&self.unsure);
        // Where nobody takes it any more, it is told.
        let _ = self.step(Step::Tell(owed));
    }

    /// Whether all who wait for an answer can be given one at once.
    pub(super) fn is_sure(&self) -> bool {
        self.unsure.is_none()
    }

    /// Waits until that is so.
    pub(super) async fn until_sure(&self) {
        self.unsure.none_left().await;
    }

    /// The process has taken something, or the spool may hold more: what the shim had no room for is
    /// tried once more.
    pub(super) fn room_may_be_made(&self) {
        self.room_made.notify_one();
    }

    /// Queues what the terminal answers, unless too many answers wait.
    pub(super) fn answer(&self, data: Bytes) {
        let len_bytes = data.len();
        let waiting = self.answer_bytes.load(Ordering::Relaxed);
        if waiting + len_bytes <= MAX_WAITING_ANSWER_BYTES {
            self.answer_bytes.fetch_add(len_bytes, Ordering::Relaxed);
            // A process that does not read any more needs no answer.
            let _ = self.queue.send(Step::Answer { data });
        }
    }

    fn step(&mut self, step: Step) -> Result<(), NotTyped> {
        if let Some(held) = &mut self.held {
            held.push(step);
            return Ok(());
        }
        self.queue
            .send(step)
            .map_err(|mpsc::error::SendError(step)| {
                if let Step::Tell(owed) = step {
                    owed.settle(Err(NotTyped::gone()));
                }
                NotTyped::gone()
            })
    }
}

impl Drop for Writer {
    /// A process that does not read would hold the task, and with it the terminal, for ever.
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writing to a process of this program.
struct Writing {
    keyboard: coven_harness::process::Input,
    progress: Shared,
    found_unread: watch::Sender<bool>,
    answer_bytes: Arc<AtomicUsize>,
}

impl Writing {
    async fn on(mut self, mut steps: mpsc::UnboundedReceiver<Step>, clock: Arc<dyn Clock>) {
        while let Some(step) = steps.recv().await {
            let written = match step {
                Step::Input(Input {
                    id,
                    data,
                    pause,
                    room,
                }) => {
                    let written = self.input(id, &data).await;
                    drop(room);
                    if !pause.is_zero() {
                        clock.sleep_until(clock.elapsed() + pause).await;
                    }
                    written
                }
                Step::Answer { data } => {
                    let written = self.keyboard.write(&data).await;
                    self.answer_bytes.fetch_sub(data.len(), Ordering::Relaxed);
                    written
                }
                Step::Tell(owed) => {
                    owed.settle(Ok(()));
                    Ok(())
                }
            };
            if let Err(error) = written {
                tracing::debug!(%error, "the process does not read any more");
                // What waits is not written either; whoever put it on record says so.
                self.found_unread.send_replace(true);
                return;
            }
        }
    }

    async fn input(&mut self, id: InputId, data: &[u8]) -> io::Result<()> {
        let mut written = 0;
        while written < data.len() {
            let more = poll_fn(|cx| {
                let mut progress = lock(&self.progress);
                if progress.is_final {
                    return Poll::Pending;
                }
                let more = ready!(self.keyboard.poll_write(cx, &data[written..]))?;
                progress.written = Some((id, (written + more) as u64));
                Poll::Ready(Ok::<_, io::Error>(more))
            });
            written += more.await?;
        }
        Ok(())
    }
}
