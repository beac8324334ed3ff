//! Hearing on from a bookmark is as good as hearing all.

use bytes::Bytes;
use coven_core::{Channel, InputData, SessionId, Timestamp};
use coven_harness::OutputMark;
use coven_harness::shim::write_bookmark;
use coven_store::{Appended, Batch, NewEvent, Urgency};
use proptest::prelude::*;

use super::*;
use crate::session_task::deliveries;
use crate::session_task::made_up::{created, record, started};

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
        heard.hear(Seq::ZERO, event.clone());
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
        scanned: None,
        waiting: Vec::new(),
    };
    HeardAgain::upto(bookmark, Vec::new(), IdentitySource::Never)
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

/// A session in a log, which has typed three inputs with one commit, and written then.
async fn recorded(store: &Store) -> (Record, (Seq, Seq)) {
    append(store, vec![created(), started()]).await;
    let inputs = [1, 2, 3].map(|number| Event::Input {
        data: InputData::Plain {
            data: Bytes::from_static(b"typed"),
        },
        id: Some(InputId([number; 16])),
    });
    let typed = append(store, inputs.into()).await;
    let output = events(vec![Heard::Output(b"\x1b[?2004hwritten".to_vec())]);
    let written = append(store, output).await;
    (written.record, (typed.first, typed.last))
}

async fn append(store: &Store, events: Vec<Event>) -> Appended {
    let events = events.into_iter().map(|event| NewEvent {
        at: Timestamp::from_nanos(5),
        actor: None,
        event,
    });
    let batch = Batch {
        session: SessionId::parse("one").unwrap(),
        events: events.collect(),
        after: None,
        urgency: Urgency::Output,
    };
    store.append(batch).await.unwrap()
}

fn at_the_end_of(record: &Record, waiting: Vec<(InputId, deliveries::Batch)>) -> Bookmark {
    let output_bytes = record.session.output_bytes;
    Bookmark {
        session: record.session.id.clone(),
        seq: record.last_seq,
        at: record.updated_at,
        output_bytes,
        screen: Screenless::starting_at(output_bytes),
        scanned: None,
        names: vec![InputId([1; 16])],
        undelivered: Vec::new(),
        waiting,
    }
}

fn begin(
    bookmark: Bookmark,
    record: &Record,
    store: &Store,
    identity: IdentitySource,
) -> HeardAgain {
    let folder = tempfile::tempdir().unwrap();
    write_bookmark(folder.path(), &bookmark.encode().unwrap()).unwrap();
    HeardAgain::begin(folder.path(), record, store, identity).unwrap()
}

#[tokio::test]
async fn what_waits_before_a_bookmark_is_read_where_it_is_on_record() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(&home.path().join("log"), coven_store::Options::default()).unwrap();
    let (record, batch) = recorded(&store).await;
    let ids = [1, 2, 3].map(|number| InputId([number; 16]));
    let bookmark = at_the_end_of(&record, vec![(ids[1], batch), (ids[2], batch)]);
    let heard = begin(bookmark, &record, &store, IdentitySource::Never);
    assert_eq!(heard.upto, record.last_seq);
    assert_eq!(names(&heard), ids);
    let waits = heard.inputs.may_wait.iter();
    let waits = waits.map(|it| (it.id, it.place, it.data.clone()));
    let typed = Some(Bytes::from_static(b"typed"));
    let places = [batch.0.get() + 1, batch.1.get()].map(Seq::new);
    assert!(waits.eq([
        (ids[1], places[0], typed.clone()),
        (ids[2], places[1], typed)
    ]));
    store.close().await;
}

/// What it says of the terminal is known from nowhere else then.
#[tokio::test]
async fn one_behind_output_that_was_trimmed_fits() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(&home.path().join("log"), coven_store::Options::default()).unwrap();
    let (record, _) = recorded(&store).await;
    let bookmark = at_the_end_of(&record, Vec::new());
    let gone = |offset, len_bytes| Event::Trimmed {
        offset,
        len_bytes,
        sha256: [0; 32],
    };
    let all = record.session.output_bytes;
    let mut more = vec![gone(0, all)];
    for is_beyond in [false, true] {
        let trimmed = append(&store, std::mem::take(&mut more)).await.record;
        let heard = begin(bookmark.clone(), &trimmed, &store, IdentitySource::Never);
        assert_eq!(heard.upto, record.last_seq, "{is_beyond}");
        let data = Bytes::from_static(b"more");
        let channel = Channel::Tty;
        let offset = all;
        more = vec![
            Event::Output {
                offset,
                data,
                channel,
            },
            gone(all, 4),
        ];
    }
    store.close().await;
}

#[tokio::test]
async fn one_that_does_not_fit_the_log_is_not_gone_by() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(&home.path().join("log"), coven_store::Options::default()).unwrap();
    let (record, _) = recorded(&store).await;
    let fits = at_the_end_of(&record, Vec::new());
    let other = |change: &dyn Fn(&mut Bookmark)| {
        let mut other = fits.clone();
        change(&mut other);
        begin(other, &record, &store, IdentitySource::Never).upto
    };
    assert_eq!(other(&|_| {}), record.last_seq);
    let waiting = |first, last| vec![(InputId([2; 16]), (Seq::new(first), Seq::new(last)))];
    let changes: [&dyn Fn(&mut Bookmark); 8] = [
        &|it| it.session = SessionId::parse("other").unwrap(),
        &|it| it.seq = Seq::new(it.seq.get() + 1),
        &|it| it.seq = Seq::ZERO,
        &|it| it.at = Timestamp::from_nanos(6),
        &|it| it.output_bytes += 1,
        &|it| it.screen = Screenless::starting_at(u64::MAX),
        &|it| it.waiting = waiting(2, 1),
        &|it| it.waiting = waiting(1, u64::MAX),
    ];
    for change in changes {
        assert_eq!(other(change), Seq::ZERO);
    }
    // Nobody listened for the conversation's id.
    let mark = OutputMark {
        banner: "Agent",
        label: "id: ",
        end: "end",
    };
    let heard = begin(fits, &record, &store, IdentitySource::Output(mark));
    assert_eq!(heard.upto, Seq::ZERO);
    store.close().await;
}
