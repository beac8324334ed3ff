//! Living a story: the log that it is about, and what is asked of it.

use std::fs::File;
use std::time::{Duration, Instant};

use coven_core::{Event, OrphanReason, Seq};
use futures_util::future::join_all;

use super::told::{Outputs, Told, is_tidy};
use super::{Kind, RESERVE_BYTES, SESSIONS, Step, Story};
use crate::file::Disk;
use crate::power_loss::disk::ModelDisk;
use crate::raw::{PAGE, RawFile, free_pages};
use crate::test_support::{
    Home, batch, created, exited, labels, noise, output, output_closed, registered, started, urgent,
};
use crate::{AppendError, Options, Store, read};

/// The log while a story is lived.
pub(in crate::power_loss) struct Log<'a> {
    home: &'a Home,
    disk: &'a ModelDisk,
    options: Options,
    store: Store,
}

impl<'a> Log<'a> {
    pub(in crate::power_loss) async fn open(
        home: &'a Home,
        disk: &'a ModelDisk,
        story: &Story,
    ) -> Self {
        let options = story.options;
        Self {
            home,
            disk,
            options,
            store: open(home, disk, options).await,
        }
    }

    pub(in crate::power_loss) async fn close(self) {
        self.store.close().await;
    }

    pub(in crate::power_loss) async fn live(&mut self, step: &Step, told: &mut Told) {
        match step {
            Step::Append(batches) => self.append(batches, told).await,
            Step::Reopen => {
                self.store.clone().close().await;
                self.store = open(self.home, self.disk, self.options).await;
            }
            // A disk that fails may refuse it; the projections are what they were then.
            Step::Rebuild => drop(self.store.rebuild_projections().await),
            Step::Rest => {
                self.rest().await;
                told.unused_bytes.extend(self.unused_bytes());
            }
            Step::Tight => self.disk.become_tight(3),
            Step::Full => self.become_full().await,
            Step::Fold => self.until_all_is_folded().await,
            Step::Roomy => self.disk.become_roomy(),
        }
    }

    /// Nothing more is to be taken out, and what is free was given back: one step more does nothing
    /// to the disk.
    async fn rest(&self) {
        let did_nothing = || {
            let before = self.disk.operations();
            self.store.fold();
            self.disk.operations() == before && is_tidy(&self.store).unwrap_or(false)
        };
        until("it comes to rest", did_nothing).await;
    }

    /// Takes all the room there is, once the reserve has its own.
    async fn become_full(&self) {
        let reserve = self.home.dir().join("coven.redb.reserve");
        let has_it = || std::fs::metadata(&reserve).is_ok_and(|it| it.len() >= RESERVE_BYTES);
        until("the reserve is filled", has_it).await;
        self.disk.become_full(&reserve);
    }

    async fn until_all_is_folded(&self) {
        let is_done = || {
            self.store.fold();
            let folded = self.store.run(read::folded);
            folded.is_ok_and(|folded| folded.seq() == self.store.last_seq())
                && is_tidy(&self.store).unwrap_or(false)
        };
        let is_over = || is_done() || self.disk.has_failed();
        until("all is folded", is_over).await;
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

/// Looks again and again, until it is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: it never does");
        // Where the power is cut, whoever waits for this is dropped here.
        tokio::task::yield_now().await;
    }
}

/// Opens the log, however often the disk fails meanwhile.
async fn open(home: &Home, disk: &ModelDisk, options: Options) -> Store {
    loop {
        if let Ok(store) = Store::open_on(&disk.shared(), &home.path(), options) {
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
