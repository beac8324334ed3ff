//! Output that is young, in the midst of some that is old: the clock was set back as it was written.

use coven_core::{Event, SessionId, Timestamp};
use coven_store::{ReadError, ReadLimit, Store};

use super::age::Written;
use super::look::{Found, event_at, written};
use super::unreadable;

/// Events that are read at once.
const PAGE: ReadLimit = ReadLimit {
    events: 1000,
    bytes: 1 << 20,
};

/// From when to when output is young. What is of a time to come says nothing: the clock was wrong then, and no budget
/// waits for that time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Young {
    pub(super) from: Timestamp,
    pub(super) now: Timestamp,
}

impl Young {
    fn has(self, at: Timestamp) -> bool {
        (self.from..=self.now).contains(&at)
    }

    /// Where the first of a session's output from `from` to `cut` begins that is young; `cut`, where none is. Each
    /// event there is looked at, as it is once more when it is let go of. What cannot be read is taken for old.
    pub(super) fn first(
        self,
        store: &Store,
        id: &SessionId,
        from: u64,
        cut: u64,
    ) -> Result<u64, ReadError> {
        let mut at = from;
        while at < cut {
            match event_at(store, id, at)? {
                Found::Event(event) if self.has(event.at) => return Ok(event.offset.max(from)),
                Found::Event(event) => {
                    let end = event.end().max(at + 1);
                    match self.first_in_page(store, id, end, cut)? {
                        Page::Young(offset) => return Ok(offset),
                        Page::Old(end) => at = end,
                    }
                }
                Found::Unread(_) => {
                    let end = unreadable::end(at, cut, |at| written(store, id, at))?;
                    at = end.unwrap_or(cut);
                }
                Found::Gone => return Ok(from),
            }
        }
        Ok(cut)
    }

    /// The same of the events from `at` on that are read at once, where they can be.
    fn first_in_page(
        self,
        store: &Store,
        id: &SessionId,
        at: u64,
        cut: u64,
    ) -> Result<Page, ReadError> {
        let Ok(Some(first)) = store.output_event(id, at) else {
            return Ok(Page::Old(at));
        };
        let before = coven_core::Seq::new(first.seq.get() - 1);
        let events = match store.read(id, before, PAGE) {
            Ok(events) => events,
            // Up to there one by one.
            Err(ReadError::Damaged(_)) => return Ok(Page::Old(at)),
            Err(error) => return Err(error),
        };
        let mut end = at;
        for envelope in events {
            let Event::Output { offset, data, .. } = envelope.event else {
                continue;
            };
            let event = Written {
                offset,
                len_bytes: data.len() as u64,
                at: envelope.at,
            };
            if event.offset >= cut {
                break;
            }
            if self.has(event.at) {
                return Ok(Page::Young(event.offset));
            }
            end = end.max(event.end());
        }
        Ok(Page::Old(end))
    }
}

/// What some events have.
enum Page {
    /// One that is young begins there.
    Young(u64),
    /// None that is, up to there.
    Old(u64),
}
