//! Which inputs on record were not written whole to the process, and what is said of them.
//!
//! Inputs are written in the order of the log, one after the other: of one that is written, all before it
//! were, but for those that are on record as undelivered by then ([`passed_over`]). So a word about one tells of
//! those before it, which matters where a shim has forgotten what it said of them.

mod passed_over;
mod waiting;

use std::collections::VecDeque;

use coven_core::limits::MAX_UNDELIVERED_INPUTS;
use coven_core::{Command, InputId, Refusal, SessionId};
use tokio::sync::watch;

use super::rooms::Rooms;
pub(crate) use waiting::Batch;
use waiting::{Text, Waiting, Written};

/// Inputs on record of which it is not known that they are written, and those that never will be.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    /// In the order of the log.
    waiting: VecDeque<Waiting>,
    /// The newest of those that are told to be undelivered.
    told: VecDeque<Undelivered>,
    rooms: Rooms,
    /// Whether all was heard that tells of what an engine before put on record.
    is_behind: watch::Sender<bool>,
    /// It is known that nobody reads what is typed any more.
    is_unread: bool,
    /// What whoever wrote had said when it died, if it did.
    last_word: Option<LastWord>,
}

/// An input that was not written whole, and will not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Undelivered {
    pub(super) id: InputId,
    pub(super) len_bytes: u64,
    /// `None` where nobody knows.
    pub(super) written_bytes: Option<u64>,
}

/// What whoever wrote to a process has said by the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastWord {
    /// All that there was to say.
    All,
    /// It died; what it had taken, and was done with, is known.
    Died,
    /// It died, and that is not known either.
    Unknown,
}

impl Deliveries {
    /// The rooms of those that wait, and of those that are on their way into the log.
    pub(super) const fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// Nobody reads what is typed any more.
    pub(super) const fn nobody_reads(&mut self) {
        self.is_unread = true;
    }

    /// Whether that is known.
    pub(super) const fn is_unread(&self) -> bool {
        self.is_unread
    }

    /// So much of an input is written, and no more will be; gives what is to be said of it. That it is not
    /// whole is because nobody reads any more: of none after it anything is written.
    pub(super) fn done(&mut self, id: InputId, written_bytes: u64) -> Option<Undelivered> {
        self.place(id)?;
        self.reached(id, written_bytes);
        let is_left = |first: &Waiting| first.id == id;
        let left = self.waiting.front().is_some_and(is_left);
        let undelivered = left
            .then(|| self.tell_oldest(Some(written_bytes)))
            .flatten()?;
        self.is_unread = true;
        for waiting in &mut self.waiting {
            waiting.written = Written::Bytes(0);
        }
        Some(undelivered)
    }

    /// The newest of those that are on record as undelivered, or are about to be, oldest first.
    pub(super) fn told(&self) -> impl Iterator<Item = Undelivered> {
        self.told.iter().copied()
    }

    /// This one is on record as undelivered.
    pub(super) fn is_told(&mut self, undelivered: Undelivered) {
        if let Some(place) = self.place(undelivered.id) {
            self.waiting.remove(place);
        }
        self.tell(undelivered);
    }

    /// Whoever wrote is dead, and all it left was heard.
    pub(super) fn fell_silent(&mut self, last_word: LastWord) {
        self.last_word = Some(last_word);
        self.is_unread = true;
        self.is_behind.send_replace(false);
    }

    /// Gives so many of the inputs at most that are to be told now, the oldest, where nobody reads any more:
    /// those of which it is known how much was written, and what a shim that is dead does not tell of.
    pub(super) fn give_up_unread(&mut self, at_most: usize) -> Vec<Undelivered> {
        if let Some(last_word) = self.last_word {
            return self.give_up(last_word, at_most);
        }
        let mut given_up = Vec::new();
        while self.is_unread
            && given_up.len() < at_most
            && let Some(Written::Bytes(bytes)) = self.waiting.front().map(|oldest| oldest.written)
        {
            given_up.extend(self.tell_oldest(Some(bytes)));
        }
        given_up
    }

