//! What is done to a log.

mod told;

use std::fs::File;
use std::time::{Duration, Instant};

use coven_core::{Event, OrphanReason, Seq};
use futures_util::future::join_all;
use proptest::prelude::*;

use super::disk::ModelDisk;
use crate::file::Disk;
use crate::raw::{PAGE, RawFile, free_pages};
use crate::test_support::{
    Home, batch, created, exited, labels, noise, output, output_closed, registered, started, urgent,
};
use crate::{AppendError, Options, Store};

use told::{Outputs, is_tidy};
pub(super) use told::{Told, check};

/// Small, so that pages leave the cache in the middle of a transaction, and nothing but the log
/// itself asks anything of the disk.
const OPTIONS: Options = Options {
    cache_bytes: 256 << 10,
    journal_cache_bytes: 256 << 10,
    segment_cache_bytes: 1 << 20,
    fold_bytes: 20_000,
    reserve_bytes: 0,
    queue_bytes: 1 << 20,
    spare_bytes: 4096,
};

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Appends to sessions, each another, all asked for at once.
    Append(Vec<(usize, Vec<Kind>)>),
    Reopen,
    Rebuild,
    /// Nothing more until what was deleted and trimmed is taken out, and given back.
    Rest,
    /// The disk is next to full until it was looked at a few times: who appends next has the journal
    /// give back what it does not use.
    Tight,
}

/// An event, whether or not it can follow.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Created,
    Registered,
    Started,
    Output {
        len_bytes: usize,
    },
    Labelled,
    Kill,
    Closed,
    Exited,
    Completed,
    Orphaned,
    Archived,
    Summoned,
    Deleted,
    /// The oldest so many output events that are left go.
    Trimmed {
        events: usize,
    },
}

const SESSIONS: [&str; 4] = ["a", "b", "c", "d"];

/// A story with everything in it that a log can be asked for.
pub(super) fn everything() -> Vec<Step> {
    use Kind::{
        Archived, Closed, Completed, Created, Deleted, Exited, Kill, Labelled, Orphaned, Output,
        Registered, Started, Summoned, Trimmed,
    };
    const fn out(len_bytes: usize) -> Kind {
        Output { len_bytes }
    }
    vec![
        Step::Append(vec![
            (0, vec![Created, Started]),
            (1, vec![Created]),
            (2, vec![Registered]),
        ]),
        Step::Append(vec![(0, vec![out(5000)]), (1, vec![Started, out(1)])]),
        Step::Append(vec![(0, vec![out(700); 12]), (2, vec![Labelled])]),
        Step::Append(vec![(0, vec![Kill, Trimmed { events: 3 }])]),
        Step::Append(vec![
            (0, vec![out(30_000), Closed, Exited]),
            (1, vec![out(300), Trimmed { events: 2 }, out(20)]),
        ]),
        Step::Append(vec![(0, vec![Archived]), (2, vec![Completed])]),
        Step::Reopen,
        Step::Append(vec![(0, vec![Deleted]), (1, vec![out(9000), Labelled])]),
        Step::Append(vec![(0, vec![Created]), (3, vec![Created, Started])]),
        Step::Append(vec![(2, vec![Deleted]), (3, vec![out(60_000)])]),
        Step::Rest,
        Step::Append(vec![(2, vec![Registered]), (1, vec![Orphaned])]),
        Step::Append(vec![(3, vec![out(25_000), Labelled, out(25_000)])]),
        Step::Append(vec![(3, vec![Trimmed { events: 2 }])]),
        Step::Append(vec![(1, vec![Trimmed { events: 9 }])]),
        Step::Rest,
        Step::Rebuild,
        Step::Append(vec![(1, vec![Archived, Summoned]), (3, vec![out(40)])]),
    ]
}

/// A story in which the journal gives back what it does not use, again and again, and uses it anew.
pub(super) fn short_of_room() -> Vec<Step> {
    use Kind::{Closed, Created, Exited, Output, Started, Trimmed};
    const fn out(len_bytes: usize) -> Kind {
        Output { len_bytes }
    }
    vec![
        Step::Append(vec![
            (0, vec![Created, Started]),
            (1, vec![Created, Started]),
        ]),
        Step::Append(vec![(0, vec![out(30_000); 2])]),
        Step::Rest,
        Step::Tight,
        Step::Append(vec![(1, vec![out(5000)])]),
        Step::Append(vec![(0, vec![out(20_000)]), (1, vec![out(20_000)])]),
        Step::Append(vec![(0, vec![Trimmed { events: 2 }])]),
        Step::Tight,
        Step::Append(vec![(0, vec![out(9000)])]),
        Step::Reopen,
        Step::Tight,
        Step::Append(vec![(0, vec![Closed, Exited]), (1, vec![out(300)])]),
    ]
}

/// Any story.
pub(super) fn any() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![
        2 => Just(Kind::Created),
        1 => Just(Kind::Registered),
        3 => Just(Kind::Started),
        6 => (1..20_000usize).prop_map(|len_bytes| Kind::Output { len_bytes }),
        1 => Just(Kind::Labelled),
        1 => Just(Kind::Kill),
        2 => Just(Kind::Closed),
        2 => Just(Kind::Exited),
        1 => Just(Kind::Completed),
        1 => Just(Kind::Orphaned),
        1 => Just(Kind::Archived),
        2 => Just(Kind::Deleted),
        3 => (1..4usize).prop_map(|events| Kind::Trimmed { events }),
    ];
    let kinds = prop::collection::vec(kind, 1..5);
    let appends = prop::collection::btree_map(0..SESSIONS.len(), kinds, 1..=SESSIONS.len());
    let step = prop_oneof![
        9 => appends.prop_map(|batches| Step::Append(batches.into_iter().collect())),
        1 => Just(Step::Reopen),
        1 => Just(Step::Rebuild),
        1 => Just(Step::Rest),
    ];
    prop::collection::vec(step, 1..14)
}

