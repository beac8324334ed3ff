//! Hearing on from a bookmark is as good as hearing all.

use bytes::Bytes;
use coven_core::{Channel, InputData, SessionId, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::session_task::made_up::created;

/// What output is made of.
const PIECES: [&[u8]; 11] = [
    b"\x1b[?2004h",
    b"\x1b[?1049h",
    b"\x1b[?1049l",
    b"\x1b[>5u",
    b"\x1b]0;title",
    b"\x07",
    b"\x1b",
    b"\x1b[?25",
    b"l",
    b"text",
    &[b'x'; 3000],
];

/// What is heard of one event.
#[derive(Clone, Debug)]
enum Heard {
    Output(Vec<u8>),
    Input {
        is_hidden: bool,
    },
    /// The last input was passed over.
    PassedOver,
}

fn record() -> Record {
    let begins = Envelope {
        seq: Seq::new(1),
        session: SessionId::parse("one").unwrap(),
        at: Timestamp::from_nanos(0),
        actor: None,
        event: created(),
    };
    Record::fold(None, &begins).unwrap()
}

/// The events of a session, in which each input has a name of its own.
fn events(heard: Vec<Heard>) -> Vec<Event> {
    let (mut offset, mut last, mut events) = (0, None, Vec::new());
    for (number, heard) in heard.into_iter().enumerate() {
        match heard {
            Heard::Output(bytes) => {
                let data = Bytes::from(bytes);
                let len_bytes = data.len() as u64;
                let channel = Channel::Tty;
                events.push(Event::Output {
                    offset,
                    data,
                    channel,
                });
                offset += len_bytes;
            }
            Heard::Input { is_hidden } => {
                let id = InputId((number as u128).to_be_bytes());
                let data = match is_hidden {
                    true => InputData::Redacted { len_bytes: 5 },
                    false => InputData::Plain {
                        data: Bytes::from_static(b"typed"),
                    },
                };
                last = Some(id);
                events.push(Event::Input { data, id: Some(id) });
            }
            Heard::PassedOver => events.extend(last.take().map(|id| Event::Undelivered {
                id,
                len_bytes: 5,
                written_bytes: Some(0),
            })),
        }
    }
    events
}

fn hear(heard: &mut HeardAgain, events: &[Event]) {
    for event in events {
        heard.hear(event.clone());
    }
}

/// What is heard on from a bookmark behind what was heard so far.
fn bookmarked(heard: &HeardAgain) -> HeardAgain {
    let bookmark = Bookmark {
        session: SessionId::parse("one").unwrap(),
        seq: heard.upto,
        at: Timestamp::from_nanos(0),
        output_bytes: 0,
        screen: heard.screen.clone(),
        names: names(heard),
        undelivered: heard.undelivered.iter().copied().collect(),
        tells_identity: false,
    };
    HeardAgain::upto(bookmark, IdentitySource::Never)
}

fn names(heard: &HeardAgain) -> Vec<InputId> {
    let may_wait = heard.inputs.may_wait.iter().map(|input| input.id);
    heard
        .inputs
        .before
        .iter()
        .copied()
        .chain(may_wait)
        .collect()
}

fn told(heard: &HeardAgain) -> String {
    let HeardAgain {
        screen,
        undelivered,
        ..
    } = heard;
    format!("{screen:?} {undelivered:?} {:?}", names(heard))
}

fn any_heard() -> impl Strategy<Value = Heard> {
    let pieces = prop::collection::vec(prop::sample::select(PIECES.to_vec()), 1..6);
    prop_oneof![
        6 => pieces.prop_map(|pieces| Heard::Output(pieces.concat())),
        3 => any::<bool>().prop_map(|is_hidden| Heard::Input { is_hidden }),
        1 => Just(Heard::PassedOver),
    ]
}

proptest! {
    #[test]
    fn hearing_on_from_a_bookmark_tells_what_hearing_all_does(
        heard in prop::collection::vec(any_heard(), 0..60), place in any::<prop::sample::Index>(),
    ) {
        let events = events(heard);
        // Nothing is passed over that was typed before it.
        let place = (place.index(events.len() + 1)..events.len())
            .find(|place| !matches!(events[*place], Event::Undelivered { .. }))
            .unwrap_or(events.len());
        let mut all = HeardAgain::nothing(&record(), IdentitySource::Never);
        hear(&mut all, &events[..place]);
        let mut rest = bookmarked(&all);
        let last = names(&all).last().copied();
        hear(&mut all, &events[place..]);
        hear(&mut rest, &events[place..]);
        prop_assert_eq!(told(&rest), told(&all));
        // What may wait are those after the bookmark.
        let waits: Vec<_> = rest.inputs.may_wait.iter().map(|input| input.id).collect();
        let since = names(&all);
        let since = since.iter().position(|id| Some(*id) == last).map_or(&since[..], |at| &since[at + 1..]);
        prop_assert_eq!(&waits[..], since);
    }
}