    /// Nothing more will be heard: gives so many of the inputs at most that are to be told now, the oldest.
    /// Whoever wrote has said `unless_silent`, if it did not fall silent before.
    pub(super) fn give_up(&mut self, unless_silent: LastWord, at_most: usize) -> Vec<Undelivered> {
        let last_word = self.last_word.unwrap_or(unless_silent);
        let mut given_up = Vec::new();
        while given_up.len() < at_most
            && let Some(oldest) = self.waiting.front()
        {
            let written_bytes = match (oldest.written, last_word) {
                // It has told of all that it did not write whole.
                (Written::ByShim, LastWord::All) => {
                    self.waiting.pop_front();
                    continue;
                }
                (Written::Bytes(bytes), LastWord::All | LastWord::Died) => Some(bytes),
                (Written::Unknown, LastWord::All | LastWord::Died) => Some(0),
                (Written::ByShim, LastWord::Died) | (_, LastWord::Unknown) => None,
            };
            given_up.extend(self.tell_oldest(written_bytes));
        }
        given_up
    }

    /// Why an input that is on record is not typed any more.
    pub(super) fn refusal(&self, id: InputId, session: &SessionId) -> Option<Refusal> {
        if let Some(told) = self.told.iter().rev().find(|told| told.id == id) {
            return Some(told.refusal(session));
        }
        let waiting = self.waiting.iter().find(|waiting| waiting.id == id)?;
        match waiting.written {
            // It is about to be told.
            Written::Bytes(bytes) if self.is_unread || waiting.text == Text::PassedOver => {
                Some(waiting.undelivered(Some(bytes)).refusal(session))
            }
            Written::Bytes(_) | Written::Unknown | Written::ByShim => None,
        }
    }

    /// Tells of the oldest that waits.
    fn tell_oldest(&mut self, written_bytes: Option<u64>) -> Option<Undelivered> {
        let undelivered = self.waiting.pop_front()?.undelivered(written_bytes);
        self.tell(undelivered);
        Some(undelivered)
    }

    fn tell(&mut self, undelivered: Undelivered) {
        if self.told.len() == MAX_UNDELIVERED_INPUTS {
            self.told.pop_front();
        }
        self.told.push_back(undelivered);
    }
}

impl Undelivered {
    pub(super) fn command(self) -> Command {
        Command::RecordUndelivered {
            id: self.id,
            len_bytes: self.len_bytes,
            written_bytes: self.written_bytes,
        }
    }

