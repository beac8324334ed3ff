//! `Owed`: the answer to whoever asked for an input that is on record. It is given whatever becomes of who types
//! that: one who is told that nothing was recorded asks again, and it would be typed twice.

use tokio::sync::watch;

use super::control::answer;
use super::typing::not_typed;
use super::writer::NotTyped;
use crate::Record;
use crate::running::Ask;

/// An answer that waits until it is known whether the input is sure to be typed.
pub(super) struct Owed {
    /// Until it is given.
    ask: Option<Ask>,
    record: Record,
    kept: Kept,
    unsure: Option<Unsure>,
}

/// How much of an input the log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// All of it: whoever takes the session over types it.
    Whole,
    /// Not what it is, or that is not known: nobody but this engine can type it.
    Name,
}

impl Kept {
    /// Of two that were asked for as one.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Whole, Self::Whole) => Self::Whole,
            (Self::Name, _) | (_, Self::Name) => Self::Name,
        }
    }
}

/// How many answers wait that cannot be given before it is known what became of their input.
#[derive(Debug)]
pub(super) struct UnsureCount(watch::Sender<usize>);

/// One of those.
struct Unsure(watch::Sender<usize>);

impl Owed {
    pub(super) const fn new(ask: Ask, record: Record, kept: Kept) -> Self {
        Self {
            ask: Some(ask),
            record,
            kept,
            unsure: None,
        }
    }

    /// Counts it, if it cannot be given before that is known.
    pub(super) fn counted_by(mut self, count: &UnsureCount) -> Self {
        if self.kept == Kept::Name {
            count.0.send_modify(|unsure| *unsure += 1);
            self.unsure = Some(Unsure(count.0.clone()));
        }
        self
    }

    /// The input is sure to be typed, should the process live; or it is not typed.
    pub(super) fn settle(mut self, typed: Result<(), NotTyped>) {
        self.give(typed);
    }

    fn give(&mut self, typed: Result<(), NotTyped>) {
        if let Some(ask) = self.ask.take() {
            let session = self.record.session.id.clone();
            let outcome = typed.map(|()| self.record.clone());
            answer(ask, outcome.map_err(|why| not_typed(session, why)));
        }
    }
}

impl Drop for Owed {
    /// What became of the input will not be known here any more.
    fn drop(&mut self) {
        self.give(match self.kept {
            Kept::Whole => Ok(()),
            Kept::Name => Err(NotTyped::unsure()),
        });
    }
}

impl UnsureCount {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    pub(super) fn is_none(&self) -> bool {
        *self.0.borrow() == 0
    }

    /// Waits until there are none.
    pub(super) async fn none_left(&self) {
        // The sender is `self`'s: it cannot be gone.
        let _ = self.0.subscribe().wait_for(|unsure| *unsure == 0).await;
    }
}

impl Drop for Unsure {
    fn drop(&mut self) {
        self.0.send_modify(|unsure| *unsure -= 1);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use coven_core::Code;
    use tokio::sync::oneshot;

    use super::*;
    use crate::Error;
    use crate::running::Request;
    use crate::session_task::made_up::record;

    type Answer = oneshot::Receiver<Result<Record, Error>>;

    fn owed(kept: Kept) -> (Owed, Answer) {
        let (reply, answer) = oneshot::channel();
        let request = Request::Input {
            data: Bytes::from_static(b"x"),
            id: None,
        };
        let by = None;
        (
            Owed::new(Ask { request, by, reply }, record(), kept),
            answer,
        )
    }

    fn given(mut answer: Answer) -> Result<(), Code> {
        let answer = answer.try_recv().expect("it is answered");
        answer.map(drop).map_err(|error| error.code())
    }

    #[test]
    fn what_is_on_record_is_answered_though_nobody_says_what_became_of_it() {
        for (kept, expected) in [
            (Kept::Whole, Ok(())),
            (Kept::Name, Err(Code::SendInputFailed)),
        ] {
            let (owed, answer) = owed(kept);
            drop(owed);
            assert_eq!(given(answer), expected);
        }
        for kept in [Kept::Whole, Kept::Name] {
            let (owed, answer) = owed(kept);
            owed.settle(Ok(()));
            assert_eq!(given(answer), Ok(()));
        }
    }

    #[tokio::test]
    async fn only_who_must_hear_of_a_shim_first_is_waited_for() {
        let count = UnsureCount::new();
        let (whole, _) = owed(Kept::Whole);
        let _whole = whole.counted_by(&count);
        assert!(count.is_none());
        let unsure = [(), ()].map(|()| owed(Kept::Name).0.counted_by(&count));
        assert!(!count.is_none());
        let [first, second] = unsure;
        let settled = tokio::spawn(async move {
            drop(first);
            second.settle(Ok(()));
        });
        count.none_left().await;
        settled.await.unwrap();
        assert!(count.is_none());
    }

    #[test]
    fn what_was_asked_for_as_one_is_whole_only_if_every_part_is() {
        let (whole, name) = (Kept::Whole, Kept::Name);
        for (parts, all) in [
            ([whole, whole], whole),
            ([whole, name], name),
            ([name, whole], name),
        ] {
            assert_eq!(parts[0].and(parts[1]), all);
        }
    }
}
