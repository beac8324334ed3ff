//! What waits to be sent to a shim, which may stand still for as long as it likes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::ToShim;

/// Settings of one kind that may wait: of those after these only the newest is kept.
const MAX_SETTINGS: usize = 64;

/// A queue with any number of writers and one reader.
///
/// Settings are bounded here; questions by whoever asks them; what is acknowledged and given credit
/// for by the records that came.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    is_closed: bool,
}

#[derive(Debug)]
struct Frame {
    bytes: Vec<u8>,
    setting: Option<Setting>,
}

/// What only the last one said of counts in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    Size,
    SpoolLimit,
    OutputHeld,
}

impl Setting {
    const fn of(told: &ToShim) -> Option<Self> {
        match told {
            ToShim::Resize(_) => Some(Self::Size),
            ToShim::SetLimit(_) => Some(Self::SpoolLimit),
            ToShim::Hold(()) | ToShim::Release(()) => Some(Self::OutputHeld),
            _ => None,
        }
    }
}

impl Outgoing {
    /// Puts it last. Of a closed queue nothing is heard, and nothing is kept.
    pub(super) fn push(&self, told: &ToShim) {
        let setting = Setting::of(told);
        let mut bytes = Vec::new();
        told.encode(&mut bytes);
        let mut waiting = self.lock();
        if waiting.is_closed {
            return;
        }
        if setting.is_some() {
            waiting.make_room_for(setting);
        }
        waiting.frames.push_back(Frame { bytes, setting });
        drop(waiting);
        self.changed.notify_one();
    }

    /// The first, as soon as there is one; `None` once it is closed. Cancelled, it has lost nothing.
    pub(super) async fn next(&self) -> Option<Vec<u8>> {
        loop {
            {
                let mut waiting = self.lock();
                if let Some(frame) = waiting.frames.pop_front() {
                    return Some(frame.bytes);
                }
                if waiting.is_closed {
                    return None;
                }
            }
            // A change since then is kept for us.
            self.changed.notified().await;
        }
    }

    /// Nothing more is put there. What waits is still given.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Nothing more is put there or given.
    pub(super) fn discard(&self) {
        let mut waiting = self.lock();
        waiting.is_closed = true;
        waiting.frames = VecDeque::new();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn make_room_for(&mut self, setting: Option<Setting>) {
        let is_such = |frame: &Frame| frame.setting == setting;
        if self.frames.iter().filter(|frame| is_such(frame)).count() >= MAX_SETTINGS
            && let Some(newest) = self.frames.iter().rposition(is_such)
        {
            self.frames.remove(newest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(told: &ToShim) -> Vec<u8> {
        let mut bytes = Vec::new();
        told.encode(&mut bytes);
        bytes
    }

    #[tokio::test]
    async fn of_settings_that_wait_a_few_are_kept_and_the_newest_in_its_place() {
        let outgoing = Outgoing::default();
        for number in 1..=1000 {
            outgoing.push(&ToShim::Resize((number, 24)));
            outgoing.push(&ToShim::SetLimit(number.into()));
        }
        outgoing.push(&ToShim::Ack(7));
        outgoing.close();
        let mut frames = Vec::new();
        while let Some(frame) = outgoing.next().await {
            frames.push(frame);
        }
        assert_eq!(frames.len(), 2 * MAX_SETTINGS + 1);
        let last = [
            ToShim::Resize((1000, 24)),
            ToShim::SetLimit(1000),
            ToShim::Ack(7),
        ];
        assert_eq!(frames[frames.len() - 3..], last.map(|told| encoded(&told)));
    }

    #[tokio::test]
    async fn of_a_connection_that_ended_nothing_is_kept() {
        let outgoing = Outgoing::default();
        outgoing.push(&ToShim::Ack(1));
        outgoing.discard();
        outgoing.push(&ToShim::Ack(2));
        assert_eq!(outgoing.next().await, None);
    }
}