    fn refusal(self, session: &SessionId) -> Refusal {
        Refusal::InputUndelivered {
            session: session.clone(),
            len_bytes: self.len_bytes,
            written_bytes: self.written_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use coven_core::Seq;

    use super::*;

    const PLACE: Batch = (Seq::ZERO, Seq::ZERO);

    /// Four inputs of ten bytes.
    fn four() -> Deliveries {
        let mut deliveries = Deliveries::default();
        for number in 1..=4 {
            deliveries.recorded(id(number), 10, PLACE, None);
        }
        deliveries
    }

    const fn id(number: u8) -> InputId {
        InputId([number; 16])
    }

    /// What is given up, by its number, and how much of it was written.
    fn given_up(deliveries: &mut Deliveries) -> Vec<(u8, Option<u64>)> {
        let given_up = deliveries.give_up(LastWord::All, usize::MAX);
        assert!(deliveries.is_empty());
        given_up
            .iter()
            .map(|it| (it.id.0[0], it.written_bytes))
            .collect()
    }

    #[test]
    fn what_is_written_whole_is_not_told_and_neither_is_what_came_before_it() {
        let mut deliveries = four();
        assert_eq!(deliveries.done(id(2), 10), None);
        assert_eq!(deliveries.done(id(2), 10), None);
        assert_eq!(given_up(&mut deliveries), [(3, Some(0)), (4, Some(0))]);
        assert_eq!(given_up(&mut deliveries), []);
    }

    #[test]
    fn what_is_done_with_and_not_whole_is_told_once() {
        let mut deliveries = four();
        let session = SessionId::parse("one").expect("an id");
        let refused = |deliveries: &Deliveries, number| {
            let refusal = deliveries.refusal(id(number), &session);
            refusal.map(|refusal| refusal.code().as_str())
        };
        assert_eq!(refused(&deliveries, 1), None);
        let told = deliveries.done(id(1), 3).expect("it is told");
        assert_eq!((told.len_bytes, told.written_bytes), (10, Some(3)));
        assert_eq!(deliveries.done(id(1), 3), None);
        for undelivered in [1, 2] {
            let code = refused(&deliveries, undelivered);
            assert_eq!(code, Some("input_undelivered"));
        }
        assert_eq!(refused(&deliveries, 5), None);
        assert_eq!(given_up(&mut deliveries).len(), 3);
        assert_eq!(refused(&deliveries, 4), Some("input_undelivered"));
    }

    #[test]
    fn what_is_on_record_as_undelivered_is_not_told_again() {
        let mut deliveries = four();
        deliveries.is_told(Undelivered {
            id: id(2),
            len_bytes: 10,
            written_bytes: None,
        });
        assert_eq!(deliveries.done(id(2), 0), None);
        let left: Vec<_> = given_up(&mut deliveries).iter().map(|it| it.0).collect();
        assert_eq!(left, [1, 3, 4]);
    }

    #[test]
    fn of_what_a_shim_took_and_said_no_more_it_is_known_only_as_much_as_it_can_be() {
        for (last_word, expected) in [
            // It tells at its end of all that it did not write: what it does not tell of was written before.
            (LastWord::All, &[(3, Some(0)), (4, Some(0))][..]),
            (
                LastWord::Died,
                &[(1, None), (2, None), (3, Some(0)), (4, Some(0))],
            ),
            (
                LastWord::Unknown,
                &[(1, None), (2, None), (3, None), (4, None)],
            ),
        ] {
            let mut deliveries = four();
            deliveries.taken(id(2));
            deliveries.fell_silent(last_word);
            assert_eq!(given_up(&mut deliveries), expected, "{last_word:?}");
        }
    }

    #[test]
    fn who_died_has_said_what_it_had_by_then_however_the_session_ends() {
        for (silent, expected) in [(None, &[][..]), (Some(LastWord::Died), &[(1, None)])] {
            let mut deliveries = Deliveries::default();
            deliveries.recorded(id(1), 10, PLACE, None);
            deliveries.taken(id(1));
            silent
                .into_iter()
                .for_each(|said| deliveries.fell_silent(said));
            assert_eq!(given_up(&mut deliveries), expected);
        }
        let mut deliveries = Deliveries::default();
        deliveries.recorded(id(1), 10, PLACE, None);
        let given_up = deliveries.give_up(LastWord::Unknown, 1);
        assert_eq!(given_up[0].written_bytes, None);
    }

    #[test]
    fn once_nobody_reads_all_that_waits_is_told_at_once_and_no_more_of_a_shim_is_waited_for() {
        let mut deliveries = four();
        deliveries.taken(id(3));
        assert_eq!(deliveries.give_up_unread(9), []);
        assert!(deliveries.done(id(2), 9).is_some());
        assert!(deliveries.is_unread());
        let session = SessionId::parse("one").expect("an id");
        assert!(deliveries.refusal(id(4), &session).is_some());
        let told = deliveries.give_up_unread(9);
        let told: Vec<_> = told.iter().map(|it| (it.id, it.written_bytes)).collect();
        assert_eq!(told, [(id(3), Some(0)), (id(4), Some(0))]);
        // The shim says so, too.
        assert_eq!(deliveries.done(id(3), 0), None);
        assert!(deliveries.is_empty());
    }

    #[test]
    fn where_a_shim_refuses_what_nobody_reads_its_word_on_what_it_took_comes_first() {
        let mut deliveries = four();
        deliveries.taken(id(1));
        deliveries.nobody_reads();
        assert_eq!(deliveries.give_up_unread(9), []);
        assert_eq!(deliveries.done(id(1), 10), None);
        assert_eq!(deliveries.give_up_unread(2).len(), 2);
        assert_eq!(deliveries.give_up_unread(9).len(), 1);
    }

    #[test]
    fn of_what_an_engine_before_put_on_record_nothing_is_told_before_its_shim_is_heard() {
        let mut deliveries = Deliveries::default();
        for number in 1..=3 {
            deliveries.recorded_before(id(number), 10, Seq::ZERO);
        }
        deliveries.nobody_reads();
        assert_eq!(deliveries.give_up_unread(9), []);
        assert_eq!(deliveries.done(id(1), 10), None);
        deliveries.caught_up();
        let told = deliveries.give_up_unread(9);
        assert!(told.iter().map(|it| it.id).eq([id(2), id(3)]));
    }

    #[test]
    fn what_was_begun_is_told_with_how_much_of_it_was_written() {
        let mut deliveries = four();
        deliveries.reached(id(3), 7);
        assert_eq!(given_up(&mut deliveries), [(3, Some(7)), (4, Some(0))]);
    }

    #[test]
    fn no_more_are_given_up_at_once_than_asked_for() {
        let mut deliveries = four();
        assert_eq!(deliveries.give_up(LastWord::All, 3).len(), 3);
        assert!(!deliveries.is_empty());
        assert_eq!(given_up(&mut deliveries), [(4, Some(0))]);
    }
}
