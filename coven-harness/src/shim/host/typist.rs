//! Typing: what people type and what the terminal answers, in order, each id once.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Duration;

use bytes::Bytes;
use coven_core::limits::{
    MAX_UNDELIVERED_INPUT_BYTES, MAX_UNDELIVERED_INPUTS, MAX_WAITING_ANSWER_BYTES,
};
use rustix::io::{Errno, write};

use crate::shim::protocol::InputId;

/// Ids that are known again. Those that the engine has not acknowledged are always among them:
/// where they would not fit, no more inputs are taken.
const MAX_KNOWN_IDS: usize = MAX_UNDELIVERED_INPUTS;

/// Types to a process.
#[derive(Default)]
pub(super) struct Typist {
    /// Where to; none where nobody reads, or nobody does any more.
    sink: Option<OwnedFd>,
    queue: VecDeque<Item>,
    waiting_bytes: usize,
    answer_bytes: usize,
    resumes_at: Option<Duration>,
    known: VecDeque<Known>,
    /// The newest input that was taken, and of which no more will be typed.
    newest: Newest,
}

/// Inputs are typed in the order they are taken, so these two tell of all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Newest {
    pub(super) taken: Option<(InputId, u64)>,
    pub(super) done: Option<Done>,
}

struct Item {
    what: What,
    bytes: Bytes,
    written: usize,
}

enum What {
    Input { id: InputId, pause_after: Duration },
    Answer,
}

/// What one write came to.
enum Wrote {
    /// What is left of an answer.
    Answer,
    /// What is left of an input.
    Input { pause_after: Duration },
    /// Less than that, or nothing.
    Part,
    /// Nobody reads any more.
    Nobody,
}

struct Known {
    id: InputId,
    record: u64,
}

/// No more of an input will be typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) id: InputId,
    pub(super) delivered_bytes: u64,
}

impl Typist {
    pub(super) fn new(sink: Option<OwnedFd>) -> Self {
        Self {
            sink,
            ..Self::default()
        }
    }

    /// Whether anybody reads what is typed.
    pub(super) const fn is_read(&self) -> bool {
        self.sink.is_some()
    }

    /// How far it has come with what it was given to type.
    pub(super) const fn newest(&self) -> Newest {
        self.newest
    }

    /// Whether an input of this id was taken before.
    pub(super) fn knows(&self, id: InputId) -> bool {
        self.known.iter().any(|known| known.id == id)
    }

    /// Whether an input of this length may be taken, the engine having acknowledged all records up
    /// to `acked`. One that is longer than what may wait, as a message may be once it is a line of JSON, is
    /// taken where nothing waits.
    pub(super) fn has_room(&self, len_bytes: usize, acked: u64) -> bool {
        let oldest = self.known.front();
        let forgets = self.known.len() >= MAX_KNOWN_IDS;
        let waiting_bytes = self.waiting_bytes;
        self.queue.len() < MAX_UNDELIVERED_INPUTS
            && (waiting_bytes == 0 || waiting_bytes + len_bytes <= MAX_UNDELIVERED_INPUT_BYTES)
            && !(forgets && oldest.is_some_and(|oldest| oldest.record > acked))
    }

    /// Takes an input that is in the spool by now, as this record.
    pub(super) fn take(&mut self, id: InputId, record: u64, bytes: Bytes, pause_after: Duration) {
        if self.known.len() >= MAX_KNOWN_IDS {
            self.known.pop_front();
        }
        self.known.push_back(Known { id, record });
        self.newest.taken = Some((id, bytes.len() as u64));
        self.waiting_bytes += bytes.len();
        self.queue.push_back(Item {
            what: What::Input { id, pause_after },
            bytes,
            written: 0,
        });
    }

    /// Takes what the terminal answers; false when too much of that waits.
    pub(super) fn answer(&mut self, reply: Vec<u8>) -> bool {
        let fits = self.answer_bytes + reply.len() <= MAX_WAITING_ANSWER_BYTES;
        if fits {
            self.answer_bytes += reply.len();
            self.queue.push_back(Item {
                what: What::Answer,
                bytes: reply.into(),
                written: 0,
            });
        }
        fits
    }

    /// Where to write when there is room, if there is anything to write at `now`.
    pub(super) fn writes_to(&self, now: Duration) -> Option<&OwnedFd> {
        let is_paused = self.resumes_at.is_some_and(|at| now < at);
        self.sink
            .as_ref()
            .filter(|_| !is_paused && !self.queue.is_empty())
    }

    /// When a pause is over that something waits for.
    pub(super) fn deadline(&self, now: Duration) -> Option<Duration> {
        let is_waited_for = self.sink.is_some() && !self.queue.is_empty();
        self.resumes_at.filter(|at| is_waited_for && now < *at)
    }

    /// Whether an answer waits.
    pub(super) const fn owes_an_answer(&self) -> bool {
        self.answer_bytes > 0
    }

    /// Writes what is next: answers as many as the process takes, and one write of an input. Two inputs
    /// are never joined into one.
    pub(super) fn write(&mut self, now: Duration) -> Vec<Done> {
        while self.writes_to(now).is_some() {
            match self.write_once() {
                Wrote::Answer => {
                    self.drop_first();
                }
                Wrote::Input { pause_after } => {
                    self.resumes_at = Some(now + pause_after).filter(|at| *at > now);
                    return self.drop_first().into_iter().collect();
                }
                Wrote::Part => return Vec::new(),
                Wrote::Nobody => return self.give_up(),
            }
        }
        Vec::new()
    }

    fn write_once(&mut self) -> Wrote {
        let (Some(sink), Some(item)) = (&self.sink, self.queue.front_mut()) else {
            return Wrote::Part;
        };
        match write(sink, &item.bytes[item.written..]) {
            Ok(more) => item.written += more,
            Err(Errno::AGAIN | Errno::INTR) => return Wrote::Part,
            Err(_) => return Wrote::Nobody,
        }
        match item.what {
            _ if item.written < item.bytes.len() => Wrote::Part,
            What::Answer => Wrote::Answer,
            What::Input { pause_after, .. } => Wrote::Input { pause_after },
        }
    }

    /// Nobody reads any more: tells of all inputs that wait.
    pub(super) fn give_up(&mut self) -> Vec<Done> {
        self.sink = None;
        let mut done = Vec::new();
        while !self.queue.is_empty() {
            done.extend(self.drop_first());
        }
        done
    }

    fn drop_first(&mut self) -> Option<Done> {
        let item = self.queue.pop_front()?;
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        match item.what {
            What::Answer => {
                self.answer_bytes -= item.bytes.len();
                None
            }
            What::Input { id, .. } => {
                self.waiting_bytes -= item.bytes.len();
                self.newest.done = Some(Done {
                    id,
                    delivered_bytes: item.written as u64,
                });
                self.newest.done
            }
        }
    }
}