/// The log while a story is lived.
pub(super) struct Log<'a> {
    home: &'a Home,
    disk: &'a ModelDisk,
    store: Store,
}

impl<'a> Log<'a> {
    pub(super) async fn open(home: &'a Home, disk: &'a ModelDisk) -> Self {
        let store = open(home, disk).await;
        Self { home, disk, store }
    }

    pub(super) async fn close(self) {
        self.store.close().await;
    }

    pub(super) async fn live(&mut self, step: &Step, told: &mut Told) {
        match step {
            Step::Append(batches) => self.append(batches, told).await,
            Step::Reopen => {
                self.store.clone().close().await;
                self.store = open(self.home, self.disk).await;
            }
            // A disk that fails may refuse it; the projections are what they were then.
            Step::Rebuild => drop(self.store.rebuild_projections().await),
            Step::Rest => {
                self.rest().await;
                told.unused_bytes.extend(self.unused_bytes());
            }
            Step::Tight => self.disk.become_tight(3),
        }
    }

    /// Nothing more is to be taken out, and what is free was given back: one step more does nothing
    /// to the disk.
    async fn rest(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            assert!(Instant::now() < deadline, "it does not come to rest");
            let before = self.disk.operations();
            self.store.fold();
            // Where the power is cut, whoever waits for this is dropped here.
            tokio::task::yield_now().await;
            let did_nothing = self.disk.operations() == before;
            if did_nothing && is_tidy(&self.store).unwrap_or(false) {
                break;
            }
        }
    }

    /// Bytes of blocks that the cold file has and its last commit does not use; `None` where the
    /// disk does not tell.
    fn unused_bytes(&self) -> Option<u64> {
        let path = self.home.path();
        let holes = Disk::holes(self.disk, &File::open(&path).ok()?).ok()?;
        let file = RawFile::open_unlocked(self.disk, &path).ok()?;
        let used_bytes = free_pages(&file, PAGE as u64)?.used_bytes;
        Some(holes.blocks().ok()?.held_bytes.saturating_sub(used_bytes))
    }

    async fn append(&self, batches: &[(usize, Vec<Kind>)], told: &mut Told) {
        for (session, kinds) in batches {
            let name = SESSIONS[*session];
            let entry = told.sessions.entry(name).or_default();
            entry.asked = events(name, kinds, &entry.acked);
        }
        let asked = batches.iter().map(|(session, _)| {
            let name = SESSIONS[*session];
            ask(&self.store, name, told.sessions[name].asked.clone())
        });
        let answers = join_all(asked).await;
        for ((session, _), answer) in batches.iter().zip(answers) {
            let entry = told.sessions.entry(SESSIONS[*session]).or_default();
            match answer {
                Some((first, last)) => {
                    entry.acknowledge(first);
                    told.newest = told.newest.max(last);
                }
                None => entry.asked.clear(),
            }
        }
    }
}

/// Opens the log, however often the disk fails meanwhile.
async fn open(home: &Home, disk: &ModelDisk) -> Store {
    loop {
        if let Ok(store) = Store::open_on(&disk.shared(), &home.path(), OPTIONS) {
            return store;
        }
        // Where the power is cut, whoever asks for this is dropped here.
        tokio::task::yield_now().await;
    }
}

/// Appends as whoever means it does: again, while the log is suspended. `None` is a refusal.
async fn ask(store: &Store, session: &str, events: Vec<Event>) -> Option<(Seq, Seq)> {
    loop {
        let asked = batch(session, None, events.clone());
        let asked = match events[..] {
            [Event::KillRequested] => urgent(asked),
            _ => asked,
        };
        match store.append(asked).await {
            Ok(appended) => return Some((appended.first, appended.last)),
            Err(AppendError::Suspended { .. }) => {}
            Err(AppendError::Illegal(_) | AppendError::Conflict { .. }) => return None,
            Err(error) => panic!("{session}: {error}"),
        }
    }
}

fn events(session: &str, kinds: &[Kind], before: &[(Seq, Event)]) -> Vec<Event> {
    let mut outputs = Outputs::of(before.iter().map(|(_, event)| event));
    let event = |kind: &Kind, outputs: &Outputs| match *kind {
        Kind::Created => created(),
        Kind::Registered => registered(session),
        Kind::Started => started(),
        Kind::Output { len_bytes } => {
            let offset = outputs.len_bytes();
            output(offset, noise(offset, len_bytes))
        }
        Kind::Labelled => Event::Labelled {
            labels: labels(&["one", "two"]),
        },
        Kind::Kill => Event::KillRequested,
        Kind::Closed => output_closed(),
        Kind::Exited => exited(0),
        Kind::Completed => Event::Completed { exit_code: None },
        Kind::Orphaned => Event::Orphaned {
            reason: OrphanReason::Reboot,
        },
        Kind::Archived => Event::Archived,
        Kind::Summoned => Event::Summoned,
        Kind::Deleted => Event::Deleted,
        Kind::Trimmed { events } => outputs.trim(events),
    };
    let mut events = Vec::new();
    for kind in kinds {
        let event = event(kind, &outputs);
        outputs.add(&event);
        events.push(event);
    }
    events
}
