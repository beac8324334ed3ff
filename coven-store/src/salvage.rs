//! Salvage: everything that is whole in a damaged log, written into a new one.
//!
//! The damaged log is read only. Every event that is left keeps its session, its place, its time and
//! its bytes. Records, indexes and the order are made anew. Where something is missing that later
//! events need, a stand-in takes its place, with an actor that says so; what was lost and what
//! stands for it is told of each session.

mod carve;
mod catalogue;
mod deleted;
mod error;
mod events;
mod gaps;
mod groups;
mod mend;
mod places;
mod rivals;
mod stand_in;
mod target;
#[cfg(test)]
mod tests;
mod told;
mod witness;
mod write;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use coven_core::{Event, EventKind, Record, SessionId};

use crate::fault::storage_fault;
use crate::file::{self, Disk, Draft, OsDisk};
use crate::inspect::{self, Findings, Progress};

use catalogue::{Catalogue, Owner};
pub use error::SalvageError;
use events::Events;
pub use gaps::Untied;
use gaps::{Found, Gaps};
use mend::Mending;
use places::Places;
use target::{Gathered, Target};
pub use told::{Changed, Salvaged, SetAside};
use write::NewLog;
pub(crate) use write::Pace;

/// Writes everything that is whole in the log at `path`, which nobody may have open, into a new log
/// at `into`, where nothing may be yet but what another salvage left there that did not come to its end: that
/// goes. The new log is there when this returns, whole, and not before: whatever ends it sooner leaves what is
/// refused as a log, with [`OpenError::Unfinished`](crate::OpenError::Unfinished). The log at `path` is not
/// written to. Blocks for reading it several times and writing it once; `progress` is told how far the last look
/// at the new log is. Takes some 100 bytes of memory for each session and each segment, twice that for each session that was
/// trimmed, twice 24 for each run of a session's events, all that the journal has, and at most 32 MiB, whatever a
/// damaged file claims to have lost; where a file's trees cannot be followed, 32 for each run of the order and
/// some 100 for each part of the journal beside that.
///
/// # Errors
/// [`SalvageError`], each with what to do about it.
pub fn salvage(
    path: &Path,
    into: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Salvaged, SalvageError> {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    salvage_on(&disk, path, into, Pace::default(), progress)
}

/// The same on a disk of the caller's.
pub(crate) fn salvage_on(
    disk: &Arc<dyn Disk>,
    path: &Path,
    into: &Path,
    pace: Pace,
    progress: &mut dyn FnMut(Progress),
) -> Result<Salvaged, SalvageError> {
    let draft = Draft::of(into);
    if let Some(path) = draft.taken(disk.as_ref()) {
        return Err(SalvageError::Exists { path });
    }
    draft.clear(disk.as_ref())?;
    // Before the first long look at anything: from now on nobody takes the place for empty.
    let log = NewLog::make(disk, draft.path(), pace)?;
    let catalogue = match Catalogue::of(disk.as_ref(), path) {
        Ok(catalogue) => catalogue,
        Err(error) => {
            drop(log);
            draft.discard(disk.as_ref());
            return Err(error.into());
        }
    };
    let written = draft.path();
    let uid = file::owner(written).map_err(|source| file::open_error(written, source))?;
    let mut salvaging = Salvaging::of(&catalogue, Target::Log(Box::new(log)), uid);
    salvaging.take_all()?;
    let mut mark = catalogue.mark;
    mark.position += 1;
    mark.last_seq = salvaging.places.last;
    let Salvaging { log, salvaged, .. } = salvaging;
    if let Target::Log(log) = log {
        log.finish(mark, &catalogue.aside)?;
    }
    let findings: Findings = inspect::closed(disk.as_ref(), written, progress)?;
    if let Some(problem) = findings.problems.first() {
        return Err(SalvageError::NotWhole {
            problem: problem.to_string(),
        });
    }
    let put = draft.put_in_place(disk.as_ref());
    put.map_err(|source| match (into.exists(), storage_fault(&source)) {
        (true, reason) => SalvageError::Unsettled { reason },
        (false, reason) => SalvageError::Write { reason },
    })?;
    Ok(salvaged)
}

/// What a salvage of a log would come to.
pub(crate) struct Expected {
    pub(crate) salvaged: Salvaged,
    /// Sessions of which it finds events that were not seen, and how many.
    pub(crate) unseen: BTreeMap<SessionId, u64>,
    /// Sessions that it finds and that a reader is refused, since nothing that he goes by says whose they are.
    pub(crate) refused: Vec<SessionId>,
}

/// Does all that a salvage of the log at `path` does, but for writing. `has_seen` is asked of every
/// event whether it was seen before.
pub(crate) fn expect(
    disk: &dyn Disk,
    path: &Path,
    has_seen: impl Fn(u64) -> bool,
) -> Result<Expected, SalvageError> {
    let catalogue = Catalogue::of(disk, path)?;
    let mut salvaging = Salvaging::of(&catalogue, Target::Nowhere, 0);
    salvaging.take_all()?;
    let salvaged = salvaging.salvaged;
    let mut unseen = BTreeMap::new();
    for (&slot, owner) in &catalogue.owners {
        let id = catalogue.name_of(slot);
        if owner.deleted_at.is_none() && catalogue.newest(slot).is_some_and(|seq| !has_seen(seq)) {
            let events = Events::of(&catalogue, slot, id.clone());
            let count = events.filter(|left| !has_seen(left.envelope.seq.get()));
            unseen.insert(id, count.count() as u64);
        }
    }
    Ok(Expected {
        salvaged,
        unseen,
        refused: catalogue.refused(),
    })
}

struct Salvaging<'a> {
    catalogue: &'a Catalogue,
    log: Target,
    places: Places,
    uid: u32,
    salvaged: Salvaged,
    /// What the sessions lost in places that nothing was found in; `None` where what is left of the log says
    /// of all that it had how many events it had of each.
    gaps: Option<Gaps>,
    /// Those that were trimmed, by slot: what they lost is told when all are known.
    trimmed: BTreeMap<u64, Mended>,
}

