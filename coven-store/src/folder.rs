//! The folder: one thread that moves what is in the journal into the cold file, and does there
//! whatever else is written there.
//!
//! A fold takes everything that the tail has, so that no quiet session holds the journal back; but for a
//! full disk, where it goes [in parts](part). Once
//! it is durable the tail lets go of it and the writer may take it out of the journal; a crash
//! before that leaves it in both, and it is told apart by how far the cold file says it is. When
//! the disk takes no writes, folding waits and is tried again.

mod ask;
mod mend;
mod message;
mod part;
mod rest;
mod room;
#[cfg(test)]
mod tests;
mod tidy;
mod trouble;
mod whole;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use redb::WriteTransaction;
use tokio::sync::oneshot;

use crate::cold::fold::{self, Thrift};
use crate::cold::spared;
use crate::compact::Compaction;
use crate::database::{Database, guarded};
use crate::error::{AppendError, StorageFault};
use crate::fault::{Fault, read_failed};
use crate::file::{Kept, SharedReserve, putting_right};
use crate::health::Meter;
use crate::projection;
use crate::read::{Cache, Touched};
use crate::tail::{Fold, SharedTail};
use crate::writer;

use message::{Waiting, Wanted};
use room::Asked;
use trouble::Trouble;

pub(crate) use ask::Mender;
pub(crate) use message::{Message, fold_all};
pub(crate) use rest::Rest;

/// What the folder works with.
pub(crate) struct Folder {
    pub(crate) inbox: Receiver<Message>,
    pub(crate) writer: Sender<writer::Message>,
    pub(crate) cold: Kept,
    /// It is read where not all of it can be folded together.
    pub(crate) journal: Arc<Database>,
    pub(crate) tail: Arc<SharedTail>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) fold_bytes: u64,
    pub(crate) compaction: Compaction,
    pub(crate) reserve: SharedReserve,
    pub(crate) rest: Rest,
    pub(crate) state: State,
}

/// What the folder knows beyond what is on disk.
#[derive(Default)]
pub(crate) struct State {
    fold: Wanted,
    waiting: Vec<Waiting>,
    rebuilds: Vec<oneshot::Sender<Result<(), AppendError>>>,
    is_tidy: bool,
    /// The disk is full, and what was deleted or trimmed may be room.
    makes_room: bool,
    asked: Asked,
    spared: spared::Spared,
    trouble: Option<Trouble>,
    alarms: trouble::Alarms,
    mending: mend::Mending,
    look_not_before: Option<Instant>,
    backoff: Duration,
}

impl Folder {
    /// Runs until it is told to close, or nobody is left to tell it. Lets go of `looked_over` once what can be
    /// made anew was looked at, and was made anew or cannot be now.
    pub(crate) fn run(self, looked_over: Sender<()>) {
        putting_right(|| self.fold_until_closed(looked_over));
    }

    fn fold_until_closed(mut self, looked_over: Sender<()>) {
        self.mend_first();
        drop(looked_over);
        loop {
            let message = match self.patience() {
                None => self.inbox.recv().map_err(RecvTimeoutError::from),
                Some(patience) => self.inbox.recv_timeout(patience),
            };
            match message {
                Ok(Message::Close { reply }) => {
                    self.close();
                    // With it goes what it has open.
                    drop(self);
                    let _ = reply.send(());
                    return;
                }
                Ok(message) => {
                    self.take_in(message);
                    self.work();
                }
                Err(RecvTimeoutError::Timeout) => self.go_on(Instant::now()),
                Err(RecvTimeoutError::Disconnected) => return self.close(),
            }
        }
    }

    /// How long to wait for a message; `None` is for ever.
    fn patience(&self) -> Option<Duration> {
        let now = Instant::now();
        self.due(now).or_else(|| self.rest.patience(now))
    }

    /// How long until there is something to do; `None` where there is nothing.
    fn due(&self, now: Instant) -> Option<Duration> {
        let busy = !self.state.is_tidy
            || self.compaction.is_due()
            || self.state.fold > Wanted::Nothing
            || !self.state.rebuilds.is_empty();
        let own = match &self.state.trouble {
            Some(_) if self.state.makes_room => Some(Duration::ZERO),
            Some(trouble) => Some(trouble.next_try.saturating_duration_since(now)),
            None => busy.then_some(Duration::ZERO),
        };
        let caches = self.cache.patience(now);
        own.into_iter().chain(caches).min()
    }

