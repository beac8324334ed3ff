//! A process whose terminal, or whose pipes, a shim holds.
//!
//! The shim is connected to, or is being connected to, or is dead and what it left is read; who
//! drives the session sees no difference. What comes twice, because a shim gives all that it still
//! has, is told once: records by their numbers, output by its offset.

mod closing;
mod gap;
mod hearing;
mod left;
mod lost;
#[cfg(test)]
mod newer;
mod reach;
mod receipts;
mod wanted;

#[cfg(test)]
mod peer;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::{Future, pending, ready};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use coven_core::{LaunchMode, ProcessFacts, Session, SessionId, TermSize};
use coven_harness::shim::{Child, Control, Damage, Record, Recorded, Records, Remains};
use tokio::sync::watch;

use super::{Happening, What};
use crate::out_of_reach::{Amiss, Encounter};
pub(crate) use closing::end_shim;
use gap::Gap;
use left::Left;
pub(crate) use reach::{Reached, known_here, lives, reach};
use receipts::Receipts;
use wanted::Wanted;

/// What a shim may tell before what became of its launch: one that is newer than this program, and tells
/// more than that, makes no sense.
const MAX_EARLY: usize = 64;

/// The way to who types for the session: a shim, while there is one.
pub(crate) type Typing = watch::Receiver<Option<Control>>;

/// A process that a shim holds.
pub(crate) struct Shimmed {
    folder: PathBuf,
    session: SessionId,
    /// Its process, where that is on record; as it is known in this boot, once its shim was reached.
    process: Option<ProcessFacts>,
    wiring: Wiring,
    stage: Stage,
    /// Where those who type learn of it; none once it is dead.
    control: Option<watch::Sender<Option<Control>>>,
    /// The number of the newest record that was told.
    newest: u64,
    /// The number of the last record that its shim had when it was reached, until it is said that all of
    /// them were told.
    behind: Option<u64>,
    /// The same, whatever was told of them: a connection that gave that record serves.
    serves_with: Option<u64>,
    /// How many bytes of output were told, or are on record from before.
    heard_bytes: u64,
    /// Output that comes after what the shim does not have any more, while something is told in its stead.
    gap: Option<Gap>,
    receipts: Receipts,
    /// How far it has come with typing was heard: it says so in what it has, or all of that was heard from
    /// the first on.
    knows_typed: bool,
    wanted: Wanted,
    /// What it told before what became of its launch.
    early: VecDeque<Happening>,
    /// It was reached, and has told no new output since: what it tells may all be on record already, and no
    /// commit be made for it.
    is_catching_up: bool,
    /// How long it is left alone once it is lost again: it told nothing new since it was reached.
    pause: Duration,
    /// What is met where it cannot be reached.
    encounter: Arc<Encounter>,
    /// The last record that its connection gave.
    given: u64,
    /// How far connections came that were lost since one last served: the next serves once it has come further.
    lost_after: Option<u64>,
    is_serving: bool,
}

/// What the process has, besides its output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wiring {
    pub(crate) has_terminal: bool,
    pub(crate) has_input: bool,
}

enum Stage {
    Reaching(Pin<Box<dyn Future<Output = (Reached, Option<ProcessFacts>)> + Send>>),
    Connected {
        records: Records,
        control: Control,
    },
    Dead {
        left: Left,
        remains: Box<Remains>,
    },
    /// Nothing more will be heard of it; what is left of its folder is to be removed at the end.
    Over(Option<Box<Remains>>),
}

impl Wiring {
    pub(crate) fn of(session: &Session) -> Self {
        let mode = session.mode();
        Self {
            has_terminal: mode != Some(LaunchMode::Stream),
            has_input: mode != Some(LaunchMode::NonInteractive),
        }
    }
}

impl Shimmed {
    /// That of a session that was just launched, and all of whose records are to come.
    pub(crate) fn launched(
        session: &Session,
        folder: PathBuf,
        child: Child,
        encounter: Encounter,
    ) -> Self {
        let mut new = Self::new(session, folder, Reached::Alive(child), Arc::new(encounter));
        new.behind = None;
        new
    }

    /// That of a session that is on record, with all its output of which that is true, and whose
    /// shim was reached, or what it left.
    pub(crate) fn new(
        session: &Session,
        folder: PathBuf,
        reached: Reached,
        encounter: Arc<Encounter>,
    ) -> Self {
        let mut new = Self::unreached(session, folder, encounter);
        new.reached(reached);
        new
    }

    /// That of a session that is on record, whose shim is still to be reached.
    pub(crate) fn adopted(session: &Session, folder: PathBuf, encounter: Encounter) -> Self {
        let mut new = Self::unreached(session, folder, Arc::new(encounter));
        if new.wiring.has_terminal {
            new.wanted.size = session.size();
        }
        new.stage = new.reaching();
        new
    }

    fn unreached(session: &Session, folder: PathBuf, encounter: Arc<Encounter>) -> Self {
        Self {
            folder,
            session: session.id.clone(),
            process: session.phase.process().cloned(),
            wiring: Wiring::of(session),
            stage: Stage::Over(None),
            control: Some(watch::Sender::new(None)),
            newest: 0,
            behind: None,
            serves_with: None,
            heard_bytes: session.output_bytes,
            gap: None,
            receipts: Receipts::of(session),
            knows_typed: false,
            wanted: Wanted::default(),
            is_catching_up: false,
            early: VecDeque::new(),
            pause: Duration::ZERO,
            encounter,
            given: 0,
            lost_after: None,
            is_serving: false,
        }
    }

