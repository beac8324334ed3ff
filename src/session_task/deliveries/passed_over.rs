//! Inputs on record whose bytes nobody has: hidden ones, of which an engine that is dead was given them.

use coven_core::{InputId, Seq};

use super::{Deliveries, Text, Undelivered, Waiting, Written};

impl Deliveries {
    /// An input is on record, by an engine before, which alone had its bytes. It takes its room until more is
    /// known of it.
    pub(in crate::session_task) fn forgotten_before(
        &mut self,
        id: InputId,
        len_bytes: u64,
        place: Seq,
    ) {
        self.recorded_before(id, len_bytes, place);
        if let Some(last) = self.waiting.back_mut() {
            last.text = Text::Forgotten;
        }
    }

    /// Whether there is one of which it is not known yet whether it was written.
    pub(in crate::session_task) fn may_have_forgotten(&self) -> bool {
        let is_unknown = |waiting: &Waiting| matches!(waiting.written, Written::Unknown);
        let mut waiting = self.waiting.iter();
        waiting.any(|waiting| waiting.text == Text::Forgotten && is_unknown(waiting))
    }

    /// Somebody asks for it again, and so gives its bytes.
    pub(in crate::session_task) fn asked_again(&mut self, id: InputId) {
        if let Some(place) = self.place(id)
            && self.waiting[place].text == Text::Forgotten
        {
            self.waiting[place].text = Text::Known;
        }
    }

    /// This one is to be written: those before it that are not, and whose bytes nobody has, never will be. True
    /// where there are any, which are to be told first.
    pub(in crate::session_task) fn pass_over_before(&mut self, id: InputId) -> bool {
        let Some(place) = self.place(id) else {
            return false;
        };
        let mut is_any = false;
        for waiting in self.waiting.range_mut(..place) {
            if let (Text::Forgotten, Written::Bytes(_)) = (waiting.text, waiting.written) {
                waiting.text = Text::PassedOver;
                is_any = true;
            }
        }
        is_any
    }

    /// Whether some of those are still to be told.
    pub(in crate::session_task) fn has_passed_over(&self) -> bool {
        self.waiting.iter().any(Waiting::is_passed_over)
    }

    /// Gives so many of those at most that are to be told now, the oldest.
    pub(in crate::session_task) fn give_up_passed_over(
        &mut self,
        at_most: usize,
    ) -> Vec<Undelivered> {
        let mut given_up = Vec::new();
        while given_up.len() < at_most
            && let Some(place) = self.waiting.iter().position(Waiting::is_passed_over)
            && let Some(waiting) = self.waiting.remove(place)
        {
            let written_bytes = match waiting.written {
                Written::Bytes(bytes) => Some(bytes),
                Written::Unknown | Written::ByShim => None,
            };
            let undelivered = waiting.undelivered(written_bytes);
            self.tell(undelivered);
            given_up.push(undelivered);
        }
        given_up
    }
}

impl Waiting {
    fn is_passed_over(&self) -> bool {
        self.text == Text::PassedOver
    }
}

#[cfg(test)]
mod tests {
    use super::super::LastWord;
    use super::*;

    const fn id(number: u8) -> InputId {
        InputId([number; 16])
    }

    /// Of an engine before: the second and the third are hidden.
    fn taken_over() -> Deliveries {
        let mut deliveries = Deliveries::default();
        deliveries.recorded_before(id(1), 10, Seq::ZERO);
        deliveries.forgotten_before(id(2), 10, Seq::ZERO);
        deliveries.forgotten_before(id(3), 10, Seq::ZERO);
        deliveries.recorded_before(id(4), 10, Seq::ZERO);
        deliveries
    }

    fn told(deliveries: &mut Deliveries, at_most: usize) -> Vec<(u8, Option<u64>)> {
        let told = deliveries.give_up_passed_over(at_most);
        told.iter()
            .map(|it| (it.id.0[0], it.written_bytes))
            .collect()
    }

    #[test]
    fn what_nobody_has_the_bytes_of_is_told_once_when_what_comes_after_it_is_to_be_written() {
        let mut deliveries = taken_over();
        assert!(deliveries.may_have_forgotten());
        // A shim may have it.
        assert!(!deliveries.pass_over_before(id(4)));
        deliveries.caught_up();
        assert!(!deliveries.may_have_forgotten());
        // Nothing comes after these.
        assert!(!deliveries.pass_over_before(id(1)) && !deliveries.pass_over_before(id(2)));
        assert!(!deliveries.pass_over_before(id(9)));
        assert!(deliveries.pass_over_before(id(4)));
        let session = coven_core::SessionId::parse("one").expect("an id");
        let refused = [1, 2, 3, 4].map(|it| deliveries.refusal(id(it), &session).is_some());
        assert_eq!(refused, [false, true, true, false]);
        assert_eq!(told(&mut deliveries, 1), [(2, Some(0))]);
        assert!(deliveries.has_passed_over());
        assert_eq!(told(&mut deliveries, 9), [(3, Some(0))]);
        assert!(!deliveries.has_passed_over() && !deliveries.pass_over_before(id(4)));
        let left = deliveries.give_up(LastWord::All, 9);
        assert!(left.iter().map(|it| it.id).eq([id(1), id(4)]));
        assert!(deliveries.refusal(id(2), &session).is_some());
    }

    #[test]
    fn what_a_shim_has_or_is_asked_for_again_is_not_passed_over() {
        let mut deliveries = taken_over();
        deliveries.taken(id(2));
        assert!(deliveries.may_have_forgotten());
        deliveries.caught_up();
        deliveries.asked_again(id(3));
        assert!(!deliveries.pass_over_before(id(4)));
        assert_eq!(told(&mut deliveries, 9), []);
    }
}