    /// Nobody told it anything for as long as it waited.
    fn go_on(&mut self, now: Instant) {
        match self.due(now) {
            Some(_) => self.work(),
            None => self.rest.tell(now, self.tail.look().is_folded()),
        }
    }

    fn take_in(&mut self, message: Message) {
        match message {
            Message::Fold => self.state.fold = self.state.fold.max(Wanted::Enough),
            Message::FoldAll { reply } => {
                let up_to = self.want_all();
                let waiting = reply.map(|reply| Waiting { up_to, reply });
                self.state.waiting.extend(waiting);
            }
            Message::Full => self.compaction.give_all(),
            Message::LetGo => {
                self.compaction.give_all();
                self.want_all();
                self.state.is_tidy = false;
                // Room is of no help against another fault.
                if let Some(trouble) = &mut self.state.trouble
                    && trouble.reason == StorageFault::Full
                {
                    trouble.next_try = Instant::now();
                }
            }
            Message::Rebuild { reply } => {
                self.want_all();
                self.state.rebuilds.push(reply);
            }
            Message::Met { reply } => {
                self.look_where_it_was_met();
                let _ = reply.send(());
            }
            Message::Alarm { opening } => self.heed(opening),
            Message::Reopen => match (&self.state.trouble, self.cold.database.opening()) {
                (None, _) => self.lose(read_failed()),
                (Some(_), Some(opening)) => self.heed(opening),
                (Some(_), None) => {}
            },
            // That is looked after with all else.
            Message::Cached | Message::Close { .. } => {}
        }
    }

    /// Wants all folded that there is now; how far that goes.
    fn want_all(&mut self) -> u64 {
        let up_to = self.tail.look().last().position;
        self.state.fold = self.state.fold.max(Wanted::All { up_to });
        up_to
    }

    fn work(&mut self) {
        self.cache.rest(Instant::now());
        if self.state.trouble.is_some() && self.cold.is_still_itself().is_ok() {
            self.tidy_on_a_full_disk();
        }
        if let Some(trouble) = &self.state.trouble {
            if !trouble
                .next_try
                .saturating_duration_since(Instant::now())
                .is_zero()
            {
                self.answer_waiting();
                return;
            }
            self.try_again();
        }
        if self.state.trouble.is_none()
            && let Err(reason) = self.cold.place().holds_it()
        {
            self.wait(reason);
        }
        self.wait_if_it_is_another();
        if self.state.trouble.is_none() {
            self.fold();
            self.rebuild();
            self.tidy();
            self.compact();
        }
        self.answer_waiting();
        self.rest.disturb(Instant::now());
    }

    /// Nothing is written to a file that another program wrote over, until it is put back.
    fn wait_if_it_is_another(&mut self) {
        if self.state.trouble.is_none()
            && let Err(reason) = self.cold.is_still_itself()
        {
            self.wait(reason);
        }
    }

    /// Folds what there is, if it is wanted.
    fn fold(&mut self) {
        let wanted = match self.state.fold {
            Wanted::Nothing => false,
            Wanted::Enough => self.tail.look().bytes() >= self.fold_bytes,
            Wanted::All { .. } => true,
        };
        if !wanted {
            self.state.fold = Wanted::Nothing;
            return;
        }
        let Some(what) = self.tail.look().fold() else {
            self.state.fold = Wanted::Nothing;
            return;
        };
        let bytes = match self.bytes_to_fold(&what) {
            Ok(bytes) => bytes,
            Err(fault) => return self.lose(fault.reason()),
        };
        match self.make_room(bytes, self.claim()) {
            Ok(()) => self.fold_this(&what),
            Err(reason) => match self.part(&reason) {
                Some(part) => self.fold_this(&part),
                None => self.wait(reason),
            },
        }
    }