    pub(super) const fn process(&self) -> Option<&ProcessFacts> {
        self.process.as_ref()
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its process is this one.
    pub(super) fn runs(&mut self, process: ProcessFacts) {
        self.process = Some(process);
    }

    /// Whether it is not known to be dead.
    pub(super) const fn may_live(&self) -> bool {
        matches!(self.stage, Stage::Reaching(_) | Stage::Connected { .. })
    }

    pub(super) const fn has_terminal(&self) -> bool {
        self.wiring.has_terminal
    }

    pub(super) fn keyboard(&self) -> Option<Typing> {
        self.typing().filter(|_| self.wiring.has_input)
    }

    /// The way to who types; `None` where nobody will any more.
    pub(super) fn typing(&self) -> Option<Typing> {
        self.control.as_ref().map(watch::Sender::subscribe)
    }

    /// The record that says what became of the launch, where nothing but that is on record of the
    /// session. `None` where its shim is dead, or none is there, and it did not say so: one that is lost
    /// lives on with its session, and is reached again.
    pub(crate) async fn first(&mut self) -> Option<Recorded> {
        loop {
            let has_room = self.early.len() < MAX_EARLY;
            let recorded = self.next(has_room).await?;
            let tells = matches!(
                recorded.record,
                Record::Started { .. } | Record::LaunchFailed { .. }
            );
            let heard = self.hear(recorded.clone());
            self.early.extend(heard);
            if tells {
                return Some(recorded);
            }
        }
    }

    /// Whether its shim is dead, and had made nothing by then: no process either.
    pub(crate) fn never_began(&self) -> bool {
        let Stage::Dead { remains, .. } = &self.stage else {
            return false;
        };
        self.process.is_none() && !remains.has_part
    }

    pub(super) async fn happens(&mut self, has_room: bool) -> Happening {
        if let Some(early) = self.early.pop_front() {
            return early;
        }
        if self.control.is_none() {
            return pending().await;
        }
        let has_room = has_room && self.receipts.has_room();
        loop {
            if has_room && let Some(happening) = self.fill() {
                return happening;
            }
            if has_room && self.behind.take_if(|last| *last <= self.newest).is_some() {
                let what = What::CaughtUp;
                return Happening { at: None, what };
            }
            match self.next(has_room).await {
                Some(recorded) => {
                    if let Some(happening) = self.hear(recorded) {
                        return happening;
                    }
                }
                None => return self.died(),
            }
        }
    }

    /// The next record that it has; `None` once it is dead, and all that it left was told.
    async fn next(&mut self, has_room: bool) -> Option<Recorded> {
        loop {
            let may_acknowledge = self.is_catching_up && self.receipts.has_due();
            match &mut self.stage {
                Stage::Reaching(reaching) => {
                    let (reached, process) = reaching.await;
                    self.process = process;
                    self.reached(reached);
                }
                Stage::Over(_) => return None,
                _ if !has_room => pending().await,
                Stage::Connected { records, .. } => {
                    tokio::select! {
                        biased;
                        next = records.next() => match next {
                            Ok(recorded) => {
                                self.gave(recorded.number);
                                return Some(recorded);
                            }
                            Err(lost) => self.lose_it(lost),
                        },
                        // A spool that is full waits for it.
                        () = ready(()), if may_acknowledge => {
                            let due = self.receipts.due();
                            self.acknowledge(due);
                        }
                    }
                }
                Stage::Dead { left, .. } => match left.next().await? {
                    Ok(recorded) => return Some(recorded),
                    // For want of open files, or of a disk that is back soon.
                    Err(damage @ Damage::Unreadable { .. }) => {
                        self.look_for_it(Amiss::SpoolUnreadable.because(damage.to_string()));
                    }
                    Err(damage) => self.leave(&damage),
                },
            }
        }
    }

    /// The start is on record, and so much output.
    pub(super) fn recorded(&mut self, output_bytes: u64) {
        let due = self.receipts.recorded(output_bytes);
        self.acknowledge(due);
    }

    /// All that was told of inputs is on record, as far as that is to be.
    pub(super) fn inputs_recorded(&mut self) {
        let due = self.receipts.inputs_recorded();
        self.acknowledge(due);
    }

    fn acknowledge(&self, upto: Option<u64>) {
        if let Some(upto) = upto {
            self.say(|control| control.ack(upto));
        }
    }

    pub(super) fn resize(&mut self, size: TermSize) {
        self.wanted.size = Some(size);
        self.say(|control| control.resize(size));
    }

    pub(crate) fn set_limit(&mut self, limit_bytes: u64) {
        self.wanted.limit_bytes = Some(limit_bytes);
        self.say(|control| control.set_limit(limit_bytes));
    }

    pub(super) fn hold_output(&mut self, holds: bool) {
        self.wanted.holds_output = holds;
        self.say(if holds {
            Control::hold_output
        } else {
            Control::release_output
        });
    }

    fn say(&self, say: impl FnOnce(&Control)) {
        if let Stage::Connected { control, .. } = &self.stage {
            say(control);
        }
    }
}
