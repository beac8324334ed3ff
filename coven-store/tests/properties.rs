//! Laws: whatever is done to a log, it is what its batches, one after the other, make it.

mod support;

use coven_core::{Envelope, Event, Record, Seq, SessionId, is_trimmed};
use coven_store::{AppendError, Archived, Options, Page, ReadLimit, Store};
use proptest::prelude::*;
use support::*;

/// What is done to a log.
#[derive(Clone, Debug)]
enum Step {
    /// Appends these events to a session, whether or not they can follow.
    Append {
        session: usize,
        events: Vec<Kind>,
    },
    Reopen,
    Rebuild,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Created,
    Registered,
    Started,
    Output {
        len_bytes: usize,
    },
    Kill,
    Closed,
    Exited,
    Completed,
    Archived,
    Summoned,
    Deleted,
    /// The oldest so many output events that are left go.
    Trimmed {
        events: usize,
    },
}

const SESSIONS: [&str; 3] = ["a", "b", "c"];

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        2 => Just(Kind::Created),
        1 => Just(Kind::Registered),
        3 => Just(Kind::Started),
        6 => (0..6000usize).prop_map(|len_bytes| Kind::Output { len_bytes }),
        1 => Just(Kind::Kill),
        2 => Just(Kind::Closed),
        2 => Just(Kind::Exited),
        1 => Just(Kind::Completed),
        1 => Just(Kind::Archived),
        1 => Just(Kind::Summoned),
        1 => Just(Kind::Deleted),
        3 => (1..4usize).prop_map(|events| Kind::Trimmed { events }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let append = (0..SESSIONS.len(), prop::collection::vec(kind(), 1..4))
        .prop_map(|(session, events)| Step::Append { session, events });
    // Lives that can be lived, so that there is something to delete.
    let life = (0..SESSIONS.len(), 0..9000usize).prop_map(|(session, len_bytes)| Step::Append {
        session,
        events: vec![
            Kind::Created,
            Kind::Started,
            Kind::Output { len_bytes },
            Kind::Closed,
            Kind::Exited,
        ],
    });
    prop_oneof![
        12 => append,
        3 => life,
        1 => Just(Step::Reopen),
        1 => Just(Step::Rebuild),
    ]
}

/// What the log is to be.
#[derive(Default)]
struct Model {
    last: u64,
    events: Vec<Envelope>,
    launched_and_gone: Vec<SessionId>,
}

impl Model {
    fn record(&self, session: &SessionId) -> Option<Record> {
        self.of(session).into_iter().fold(None, |record, envelope| {
            Some(Record::fold(record, &envelope).expect("it was appended"))
        })
    }

    /// A session's events, unless it is deleted.
    fn of(&self, session: &SessionId) -> Vec<Envelope> {
        let of_it = |it: &&Envelope| it.session == *session && it.event != Event::Deleted;
        self.events.iter().filter(of_it).cloned().collect()
    }

    /// Of those events, what is to be read.
    fn left(&self, events: Vec<Envelope>) -> Vec<Envelope> {
        let trimmed: Vec<u64> = SESSIONS
            .iter()
            .map(|name| {
                self.record(&id(name))
                    .map_or(0, |it| it.session.trimmed_bytes)
            })
            .collect();
        let trimmed = |session: &SessionId| {
            let at = SESSIONS.iter().position(|name| id(name) == *session);
            trimmed[at.expect("it is one of them")]
        };
        let is_left = |it: &Envelope| match &it.event {
            Event::Output { offset, data, .. } => {
                !is_trimmed(*offset, data.len() as u64, trimmed(&it.session))
            }
            _ => true,
        };
        events.into_iter().filter(is_left).collect()
    }

    /// Where a session was trimmed to, and where its output events end.
    fn outputs(&self, session: &SessionId) -> Outputs {
        let record = self.record(session);
        let ends = self
            .of(session)
            .into_iter()
            .filter_map(|it| match it.event {
                Event::Output { offset, data, .. } => Some(offset + data.len() as u64),
                _ => None,
            });
        Outputs {
            trimmed_bytes: record.map_or(0, |it| it.session.trimmed_bytes),
            ends: ends.collect(),
        }
    }

    /// Appends what can follow, or nothing.
    fn append(&mut self, session: &SessionId, events: &[Event]) -> bool {
        let before = self.record(session);
        let gone = self.launched_and_gone.contains(session);
        if before.is_none() && gone && matches!(events[0], Event::Created { .. }) {
            return false;
        }
        let mut record = before;
        let mut appended = Vec::new();
        for (event, nanos) in events.iter().zip(1..) {
            let envelope = Envelope {
                seq: Seq::new(self.last + 1 + appended.len() as u64),
                session: session.clone(),
                at: at(nanos),
                actor: None,
                event: event.clone(),
            };
            match Record::fold(record, &envelope) {
                Ok(folded) => record = Some(folded),
                Err(_) => return false,
            }
            appended.push(envelope);
        }
        self.last += appended.len() as u64;
        self.events.extend(appended);
        if events.contains(&Event::Deleted) {
            let is_end = |it: &Envelope| it.event == Event::Deleted;
            self.events
                .retain(|it| it.session != *session || is_end(it));
            self.launched_and_gone.push(session.clone());
        }
        true
    }
}

struct Outputs {
    trimmed_bytes: u64,
    ends: Vec<u64>,
}

