//! Which inputs on record wait to be written, in the order of the log, and how much of each is.

use coven_core::{InputId, Seq};
use tokio::sync::watch;

use super::{Deliveries, Undelivered};
use crate::session_task::rooms::Room;

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: InputId,
    pub(super) len_bytes: u64,
    pub(super) written: Written,
    pub(super) text: Text,
    place: Batch,
    _room: Option<Room>,
}

/// The first and the last event of the batch with which an input came on record.
pub(crate) type Batch = (Seq, Seq);

#[derive(Clone, Copy, Debug)]
pub(super) enum Written {
    /// An engine before put it on record. What became of it is not known before all is heard that its shim
    /// has to say.
    Unknown,
    Bytes(u64),
    /// A shim has it, which says how much it has written once it is done with it.
    ByShim,
}

/// Whether it is known what an input types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Known,
    /// It is hidden, and the engine that was given it is dead. It can be typed once somebody asks for it again.
    Forgotten,
    /// Nobody did, and what comes after it is to be typed: it never will be.
    PassedOver,
}

impl Deliveries {
    /// An input is on record.
    pub(in crate::session_task) fn recorded(
        &mut self,
        id: InputId,
        len_bytes: u64,
        place: Batch,
        room: Option<Room>,
    ) {
        self.waiting.push_back(Waiting {
            id,
            len_bytes,
            written: Written::Bytes(0),
            text: Text::Known,
            place,
            _room: room,
        });
    }

    /// An input is on record, by an engine before. It takes its room until more is known of it.
    pub(in crate::session_task) fn recorded_before(
        &mut self,
        id: InputId,
        len_bytes: u64,
        place: Seq,
    ) {
        let room = self
            .rooms
            .take(usize::try_from(len_bytes).unwrap_or(usize::MAX));
        self.waiting.push_back(Waiting {
            id,
            len_bytes,
            written: Written::Unknown,
            text: Text::Known,
            place: (place, place),
            _room: Some(room),
        });
        self.is_behind.send_replace(true);
    }

    /// Where more may be written of what is on record than is known: whether that is still so.
    pub(in crate::session_task) fn behind(&self) -> Option<watch::Receiver<bool>> {
        let is_behind = self.is_behind.subscribe();
        let is_so = *is_behind.borrow();
        is_so.then_some(is_behind)
    }

    /// All was heard that a shim had when it was reached: what it did not take by then, nobody wrote.
    pub(in crate::session_task) fn caught_up(&mut self) {
        for waiting in &mut self.waiting {
            if let Written::Unknown = waiting.written {
                waiting.written = Written::Bytes(0);
            }
        }
        self.is_behind.send_replace(false);
    }

    /// A shim has taken an input.
    pub(in crate::session_task) fn taken(&mut self, id: InputId) {
        if let Some(place) = self.place(id) {
            for waiting in self.waiting.range_mut(..=place) {
                waiting.written = Written::ByShim;
            }
        }
    }

    /// So much of an input is written, and all of those before it; more of it may be.
    pub(in crate::session_task) fn reached(&mut self, id: InputId, written_bytes: u64) {
        let Some(place) = self.place(id) else {
            return;
        };
        self.waiting.drain(..place);
        if let Some(first) = self.waiting.front_mut() {
            first.written = Written::Bytes(written_bytes);
        }
        let is_whole = |first: &Waiting| written_bytes >= first.len_bytes;
        if self.waiting.front().is_some_and(is_whole) {
            self.waiting.pop_front();
        }
    }

    /// Those that wait, and where they are on record, oldest first.
    pub(in crate::session_task) fn waiting(&self) -> impl Iterator<Item = (InputId, Batch)> {
        self.waiting.iter().map(|it| (it.id, it.place))
    }

    /// Whether all are told.
    pub(in crate::session_task) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn place(&self, id: InputId) -> Option<usize> {
        self.waiting.iter().position(|waiting| waiting.id == id)
    }
}

impl Waiting {
    pub(super) const fn undelivered(&self, written_bytes: Option<u64>) -> Undelivered {
        Undelivered {
            id: self.id,
            len_bytes: self.len_bytes,
            written_bytes,
        }
    }
}
