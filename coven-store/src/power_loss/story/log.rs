//! Living a story: the log that it is about, and what is asked of it.

use std::cell::RefCell;
use std::fs::File;
use std::time::{Duration, Instant};

use coven_core::{Event, OrphanReason, Seq};
use futures_util::future::join_all;

use super::told::{Outputs, Told, is_tidy};
use super::{Kind, RESERVE_BYTES, SESSIONS, Step, Story};
use crate::fault::reopening;
use crate::file::Disk;
use crate::power_loss::disk::{Failed, ModelDisk};
use crate::raw::{PAGE, RawFile, free_pages};
use crate::test_support::{
    ALL, Home, batch, created, exited, id, labels, noise, output, output_closed, registered,
    started, urgent,
};
use crate::{AppendError, ReadError, Store, WriterState, read};

/// The log while a story is lived.
pub(in crate::power_loss) struct Log<'a> {
    home: &'a Home,
    disk: &'a ModelDisk,
    story: &'a Story,
    /// While it is open, and nobody closes it.
    store: RefCell<Option<Store>>,
    told: RefCell<Told>,
}

impl<'a> Log<'a> {
    /// A log of which so much was told before.
    pub(in crate::power_loss) fn new(
        home: &'a Home,
        disk: &'a ModelDisk,
        story: &'a Story,
        told: Told,
    ) -> Self {
        Self {
            home,
            disk,
            story,
            store: RefCell::new(None),
            told: RefCell::new(told),
        }
    }

    pub(in crate::power_loss) fn told(self) -> Told {
        self.told.into_inner()
    }

    /// Lives the story, from the opening to the closing of its log.
    pub(in crate::power_loss) async fn live(&self) {
        self.open().await;
        let before_last = self.story.steps.len() - 1;
        for (number, step) in self.story.steps.iter().enumerate() {
            if number == before_last && self.story.is_counted_from_its_last_step() {
                self.disk.begin();
            }
            self.step(step).await;
        }
        self.close().await;
    }

    async fn step(&self, step: &Step) {
        match step {
            Step::Append(batches) => self.append(batches).await,
            Step::Reopen => {
                self.close().await;
                self.open().await;
            }
            Step::Rebuild => self.rebuild().await,
            Step::Rest => {
                self.rest().await;
                let unused_bytes = self.unused_bytes();
                self.told.borrow_mut().unused_bytes.extend(unused_bytes);
            }
            Step::Read => self.take_for_said().await,
            Step::Tight => self.disk.become_tight(3),
            Step::Full => self.become_full().await,
            Step::Fold => self.until_all_is_folded().await,
            Step::Roomy => self.disk.become_roomy(),
        }
    }

    fn store(&self) -> Store {
        self.store.borrow().clone().expect("it is open")
    }

    /// Opens the log, however often the disk fails meanwhile: each time it is to be said.
    async fn open(&self) {
        let before = self.disk.failed();
        let is_new = self.told.borrow().newest == Seq::ZERO;
        let store = loop {
            let disk = self.disk.shared();
            match Store::open_on(&disk, &self.home.path(), self.story.options) {
                Ok(store) => break store,
                Err(error) => {
                    self.heed(&error.to_string());
                    self.disk.mend();
                }
            }
            // Where the power is cut, whoever asks for this is dropped here.
            tokio::task::yield_now().await;
        };
        // A new log is closed once it is made.
        if is_new {
            self.may_have_failed_to_close(before);
        }
        self.store.replace(Some(store));
    }

    async fn close(&self) {
        let store = self.store.take().expect("it is open");
        let before = self.disk.failed();
        store.clone().close().await;
        self.may_have_failed_to_close(before);
        match store.health().last_error {
            // What a cut or a fault left by halves was met as the log was opened.
            Some(error) if error.contains("was let go") => {
                let may_be = self.told.borrow().was_cut || self.disk.failed().is_some();
                assert!(may_be, "{error}");
            }
            Some(error) => self.heed(&error),
            None => {}
        }
    }

    /// Files were closed: a fault of that, and not one of `before`, is told nobody. Nothing is lost by it, and who
    /// opens them next puts them in order.
    fn may_have_failed_to_close(&self, before: Option<Failed>) {
        let is_new = before.is_none() && self.disk.failed().is_some();
        self.told.borrow_mut().may_be_unsaid |= is_new;
    }

    /// The log says that something is wrong: that is so, and it is this.
    fn heed(&self, error: &str) {
        assert!(self.disk.is_cut() || self.disk.is_told_by(error), "{error}");
        self.told.borrow_mut().is_said = true;
    }