/// A session that was put together again.
struct Mended {
    id: SessionId,
    has_name: bool,
    /// Events that were found of it in places that are another's.
    denied: u64,
    done: mend::Done,
}

impl<'a> Salvaging<'a> {
    fn of(catalogue: &'a Catalogue, log: Target, uid: u32) -> Self {
        let is_counted = catalogue.ordered.is_some() && catalogue.has_journal;
        let found = (!is_counted).then(|| Found::of(catalogue));
        let gaps = found.as_ref().map(|found| Gaps::of(catalogue, found));
        let untied = gaps.as_ref().map(|gaps| gaps.untied.clone());
        Self {
            catalogue,
            log,
            places: Places::up_to(catalogue.mark.last_seq, found.map(|found| found.taken)),
            uid,
            gaps,
            salvaged: Salvaged {
                newest_is_lost: !catalogue.has_newest,
                untied: untied.unwrap_or_default(),
                untraced: catalogue.untraced,
                set_aside: catalogue.set_aside.clone(),
                ..Salvaged::default()
            },
            trimmed: BTreeMap::new(),
        }
    }

    fn take_all(&mut self) -> Result<(), SalvageError> {
        let catalogue = self.catalogue;
        for (&slot, owner) in &catalogue.owners {
            self.take(slot, owner)?;
        }
        self.tell_trimmed();
        Ok(())
    }

    fn take(&mut self, slot: u64, owner: &Owner) -> Result<(), SalvageError> {
        let id = self.catalogue.name_of(slot);
        let mut deletion = None;
        let mut trimmed_bytes = 0;
        let mut events = 0;
        for left in Events::of(self.catalogue, slot, id.clone()) {
            events += u64::from(left.is_read);
            match left.envelope.event {
                Event::Trimmed {
                    offset, len_bytes, ..
                } => trimmed_bytes = offset.saturating_add(len_bytes),
                Event::Deleted => deletion = Some(left),
                _ => {}
            }
        }
        match (deletion, owner.deleted_at) {
            (Some(left), at) => {
                if at.is_none() {
                    self.salvaged.let_go += events;
                }
                self.keep_deletion(slot, &id, left)
            }
            (None, Some(at)) => self.stand_for_deletion(slot, &id, at),
            (None, None) => self.mend(slot, &id, owner, trimmed_bytes),
        }
    }

