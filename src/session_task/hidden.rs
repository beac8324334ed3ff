//! Inputs that are hidden on record, and whose bytes went with the engine that was given them.
//!
//! Whoever typed one may ask for it again, and it is typed then. Once anything after it is to be typed it is too
//! late: it is told to be undelivered, and nothing is given to the shim before that is on record. So the order
//! of the log stays the order of typing, and whoever takes over knows of each input what became of it.

use coven_core::{InputId, Refusal, Seq};

use super::control::Then;
use super::live::Live;
use super::writer::Writer;

impl Live {
    /// An engine before put it on record, which alone had its bytes. What comes after it waits until it is
    /// known whether its shim has it.
    pub(super) fn forgotten(&mut self, id: InputId, len_bytes: u64, place: Seq) {
        self.deliveries.forgotten_before(id, len_bytes, place);
        if let Some(writer) = &mut self.writer {
            writer.hold();
        }
    }

    /// This one is to be typed next. What nobody has asked for again by now, of what comes before it, is not typed
    /// any more.
    pub(super) fn pass_over_before(&mut self, input: InputId) {
        if self.deliveries.pass_over_before(input)
            && let Some(writer) = &mut self.writer
        {
            writer.hold();
        }
    }

    /// The same for what is held back, once all is known of what comes before it.
    pub(super) fn pass_over_before_held(&mut self) {
        if let Some(last) = self.writer.as_ref().and_then(Writer::last_held) {
            self.pass_over_before(last);
        }
    }

    /// Notes what was passed over: as many as `at_most`.
    pub(super) fn tell_passed_over(&mut self, at_most: usize) {
        if !self.holds() {
            return;
        }
        let now = self.shared.clock.now();
        for undelivered in self.deliveries.give_up_passed_over(at_most) {
            self.observations.note(undelivered.command(), now, None);
        }
    }

    /// Has typed what was held back, once all that is passed over for it is on record. Where nobody reads any more,
    /// it is not typed, and who waits for it is told so.
    pub(super) fn type_what_is_held(&mut self) {
        if !self.holds() {
            return;
        }
        let deliveries = &self.deliveries;
        let is_on_record = !deliveries.has_passed_over() && !self.observations.has_facts();
        if deliveries.is_unread() || is_on_record && !deliveries.may_have_forgotten() {
            self.writer.iter_mut().for_each(Writer::let_go);
        }
    }

    /// Why what is asked for again is not typed, where that has become known since it was looked at: something after
    /// it came first.
    pub(super) fn refused_meanwhile(&self, then: &[Then]) -> Option<Refusal> {
        then.iter().find_map(|then| match then {
            Then::Type { input, .. } => self.deliveries.refusal(input.id, self.id()),
            Then::Perform(_) => None,
        })
    }

    fn holds(&self) -> bool {
        self.writer.as_ref().is_some_and(Writer::holds)
    }
}
