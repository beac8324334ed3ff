//! A process whose terminal, or whose pipes, a shim holds.
//!
//! The shim is connected to, or is being connected to, or is dead and what it left is read; who
//! drives the session sees no difference. What comes twice, because a shim gives all that it still
//! has, is told once: records by their numbers, output by its offset.

mod left;
mod reach;
mod receipts;

use std::error::Error;
use std::future::{Future, pending, ready};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes};
use coven_core::{InputId, LaunchMode, ProcessFacts, Session, SessionId, TermSize};
use coven_harness::shim::{Child, Control, Damage, Record, Recorded, Records, Remains};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{Happening, What};
use crate::on_the_way::{OnTheWay, Waypoint};
use crate::shared::blocking;
use left::Left;
use reach::longer;
pub(crate) use reach::{Reached, lives, reach};
use receipts::Receipts;

/// How often what a dead shim left is read again that cannot be read for now: for want of open files, or
/// of a disk that is back soon. With the pauses between that is a quarter of a minute.
const MAX_UNREADABLE: u32 = 16;

/// How long a shim may take to end once it is told that all is on record. One that takes longer is
/// told again by the next engine.
const CLOSING: Duration = Duration::from_secs(5);

/// The way to who types for the session: a shim, while there is one.
pub(crate) type Typing = watch::Receiver<Option<Control>>;

/// A process that a shim holds.
pub(crate) struct Shimmed {
    folder: PathBuf,
    session: SessionId,
    /// Its process, where that is on record.
    process: Option<ProcessFacts>,
    wiring: Wiring,
    stage: Stage,
    /// Where those who type learn of it; none once it is dead.
    control: Option<watch::Sender<Option<Control>>>,
    /// The number of the newest record that was told.
    newest: u64,
    /// How many bytes of output were told, or are on record from before.
    heard_bytes: u64,
    receipts: Receipts,
    wanted: Wanted,
    /// It was reached, and has told no new output since: what it tells may all be on record already, and no
    /// commit be made for it.
    is_catching_up: bool,
    /// How often in turn what it left could not be read.
    unreadable: u32,
    /// How long it is left alone once it is lost again: it told nothing new since it was reached.
    pause: Duration,
}

/// What the process has, besides its output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wiring {
    pub(crate) has_terminal: bool,
    pub(crate) has_input: bool,
}

/// What is said again to a shim that is reached anew.
#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    size: Option<TermSize>,
    limit_bytes: Option<u64>,
    holds_output: bool,
}

enum Stage {
    Reaching(Pin<Box<dyn Future<Output = Reached> + Send>>),
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
    pub(crate) fn launched(session: &Session, folder: PathBuf, child: Child) -> Self {
        Self::new(session, folder, Reached::Alive(child))
    }

    /// That of a session that is on record, with all its output of which that is true, and whose
    /// shim was reached, or what it left.
    pub(crate) fn new(session: &Session, folder: PathBuf, reached: Reached) -> Self {
        let mut new = Self::unreached(session, folder);
        new.reached(reached);
        new
    }

    /// That of a session that is on record, whose shim is still to be reached.
    pub(crate) fn adopted(session: &Session, folder: PathBuf) -> Self {
        let mut new = Self::unreached(session, folder);
        if new.wiring.has_terminal {
            new.wanted.size = session.size();
        }
        new.stage = new.reaching();
        new
    }

    fn unreached(session: &Session, folder: PathBuf) -> Self {
        Self {
            folder,
            session: session.id.clone(),
            process: session.phase.process().cloned(),
            wiring: Wiring::of(session),
            stage: Stage::Over(None),
            control: Some(watch::Sender::new(None)),
            newest: 0,
            heard_bytes: session.output_bytes,
            receipts: Receipts::of(session),
            wanted: Wanted::default(),
            is_catching_up: false,
            unreadable: 0,
            pause: Duration::ZERO,
        }
    }

    fn reaching(&self) -> Stage {
        let (pause, process) = (self.pause, self.process.clone());
        let (folder, session) = (self.folder.clone(), self.session.clone());
        Stage::Reaching(Box::pin(async move {
            sleep(pause).await;
            reach(folder, session, process).await
        }))
    }