    fn mend(
        &mut self,
        slot: u64,
        id: &SessionId,
        owner: &Owner,
        trimmed_bytes: u64,
    ) -> Result<(), SalvageError> {
        let kept = self.catalogue.record(slot);
        let mut mending = Mending::new(id.clone(), self.uid, kept, trimmed_bytes);
        let Self {
            catalogue,
            log,
            places,
            ..
        } = self;
        let mut free = |after, before, count| places.take(catalogue, after, before, count);
        let mut gathered = Gathered::of(slot, id, log);
        let mut put = |record: &Record, row| gathered.add(record, row);
        for left in Events::of(catalogue, slot, id.clone()) {
            mending.take(left, &mut free, &mut put)?;
        }
        if owner.id.is_some() || mending.record().is_some() {
            mending.finish(&mut free, &mut put)?;
        }
        if let Some(record) = mending.record() {
            gathered.hand_over(record)?;
        }
        self.salvaged.sessions += 1;
        self.salvaged.events += mending.done.events;
        self.salvaged.let_go += mending.done.trimmed;
        let is_trimmed = mending.trimmed_bytes > 0;
        let mended = Mended {
            id: id.clone(),
            has_name: catalogue.keeps_its_name(slot),
            denied: catalogue.denied_events(slot),
            done: mending.done,
        };
        if is_trimmed {
            self.trimmed.insert(slot, mended);
            return Ok(());
        }
        let (missing, is_known) = self.missing(slot, &mended.done);
        self.tell(&mended, missing, is_known.then_some(missing));
        Ok(())
    }

    /// How many events of a slot are missing, as far as is known, and whether that is all.
    fn missing(&self, slot: u64, done: &mend::Done) -> (u64, bool) {
        if let Some(gaps) = &self.gaps {
            let missing = gaps.of.get(&slot).copied().unwrap_or(0) + done.left_out;
            let is_all = gaps.untied.events == 0 && self.catalogue.has_newest;
            return (missing, is_all);
        }
        let ordered = self.catalogue.ordered.as_ref();
        let folded = ordered.and_then(|ordered| ordered.get(&slot)).copied();
        let had = folded.unwrap_or(0) + self.catalogue.not_folded(slot, 0);
        (had.saturating_sub(done.events), true)
    }

    /// Tells of those that were trimmed. The order does not say which events are gone rightly: all after the last
    /// `Trimmed` are to be there; of others nobody knows, but where a segment cannot be read.
    fn tell_trimmed(&mut self) {
        let trimmed = std::mem::take(&mut self.trimmed);
        let from = |(&slot, mended): (&u64, &Mended)| Some((slot, mended.done.last_trim?));
        let from: BTreeMap<u64, u64> = trimmed.iter().filter_map(from).collect();
        let ordered = self.catalogue.ordered_from(&from);
        let lacking = self.catalogue.lacking(trimmed.keys().copied());
        for (slot, mended) in &trimmed {
            let had = match (&ordered, from.get(slot)) {
                (Some(ordered), Some(&from)) => {
                    let folded = ordered.get(slot).copied().unwrap_or(0);
                    folded + self.catalogue.not_folded(*slot, from)
                }
                _ => 0,
            };
            let missing = had.saturating_sub(mended.done.since_trim);
            let gaps = self.gaps.as_ref().map(|gaps| &gaps.of);
            let in_gaps = gaps.and_then(|gaps| gaps.get(slot)).copied();
            let missing = missing.max(in_gaps.unwrap_or(0));
            self.tell(mended, missing.max(lacking.contains(slot).into()), None);
        }
    }

    /// Tells what became of a session that lacks so many events at least.
    fn tell(&mut self, mended: &Mended, missing: u64, lost_events: Option<u64>) {
        let Mended {
            id,
            has_name,
            denied,
            done,
        } = mended;
        let left_out = done.left_out + denied;
        let is_whole = left_out == 0
            && done.stand_ins.is_empty()
            && done.lost_output_bytes == 0
            && !done.has_lost_its_end
            && *has_name;
        if is_whole && missing == 0 {
            return;
        }
        self.salvaged.changed.push(Changed {
            session: id.clone(),
            kept_events: done.events,
            lost_events,
            lost_output_bytes: done.lost_output_bytes,
            stand_ins: done
                .stand_ins
                .iter()
                .map(|(kind, count)| (*kind, *count))
                .collect(),
            left_out,
        });
    }
}

/// An event's kind, as people read it.
const fn kind_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Created => "created",
        EventKind::Registered => "registered",
        EventKind::Started => "started",
        EventKind::LaunchFailed => "launch failed",
        EventKind::Identified => "identified",
        EventKind::Output => "output",
        EventKind::Input => "input",
        EventKind::Resized => "resized",
        EventKind::Titled => "titled",
        EventKind::Labelled => "labelled",
        EventKind::KillRequested => "kill requested",
        EventKind::OutputClosed => "output closed",
        EventKind::Exited => "exited",
        EventKind::Completed => "completed",
        EventKind::Orphaned => "orphaned",
        EventKind::Archived => "archived",
        EventKind::Summoned => "summoned",
        EventKind::Deleted => "deleted",
        EventKind::Trimmed => "trimmed",
        EventKind::Undelivered => "undelivered",
    }
}