    /// Where a disk fails: looks whether all that was acknowledged is read; and, where it goes on to,
    /// whether the log says why and takes nothing more. Then the disk is mended.
    pub(in crate::power_loss) async fn witness(&self) {
        self.disk.failure().await;
        // Who opens a log, or closes it, hears of it otherwise.
        let Some(store) = self.store.borrow().clone() else {
            return;
        };
        self.read_all(&store);
        if self.disk.keeps_failing() {
            let one_more = urgent(batch("witness", Seq::ZERO, vec![created()]));
            match store.append(one_more).await {
                Err(AppendError::Suspended { reason }) => {
                    self.heed(&reason.to_string());
                    let health = store.health();
                    assert_eq!(health.state, WriterState::Failed, "{health:?}");
                    self.heed(&health.fault.expect("it failed").to_string());
                    // Who comes later may be told no more than that it is seen to; why is known all the same.
                    let why = health.last_error.expect("it failed");
                    self.heed(&why);
                    assert!(!why.contains(&reopening().to_string()), "{why}");
                    self.read_all(&store);
                    self.told.borrow_mut().refused += 1;
                }
                Err(AppendError::Closed) if self.store.borrow().is_none() => {}
                answer => panic!("while every write fails: {answer:?}"),
            }
            self.disk.mend();
        }
    }

    /// Reads everything, which must be what was told.
    fn read_all(&self, store: &Store) {
        let told = self.told.borrow();
        for (name, session) in &told.sessions {
            let found = match store.read(&id(name), Seq::ZERO, ALL) {
                Ok(found) => session.is(&found),
                // It is being closed.
                Err(ReadError::Closed) if self.store.borrow().is_none() => return,
                Err(_) if self.disk.is_cut() => return,
                Err(error) => panic!("{name} is not read while the disk fails: {error}"),
            };
            assert!(
                found,
                "while the disk fails {name} is not what was told: {session:?}"
            );
        }
    }

    /// What is read now is told, whether or not it was acknowledged.
    async fn take_for_said(&self) {
        let store = self.store();
        let names: Vec<_> = self.told.borrow().sessions.keys().copied().collect();
        for name in names {
            match store.read(&id(name), Seq::ZERO, ALL) {
                Ok(found) => self.told.borrow_mut().take_for_said(name, &found),
                // Whoever reads is dropped here.
                Err(_) if self.disk.is_cut() => std::future::pending().await,
                Err(error) => panic!("{name}: {error}"),
            }
        }
        let mut told = self.told.borrow_mut();
        told.newest = told.newest.max(store.last_seq());
    }

    /// A disk that fails may refuse it; the projections are what they were then.
    async fn rebuild(&self) {
        match self.store().rebuild_projections().await {
            Ok(()) => {}
            Err(AppendError::Suspended { reason }) => self.heed(&reason.to_string()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Nothing more is to be taken out, and what is free was given back: one step more does nothing
    /// to the disk.
    async fn rest(&self) {
        let store = self.store();
        let did_nothing = || {
            let before = self.disk.operations();
            store.fold();
            self.disk.operations() == before && is_tidy(&store).unwrap_or(false)
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
        let store = self.store();
        let is_done = || {
            store.fold();
            let folded = store.run(read::folded);
            folded.is_ok_and(|folded| folded.seq() == store.last_seq())
                && is_tidy(&store).unwrap_or(false)
        };
        let is_over = || is_done() || self.disk.failed().is_some();
        until("all is folded", is_over).await;
    }

    /// Bytes of blocks that the cold file has and its last commit does not use; `None` where the
    /// disk does not tell.
    fn unused_bytes(&self) -> Option<u64> {
        let path = self.home.path();
        let _looks_on = self.disk.look_on();
        let holes = Disk::holes(self.disk, &File::open(&path).ok()?).ok()?;
        let file = RawFile::open_unlocked(self.disk, &path).ok()?;
        let used_bytes = free_pages(&file, PAGE as u64)?.used_bytes;
        Some(holes.blocks().ok()?.held_bytes.saturating_sub(used_bytes))
    }

    async fn append(&self, batches: &[(usize, Vec<Kind>)]) {
        let mut asked = Vec::new();
        for (session, kinds) in batches {
            let name = SESSIONS[*session];
            let mut told = self.told.borrow_mut();
            let entry = told.sessions.entry(name).or_default();
            entry.asked = events(name, kinds, &entry.acked);
            asked.push(self.ask(name, entry.asked.clone()));
        }
        let answers = join_all(asked).await;
        let mut told = self.told.borrow_mut();
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

    /// Appends as whoever means it does: again, while the log is suspended. `None` is a refusal.
    async fn ask(&self, session: &str, events: Vec<Event>) -> Option<(Seq, Seq)> {
        let store = self.store();
        loop {
            let asked = batch(session, None, events.clone());
            let asked = match events[..] {
                [Event::KillRequested] => urgent(asked),
                _ => asked,
            };
            match store.append(asked).await {
                Ok(appended) => return Some((appended.first, appended.last)),
                Err(AppendError::Suspended { reason }) => self.heed(&reason.to_string()),
                Err(AppendError::Illegal(_) | AppendError::Conflict { .. }) => return None,
                Err(error) => panic!("{session}: {error}"),
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