    /// Its process is this one.
    pub(super) fn runs(&mut self, process: ProcessFacts) {
        self.process = Some(process);
    }

    /// Whether it is being looked for.
    pub(super) const fn is_looked_for(&self) -> bool {
        matches!(self.stage, Stage::Reaching(_))
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
            let recorded = match &mut self.stage {
                Stage::Connected { records, .. } => match records.next().await {
                    Ok(recorded) => recorded,
                    Err(lost) => {
                        self.look_for_it(&lost);
                        continue;
                    }
                },
                Stage::Reaching(reaching) => {
                    let reached = reaching.await;
                    self.reached(reached);
                    continue;
                }
                Stage::Dead { left, .. } => match left.next().await? {
                    Ok(recorded) => recorded,
                    Err(damage) if self.may_pass(&damage) => {
                        self.look_for_it(&damage);
                        continue;
                    }
                    Err(damage) => {
                        self.leave(&damage);
                        return None;
                    }
                },
                Stage::Over(_) => return None,
            };
            self.hear(recorded.clone());
            // A newer shim may say something else before.
            let tells = matches!(
                recorded.record,
                Record::Started { .. } | Record::LaunchFailed { .. }
            );
            if tells {
                return Some(recorded);
            }
        }
    }

    /// Whether what cannot be read may be read again.
    fn may_pass(&mut self, damage: &Damage) -> bool {
        let may_pass = matches!(damage, Damage::Unreadable { .. });
        self.unreadable += u32::from(may_pass);
        may_pass && self.unreadable <= MAX_UNREADABLE
    }

    /// Reads no further in what a dead shim left, and takes nothing of it away.
    fn leave(&mut self, damage: &Damage) {
        let folder = self.folder.display();
        tracing::error!(session = %self.session, %damage, %folder, "a spool is not read to its end; it is left");
        self.stage = Stage::Over(None);
    }

    fn look_for_it(&mut self, why: &dyn Error) {
        tracing::warn!(session = %self.session, %why, "a shim is looked for");
        self.typed_by(None);
        self.stage = self.reaching();
        self.pause = longer(self.pause);
    }

    pub(super) async fn happens(&mut self, has_room: bool) -> Happening {
        let has_room = has_room && self.receipts.has_room();
        loop {
            let may_acknowledge = self.is_catching_up && self.receipts.has_due();
            let recorded = match &mut self.stage {
                Stage::Reaching(reaching) => {
                    let reached = reaching.await;
                    if matches!(reached, Reached::Missing) {
                        return self.died();
                    }
                    self.reached(reached);
                    continue;
                }
                Stage::Over(_) => pending().await,
                _ if !has_room => pending().await,
                Stage::Connected { records, .. } => {
                    let next = tokio::select! {
                        biased;
                        next = records.next() => next,
                        // A spool that is full waits for it.
                        () = ready(()), if may_acknowledge => {
                            let due = self.receipts.due();
                            self.acknowledge(due);
                            continue;
                        }
                    };
                    match next {
                        Ok(recorded) => recorded,
                        Err(lost) => {
                            self.look_for_it(&lost);
                            continue;
                        }
                    }
                }
                Stage::Dead { left, .. } => match left.next().await {
                    Some(Ok(recorded)) => recorded,
                    Some(Err(damage)) if self.may_pass(&damage) => {
                        self.look_for_it(&damage);
                        continue;
                    }
                    Some(Err(damage)) => {
                        self.leave(&damage);
                        return self.died();
                    }
                    None => return self.died(),
                },
            };
            if let Some(happening) = self.hear(recorded) {
                return happening;
            }
        }
    }

    fn reached(&mut self, reached: Reached) {
        self.stage = match reached {
            Reached::Alive(Child {
                records, control, ..
            }) => {
                let Wanted {
                    size,
                    limit_bytes,
                    holds_output,
                } = self.wanted;
                if let Some(size) = size {
                    control.resize(size);
                }
                if let Some(limit_bytes) = limit_bytes {
                    control.set_limit(limit_bytes);
                }
                if holds_output {
                    control.hold_output();
                }
                self.typed_by(Some(control.clone()));
                self.is_catching_up = true;
                // It may not have heard that before it was lost.
                if let Some(upto) = self.receipts.acknowledged() {
                    control.ack(upto);
                }
                Stage::Connected { records, control }
            }
            Reached::Dead { left, remains } => Stage::Dead {
                left: Left::new(left),
                remains,
            },
            Reached::Missing => Stage::Over(None),
        };
    }

    fn typed_by(&self, shim: Option<Control>) {
        if let Some(control) = &self.control {
            control.send_replace(shim);
        }
    }

    fn died(&mut self) -> Happening {
        self.control = None;
        let stage = std::mem::replace(&mut self.stage, Stage::Over(None));
        if let Stage::Dead { remains, .. } = stage {
            self.stage = Stage::Over(Some(remains));
        }
        Happening {
            at: None,
            what: What::ShimDied,
        }
    }

    /// What a record says that was not told yet.
    fn hear(&mut self, Recorded { number, at, record }: Recorded) -> Option<Happening> {
        if number <= self.newest {
            return None;
        }
        self.newest = number;
        self.pause = Duration::ZERO;
        self.unreadable = 0;
        let what = match record {
            Record::Output {
                offset,
                channel,
                bytes,
            } => self
                .unheard(offset, bytes)
                .map(|new| What::Wrote(channel, new)),
            Record::OutputClosed { end } => {
                self.receipts.ends(number);
                Some(What::OutputEnded(end))
            }
            Record::Exited { exit } => {
                self.receipts.ends(number);
                Some(What::Exited(exit))
            }
            Record::InputDone { id, .. } => Some(What::Delivered(InputId(id.0))),
            // The start is on record, or was noted by who launched it; the others are of no
            // concern to the log, or of a newer shim.
            Record::Started { .. }
            | Record::LaunchFailed { .. }
            | Record::InputTaken { .. }
            | Record::Answered { .. }
            | Record::Resized { .. }
            | Record::Unknown { .. } => None,
        };
        let due = self.receipts.told(number, self.heard_bytes);
        self.acknowledge(due);
        let at = Some(at);
        what.map(|what| Happening { at, what })
    }

    /// What is new of output that begins at `offset`.
    fn unheard(&mut self, offset: u64, mut bytes: Bytes) -> Option<Bytes> {
        let known = self.heard_bytes.saturating_sub(offset);
        bytes.advance(usize::try_from(known).map_or(bytes.len(), |known| known.min(bytes.len())));
        if offset > self.heard_bytes {
            tracing::error!(session = %self.session, from = self.heard_bytes, to = offset,
                "output is missing: its shim does not have it any more");
        }
        self.heard_bytes += bytes.len() as u64;
        self.is_catching_up &= bytes.is_empty();
        (!bytes.is_empty()).then_some(bytes)
    }

    /// The start is on record, and so much output.
    pub(super) fn recorded(&mut self, output_bytes: u64) {
        let due = self.receipts.recorded(output_bytes);
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

    pub(crate) async fn dismiss(self, on_the_way: &OnTheWay) {
        let session = self.session;
        match self.stage {
            Stage::Connected { control, .. } => {
                control.ack(self.newest);
                on_the_way.reached(&Waypoint::EndAcknowledged);
                match timeout(CLOSING, control.close()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%session, %error, "a shim is left"),
                    Err(_) => tracing::warn!(%session, "a shim does not end; it is left"),
                }
            }
            Stage::Over(Some(remains)) | Stage::Dead { remains, .. } => {
                let removed = blocking(move || remains.remove()).await;
                if let Ok(Err(error)) = removed {
                    tracing::warn!(%session, %error, "what a shim left cannot be removed");
                }
            }
            // There is none, or the next engine will find it.
            Stage::Over(None) | Stage::Reaching(_) => {}
        }
    }
}
