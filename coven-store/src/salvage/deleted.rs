//! Sessions that were deleted: of each there is its deletion, and where that is lost what stands for it.

use std::collections::BTreeMap;

use coven_core::{Event, EventKind, SessionId, Timestamp};

use super::events::Left;
use super::mend::{Done, row, stand_in};
use super::places::NO_END;
use super::{Mended, SalvageError, Salvaging, kind_name};
use crate::stored::{EventRow, encode};

impl Salvaging<'_> {
    /// Keeps a deletion that is left.
    pub(super) fn keep_deletion(
        &mut self,
        slot: u64,
        id: &SessionId,
        left: Left,
    ) -> Result<(), SalvageError> {
        let kept = Done {
            events: 1,
            ..Done::default()
        };
        self.tell_deleted(slot, id, kept, 0);
        self.log
            .put_deleted(slot, id, row(&left.envelope, left.bytes))
    }

    /// Puts what stands for a deletion that is lost where it is said to have been. When that was, and who wanted it,
    /// nobody knows.
    pub(super) fn stand_for_deletion(
        &mut self,
        slot: u64,
        id: &SessionId,
        at: u64,
    ) -> Result<(), SalvageError> {
        let at = self.place_of_deletion(slot, at);
        let never = Timestamp::from_nanos(0);
        let envelope = stand_in(id, self.uid, at, never, Event::Deleted);
        let stood_for = Done {
            stand_ins: BTreeMap::from([(kind_name(EventKind::Deleted), 1)]),
            ..Done::default()
        };
        self.tell_deleted(slot, id, stood_for, 1);
        let bytes = encode(&EventRow::from(&envelope));
        self.log.put_deleted(slot, id, row(&envelope, bytes.into()))
    }

    /// Where a session is deleted whose own place for that is given; a free one where that is another's.
    fn place_of_deletion(&mut self, slot: u64, at: u64) -> u64 {
        match self.catalogue.is_denied(slot, at) {
            true => {
                let free = self.places.take(self.catalogue, 0, NO_END, 1).pop();
                free.expect("there is no end of places")
            }
            false => at,
        }
    }

    /// All else that it had was let go of, be it lost or in another's place: nothing of that is told.
    fn tell_deleted(&mut self, slot: u64, id: &SessionId, done: Done, lost_events: u64) {
        let deleted = Mended {
            id: id.clone(),
            has_name: self.catalogue.keeps_its_name(slot),
            denied: 0,
            done,
        };
        self.tell(&deleted, lost_events, Some(lost_events));
    }
}
