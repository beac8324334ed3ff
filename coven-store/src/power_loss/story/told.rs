//! What a log acknowledged while a story was lived, and what it must have for that.

use std::collections::BTreeMap;

use coven_core::{Envelope, Event, Seq, is_trimmed};
use redb::ReadableTableMetadata;

use super::OPTIONS;
use crate::layout::{ERASING, TRIMMING};
use crate::test_support::{ALL, Home, ended, events_of, trimmed};
use crate::{Options, ReadError, Store};

/// What was asked for and what was answered.
#[derive(Clone, Debug, Default)]
pub(in crate::power_loss) struct Told {
    pub(super) sessions: BTreeMap<&'static str, Session>,
    pub(super) newest: Seq,
    /// What the cold file had and did not use, whenever there was nothing more to do.
    pub(in crate::power_loss) unused_bytes: Vec<u64>,
    /// The log said what was wrong with the disk.
    pub(in crate::power_loss) is_said: bool,
    /// It failed while files of the log were closed.
    pub(in crate::power_loss) may_be_unsaid: bool,
    /// The power was cut under it.
    pub(in crate::power_loss) was_cut: bool,
    /// How often it was seen to take nothing while the disk took nothing.
    pub(in crate::power_loss) refused: usize,
}

impl Told {
    /// All that a log has.
    pub(in crate::power_loss) fn by(store: &Store) -> Self {
        let mut told = Self {
            newest: store.last_seq(),
            ..Self::default()
        };
        for envelope in store.read_all(Seq::ZERO, ALL).expect("a read") {
            let name = envelope.session.as_str();
            if told.sessions.contains_key(name) {
                continue;
            }
            let acked = read(&events_of(store, name));
            let session = Session {
                acked,
                asked: Vec::new(),
            };
            told.sessions.insert(name.to_owned().leak(), session);
        }
        told
    }

    /// What was found of a session is what it has.
    pub(super) fn take_for_said(&mut self, name: &'static str, found: &[Envelope]) {
        self.sessions.entry(name).or_default().take_for_said(found);
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    /// What it has for sure.
    pub(super) acked: Vec<(Seq, Event)>,
    /// What it may have besides, all of it or nothing.
    pub(super) asked: Vec<Event>,
}

impl Session {
    /// What was asked for is there.
    pub(super) fn acknowledge(&mut self, first: Seq) {
        for (event, seq) in std::mem::take(&mut self.asked)
            .into_iter()
            .zip(first.get()..)
        {
            match event {
                Event::Deleted => self.acked.clear(),
                event => self.acked.push((Seq::new(seq), event)),
            }
        }
    }

    /// Whether that is what is to be read of it.
    pub(super) fn is(&self, found: &[Envelope]) -> bool {
        let found = read(found);
        found == self.left() || found == self.with_asked(&found).left()
    }

    /// What was found is what it has, with what was asked for or without.
    fn take_for_said(&mut self, found: &[Envelope]) {
        let found = read(found);
        if found == self.left() {
            self.asked.clear();
        } else {
            *self = self.with_asked(&found);
            assert_eq!(found, self.left(), "it is what was told");
        }
    }

    /// The same session, were what was asked for acknowledged, with the last of what was found.
    fn with_asked(&self, found: &[(Seq, Event)]) -> Self {
        let mut session = self.clone();
        let last = session.acked.last().map_or(Seq::ZERO, |(seq, _)| *seq);
        // Whatever of them is to be read, the last is, and they follow one another.
        let newest = found.last().map_or(Seq::ZERO, |(seq, _)| (*seq).max(last));
        let more = session.asked.len() as u64;
        session.acknowledge(Seq::new((newest.get() + 1).saturating_sub(more)));
        session
    }

    /// What is to be read of it.
    fn left(&self) -> Vec<(Seq, Event)> {
        let outputs = Outputs::of(self.acked.iter().map(|(_, event)| event));
        let is_left = |(_, event): &&(Seq, Event)| match event {
            Event::Output { offset, data, .. } => {
                !is_trimmed(*offset, data.len() as u64, outputs.trimmed_bytes)
            }
            _ => true,
        };
        self.acked.iter().filter(is_left).cloned().collect()
    }
}

fn read(found: &[Envelope]) -> Vec<(Seq, Event)> {
    let events = found.iter();
    events.map(|it| (it.seq, it.event.clone())).collect()
}

/// Where a session's output events end, and where it was trimmed to.
#[derive(Default)]
pub(super) struct Outputs {
    ends: Vec<u64>,
    trimmed_bytes: u64,
}

impl Outputs {
    pub(super) fn of<'a>(events: impl Iterator<Item = &'a Event>) -> Self {
        let mut outputs = Self::default();
        events.for_each(|event| outputs.add(event));
        outputs
    }

    pub(super) fn add(&mut self, event: &Event) {
        match event {
            Event::Output { offset, data, .. } => self.ends.push(offset + data.len() as u64),
            Event::Trimmed {
                offset, len_bytes, ..
            } => self.trimmed_bytes = offset + len_bytes,
            _ => {}
        }
    }

    pub(super) fn len_bytes(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The trim of so many events, or of all there are; an empty one where there are none.
    pub(super) fn trim(&self, events: usize) -> Event {
        let left = self.ends.iter().filter(|end| **end > self.trimmed_bytes);
        let end = left.take(events).last().copied();
        trimmed(self.trimmed_bytes, end.unwrap_or(self.trimmed_bytes))
    }
}

/// Looks whether the log has what it must, on a disk that is in order again.
pub(in crate::power_loss) async fn check(home: &Home, told: &Told, when: &str) {
    // What is given back now is given back by the real disk, and no story.
    let options = Options {
        spare_bytes: u64::MAX,
        ..OPTIONS
    };
    let store =
        Store::open(&home.path(), options).unwrap_or_else(|error| panic!("{when}: {error}"));
    for (name, session) in &told.sessions {
        let found = events_of(&store, name);
        let is_right = session.is(&found);
        assert!(is_right, "{when}: {name} has {found:?}, told {session:?}");
    }
    let verify = || store.verify().expect("a read").problems;
    assert_eq!(verify(), Vec::new(), "{when}");
    wait_until_tidy(&store).await;
    assert_eq!(verify(), Vec::new(), "{when}, all is taken out");
    let seqs = store.read_all(Seq::ZERO, ALL).expect("a read");
    let seqs = seqs.iter().map(|it| it.seq);
    assert!(seqs.is_sorted_by(|one, next| one < next), "{when}");
    let newest = told.newest.max(store.last_seq());
    assert_eq!(
        store.last_seq(),
        newest,
        "{when}: a Seq would be used again"
    );
    let next = ended(&store, "afterwards").await;
    assert!(next.first > newest, "{when}: Seqs only grow");
    store.close().await;
}

/// Waits until what was deleted and trimmed is taken out of the segments.
async fn wait_until_tidy(store: &Store) {
    while !is_tidy(store).expect("a read") {
        tokio::task::yield_now().await;
    }
}

pub(super) fn is_tidy(store: &Store) -> Result<bool, ReadError> {
    store.run(|txn| {
        Ok(txn.open_table(ERASING)?.is_empty()? && txn.open_table(TRIMMING)?.is_empty()?)
    })
}