impl Outputs {
    /// The trim of so many events, or of all there are; an empty one where there are none.
    fn trim(&mut self, events: usize) -> Event {
        let from = self.trimmed_bytes;
        let left = self.ends.iter().filter(|end| **end > from);
        self.trimmed_bytes = left.take(events).last().copied().unwrap_or(from);
        trimmed(from, self.trimmed_bytes)
    }
}

fn event(kind: Kind, session: &str, outputs: &mut Outputs, seed: u64) -> Event {
    match kind {
        Kind::Created => created(),
        Kind::Registered => registered(session),
        Kind::Started => started(),
        Kind::Output { len_bytes } => {
            let offset = outputs.ends.last().copied().unwrap_or(0);
            outputs.ends.push(offset + len_bytes as u64);
            output(offset, noise(seed, len_bytes))
        }
        Kind::Kill => Event::KillRequested,
        Kind::Closed => output_closed(),
        Kind::Exited => exited(0),
        Kind::Completed => Event::Completed { exit_code: Some(1) },
        Kind::Archived => Event::Archived,
        Kind::Summoned => Event::Summoned,
        Kind::Deleted => Event::Deleted,
        Kind::Trimmed { events } => outputs.trim(events),
    }
}

async fn run(steps: Vec<Step>) {
    let home = Home::new();
    let mut store = open(&home);
    let mut model = Model::default();
    for (step, seed) in steps.into_iter().zip(1..) {
        match step {
            Step::Append { session, events } => {
                let name = SESSIONS[session];
                let mut outputs = model.outputs(&id(name));
                let events: Vec<Event> = events
                    .into_iter()
                    .map(|kind| event(kind, name, &mut outputs, seed))
                    .collect();
                let expected = model.append(&id(name), &events);
                match append(&store, name, events).await {
                    Ok(appended) => {
                        assert!(expected);
                        assert_eq!(appended.last, Seq::new(model.last));
                    }
                    Err(AppendError::Illegal(_) | AppendError::Conflict { .. }) => {
                        assert!(!expected);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            Step::Reopen => {
                store.close().await;
                store = open(&home);
            }
            Step::Rebuild => {
                let rebuilt = store.rebuild_projections().await;
                rebuilt.expect("it can be rebuilt");
            }
        }
    }
    compare(&store, &model);
    store.close().await;
    compare(&open(&home), &model);
}

fn compare(store: &Store, model: &Model) {
    assert_eq!(store.last_seq(), Seq::new(model.last));
    let mut records = Vec::new();
    for name in SESSIONS {
        let record = model.record(&id(name));
        assert_eq!(store.record(&id(name)), Ok(record.clone()));
        records.extend(record);
        let events = model.left(model.of(&id(name)));
        assert_eq!(events_of(store, name), events);
        let trimmed_bytes = model.outputs(&id(name)).trimmed_bytes;
        compare_output(store, name, trimmed_bytes, &events);
    }
    compare_list(store, records.clone());
    records.retain(|it| !it.session.is_external() && !it.session.phase.has_ended());
    let mut live = store.live().expect("a read");
    live.sort_by(|a, b| a.session.id.cmp(&b.session.id));
    assert_eq!(live, records);
    for events in [1, 2, usize::MAX] {
        assert_eq!(in_pages(store, events), model.left(model.events.clone()));
    }
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
}

fn compare_output(store: &Store, name: &str, trimmed_bytes: u64, events: &[Envelope]) {
    let whole: Vec<u8> = events
        .iter()
        .filter_map(|it| match &it.event {
            Event::Output { data, .. } => Some(data.to_vec()),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(all_output(store, name), whole);
    let middle = whole.len() / 3;
    let chunks = store
        .output(&id(name), trimmed_bytes + middle as u64, 1000)
        .expect("a read");
    let part: Vec<u8> = chunks.iter().flat_map(|it| it.data.to_vec()).collect();
    assert_eq!(part, whole[middle..(middle + 1000).min(whole.len())]);
}

fn compare_list(store: &Store, mut records: Vec<Record>) {
    records.sort_by(|a, b| {
        let key = |it: &Record| (it.created_at, it.session.id.clone());
        key(b).cmp(&key(a))
    });
    for (archived, shown) in [(Archived::Included, true), (Archived::Hidden, false)] {
        let page = Page {
            before: None,
            limit: 10,
            archived,
        };
        let expected: Vec<Record> = records
            .iter()
            .filter(|it| shown || !it.session.archived)
            .cloned()
            .collect();
        assert_eq!(store.list(&page).expect("a read").records, expected);
    }
}

/// Small, so that what is read is in the journal as often as not.
fn open(home: &Home) -> Store {
    let options = Options {
        fold_bytes: 4000,
        ..Options::default()
    };
    Store::open(&home.path(), options).expect("the store opens")
}

fn in_pages(store: &Store, events: usize) -> Vec<Envelope> {
    let limit = ReadLimit {
        events,
        bytes: usize::MAX,
    };
    let mut joined: Vec<Envelope> = Vec::new();
    loop {
        let after = joined.last().map_or(Seq::ZERO, |it| it.seq);
        let page = store.read_all(after, limit).expect("a read");
        if page.is_empty() {
            return joined;
        }
        joined.extend(page);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_what_its_batches_make_it(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(run(steps));
    }
}