    fn fold_this(&mut self, what: &Fold) {
        let began = Instant::now();
        tracing::debug!(sessions = what.slots.len(), "a fold begins");
        match self.write(what) {
            Ok(()) => {
                tracing::debug!(took_ms = began.elapsed().as_millis(), "a fold is made");
                self.tail.forget(what.mark, Some(began.elapsed()));
                self.state.backoff = Duration::ZERO;
                self.state.asked = Asked::default();
                self.state.mending = mend::Mending::default();
                if what.mark == self.tail.look().last() {
                    self.state.fold = Wanted::Nothing;
                } else if (self.state.fold
                    <= Wanted::All {
                        up_to: what.mark.position,
                    })
                {
                    // There may be enough by now, and to be told so may have been on the way before.
                    self.state.fold = Wanted::Enough;
                }
                self.state.is_tidy = false;
                self.compaction.committed();
                let _ = self.writer.send(writer::Message::Folded);
            }
            Err(fault) => {
                let fault = self.cold.what_befell(fault);
                self.state.asked.was_met_by(&fault);
                self.lose_or_mend(&fault);
            }
        }
    }

    fn write(&self, what: &Fold) -> Result<(), Fault> {
        let thrift = match self.state.fold {
            Wanted::Enough => Thrift::Time,
            Wanted::All { .. } | Wanted::Nothing => Thrift::Room,
        };
        let folded = self.tail.look().folded();
        let slots = what.slots.iter().map(|slot| slot.slot).collect();
        self.commit(&Touched::Slots(slots), |txn| {
            fold::follows(txn, folded)?;
            fold::write(txn, what, thrift)
        })
    }

    /// Does `work` in a transaction of the cold file and commits it; it changes nothing of a session but
    /// `touched`.
    fn commit(
        &self,
        touched: &Touched,
        work: impl FnOnce(&WriteTransaction) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.cold.is_still_itself().map_err(Fault::Disk)?;
        // What was refused before is over.
        self.cold.take_refused();
        guarded(|| {
            let (opening, txn) = self.cold.database.begin_cold()?;
            work(&txn)?;
            let change = self.cache.change(opening, touched);
            txn.commit()?;
            change.made();
            Ok(())
        })
    }

    /// Writes the projections anew, where somebody asked for it.
    fn rebuild(&mut self) {
        if self.state.rebuilds.is_empty() || self.state.trouble.is_some() {
            return;
        }
        self.mend_first();
        if self.state.trouble.is_some() {
            return;
        }
        let rebuilt = self.commit(&Touched::All, projection::rebuild);
        let rebuilt = rebuilt.map_err(|fault| self.cold.what_befell(fault));
        self.compaction.committed();
        let answer = match rebuilt {
            Ok(()) => Ok(()),
            Err(fault) => {
                let reason = fault.reason();
                // Damage too: of a transaction that met some the database may not get rid.
                self.lose(reason.clone());
                Err(match fault {
                    Fault::Damage(damage) => AppendError::Damaged(damage),
                    Fault::Disk(_) | Fault::Stale => AppendError::Suspended { reason },
                })
            }
        };
        for reply in self.state.rebuilds.drain(..) {
            let _ = reply.send(answer.clone());
        }
    }

    /// Whoever waits for a fold is told when what there was then is folded, or nothing can be.
    fn answer_waiting(&mut self) {
        let folded = self.tail.look().folded().position;
        let is_stuck = self.state.trouble.is_some();
        let answered = |waiting: &mut Waiting| is_stuck || waiting.up_to <= folded;
        for waiting in self.state.waiting.extract_if(.., answered) {
            let _ = waiting.reply.send(());
        }
        if let Some(trouble) = &self.state.trouble {
            for reply in self.state.rebuilds.drain(..) {
                let _ = reply.send(Err(AppendError::Suspended {
                    reason: trouble.reason.clone(),
                }));
            }
        }
    }

    fn close(&mut self) {
        // That takes a while: who opens it next has it done.
        self.state.mending = mend::Mending::Tried;
        if self.state.trouble.is_some() {
            self.try_again();
        }
        self.want_all();
        self.wait_if_it_is_another();
        if self.state.trouble.is_none() {
            self.fold();
        }
        self.cold.seal_another();
        self.cold.database.close();
        self.cache.clear();
        for reply in self.state.rebuilds.drain(..) {
            let _ = reply.send(Err(AppendError::Closed));
        }
        self.answer_waiting();
    }
}
