//! What there is left of a log, and where: found out once, so that the rest is looking it up.

mod carved;
mod claims;
mod journal;
mod names;
mod openings;
mod order;
mod owners;
mod refused;
mod unread;

use std::collections::{BTreeMap, HashMap, HashSet};

use coven_core::{Record, Seq, SessionId};
use redb::{TableHandle, Value};

use crate::cold::segment::Segment;
use crate::error::OpenError;
use crate::file::{Disk, open_error, refuse_unfinished};
use crate::inspect::{OpenFile, Source, widths};
use crate::layout::{BY_CREATED, GONE, IDS, META, ORDER, RECORDS, SEGMENTS, SLOTS, meta};
use crate::limits::LOST_SEQS;
use crate::raw::{Last, Snapshot};
use crate::read::{record_of_row, slot_of_row};
use crate::stored::{Aside, Mark};
use crate::tail::Run;

use super::told::SetAside;
use claims::is_among;
use journal::Left;
pub(super) use journal::Recent;
use unread::{Stretch, Unread};

/// A segment that is whole, in the cold file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Piece {
    pub(super) slot: u64,
    pub(super) first: u64,
    pub(super) origin: Origin,
    last: u64,
    at: u64,
    len: u32,
    /// All places from its first to its last are events of it.
    has_all: bool,
}

/// How something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// The file's trees lead to it.
    Tree,
    /// Beside them, and nothing that is known speaks against it.
    Carved,
}

/// Whose a slot is.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub(super) id: Option<SessionId>,
    pub(super) deleted_at: Option<u64>,
    /// A page that is what it is to be says that it is a session's.
    is_led_to: bool,
}

#[derive(Default)]
pub(super) struct Catalogue {
    cold: Option<Box<Snapshot>>,
    /// Sorted; more than one for a place where an older state of it was found as well.
    pieces: Vec<Piece>,
    /// Where the events of those are that the trees lead to, sorted: slot, first and last. Only where
    /// there are others as well.
    referred: Vec<(u64, u64, u64)>,
    /// Where segments were that cannot be read.
    unread: Vec<Stretch>,
    /// From which segment, found beside the trees, up to which place of its slot there is no other.
    joined: BTreeMap<(u64, u64), u64>,
    pub(super) owners: BTreeMap<u64, Owner>,
    /// Where the records are.
    records: BTreeMap<u64, (u64, u32)>,
    /// Events out of the journal, by slot and place.
    pub(super) recent: HashMap<u64, BTreeMap<u64, Recent>>,
    /// How many events the log had of each slot, where that is known of all.
    pub(super) ordered: Option<HashMap<u64, u64>>,
    /// What is left of the order beside the cold file's trees.
    carved_order: Vec<Run>,
    /// How far the cold file had everything, as a Seq.
    pub(super) folded: u64,
    /// The same as the file says it, and from where it says that an import went on.
    cold_marks: Option<(Mark, Option<Mark>)>,
    /// The slots that no session has, whatever is found of them.
    pub(super) aside: Aside,
    /// Those of them that are only now known to be none's: others have their places.
    pub(super) set_aside: Vec<SetAside>,
    /// Places that a slot has something for and that are another's: slot, first and last, in order.
    denied: Vec<(u64, u64, u64)>,
    /// How many events that is of each.
    denied_events: BTreeMap<u64, u64>,
    /// Sessions there were, as far as is known, that nothing is left of.
    pub(super) untraced: u64,
    /// Slots whose session has the id of another that is left, and not the better claim to it.
    namesakes: HashSet<u64>,
    /// What the slots are called that have no name of their own.
    new_names: HashMap<u64, SessionId>,
    /// Slots whose session was deleted, as another had its id later, and whose deletion is lost.
    pub(super) forgotten: Vec<u64>,
    /// All of the journal could be read.
    pub(super) has_journal: bool,
    /// Nothing can have been recorded after all that is known.
    pub(super) has_newest: bool,
    /// The last place that is known to have been given.
    pub(super) last_known: u64,
    /// The log's counters, or beyond them.
    pub(super) mark: Mark,
}

impl Catalogue {
    /// Goes through both files of the log at `path`.
    pub(super) fn of(disk: &dyn Disk, path: &std::path::Path) -> Result<Self, OpenError> {
        refuse_unfinished(path)?;
        let mut catalogue = Self::default();
        let (cold, journal) = OpenFile::both_to_save(disk, path)?;
        catalogue.aside = aside(&cold, &journal);
        match (&cold, &journal) {
            (OpenFile::Missing, OpenFile::Missing) => {
                return Err(open_error(path, std::io::ErrorKind::NotFound.into()));
            }
            (OpenFile::There(cold), _) => catalogue.take_cold(cold),
            (OpenFile::Missing, OpenFile::There(_)) => {}
        }
        let left = match &journal {
            // What it has is other sessions', of the same slots.
            OpenFile::There(journal) if are_of_two_logs(&cold, journal) => Left::NotTheEnd,
            OpenFile::There(journal) => catalogue.take_journal(journal, &cold),
            // It is made before the cold file: that one alone never was the whole log, however little was folded.
            OpenFile::Missing => Left::NotTheEnd,
        };
        catalogue.pieces.sort_unstable();
        catalogue.pieces.dedup();
        if let OpenFile::There(cold) = cold {
            catalogue.cold = Some(cold);
        }
        catalogue.settle();
        // No log is made that sets aside what it has.
        let owners = &catalogue.owners;
        catalogue.aside.0.retain(|slot| !owners.contains_key(slot));
        catalogue.part_namesakes();
        catalogue.name_the_nameless();
        catalogue.has_journal = left == Left::All;
        catalogue.has_newest = left != Left::NotTheEnd;
        let traced = (catalogue.owners.len() + catalogue.aside.0.len()) as u64;
        catalogue.untraced = catalogue.mark.last_slot.saturating_sub(traced);
        catalogue.last_known = catalogue.mark.last_seq;
        if !catalogue.has_newest {
            // What was given since is not known: nothing of it may be given again.
            catalogue.mark.last_seq += LOST_SEQS;
        }
        Ok(catalogue)
    }

    fn take_cold(&mut self, cold: &Snapshot) {
        let rows = |rows: Result<_, crate::fault::Fault>| -> crate::inspect::Rows<'_> {
            rows.expect("a file that is read without the database has no fault of it")
        };
        let source = Source::Closed(cold);
        let mut imported = None;
        for row in rows(source.sound_rows(META)).flatten() {
            match <&str>::from_bytes(&row.key) {
                meta::FOLDED => {
                    if let Ok(mark) = Mark::unseal(&row.value, meta::FOLDED) {
                        self.folded = mark.last_seq;
                        self.cold_marks = Some((mark, None));
                        self.count(mark);
                    }
                }
                meta::IMPORTED => imported = Mark::unseal(&row.value, meta::IMPORTED).ok(),
                _ => {}
            }
        }
        if let Some((_, of_cold)) = &mut self.cold_marks {
            *of_cold = imported;
        }
        self.believe_slots(source);
        for row in rows(source.rows(SLOTS)).flatten() {
            let slot = u64_of(&row.key);
            if self.take_slot(slot, &row.value) && row.is_sound {
                self.owner(slot).is_led_to = true;
            }
        }
        let mut unread = Unread::default();
        for row in rows(source.rows(SEGMENTS)).flatten() {
            let key = <(u64, u64)>::from_bytes(&row.key);
            let is_read = self.take_segment(key, &row.value, row.at, Origin::Tree);
            if is_read && row.is_sound {
                self.owner(key.0).is_led_to = true;
            }
            unread.meet(&row, is_read);
        }
        let mut bad = cold.take_bad();
        self.unread = unread.finish(&bad);
        for row in rows(source.sound_rows(RECORDS)).flatten() {
            let place = (row.at, u32::try_from(row.value.len()).unwrap_or(u32::MAX));
            self.records.insert(u64_of(&row.key), place);
        }
        self.take_order(rows(source.rows(ORDER)));
        bad.extend(cold.take_bad());
        let is_torn =
            !bad.is_empty() || has_lost_its_last(cold) || !cold.header.problems.is_empty();
        self.take_names(
            rows(source.sound_rows(IDS)),
            rows(source.sound_rows(BY_CREATED)),
        );
        if is_torn {
            self.carve(cold);
            self.find_names(cold);
        }
        self.take_gone(rows(source.sound_rows(GONE)));
    }

    /// Nobody has set a slot aside to which pages lead that are what they are to be, whatever says so.
    fn believe_slots(&mut self, source: Source<'_>) {
        if self.aside.0.is_empty() {
            return;
        }
        for row in source.sound_rows(SLOTS).into_iter().flatten().flatten() {
            let slot = u64_of(&row.key);
            if slot_of_row(slot, &row.value).is_ok() {
                self.aside.0.remove(&slot);
            }
        }
        for row in source.sound_rows(IDS).into_iter().flatten().flatten() {
            self.aside.0.remove(&u64_of(&row.value));
        }
    }

    /// Says whether it is one that can be read.
    fn take_slot(&mut self, slot: u64, row: &[u8]) -> bool {
        let Ok((id, deleted_at)) = slot_of_row(slot, row) else {
            return false;
        };
        if self.aside.0.contains(&slot) {
            return false;
        }
        self.mark.last_slot = self.mark.last_slot.max(slot);
        let owner = self.owner(slot);
        owner.id = Some(id);
        // A state of it from before that may have been found as well.
        owner.deleted_at = owner.deleted_at.or(deleted_at.map(Seq::get));
        true
    }

    fn owner(&mut self, slot: u64) -> &mut Owner {
        self.owners.entry(slot).or_insert(Owner {
            id: None,
            deleted_at: None,
            is_led_to: false,
        })
    }

    /// Says whether it is one that can be read.
    fn take_segment(
        &mut self,
        (slot, first): (u64, u64),
        bytes: &[u8],
        at: u64,
        origin: Origin,
    ) -> bool {
        let Ok(head) = Segment::head(slot, first, bytes) else {
            return false;
        };
        if self.aside.0.contains(&slot) {
            return false;
        }
        self.mark.last_slot = self.mark.last_slot.max(slot);
        self.owner(slot);
        self.pieces.push(Piece {
            slot,
            first,
            origin,
            last: head.last,
            at,
            len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            has_all: head.last.checked_sub(first) == u64::from(head.rows).checked_sub(1),
        });
        true
    }

    fn count(&mut self, mark: Mark) {
        self.mark = Mark {
            position: self.mark.position.max(mark.position),
            last_seq: self.mark.last_seq.max(mark.last_seq),
            last_slot: self.mark.last_slot.max(mark.last_slot),
        };
    }

    /// The segments of a slot, by place.
    pub(super) fn pieces(&self, slot: u64) -> &[Piece] {
        let from = self.pieces.partition_point(|piece| piece.slot < slot);
        let to = self.pieces.partition_point(|piece| piece.slot <= slot);
        &self.pieces[from..to]
    }

    /// The newest event of a slot, if there is one.
    pub(super) fn newest(&self, slot: u64) -> Option<u64> {
        let last = |piece: &Piece| Some(self.read(piece)?.head.last);
        let folded = self.pieces(slot).iter().rev().find_map(last);
        let recent = self.recent.get(&slot);
        let recent = recent.and_then(|rows| rows.keys().next_back().copied());
        folded.max(recent)
    }

    /// Whether the event of a slot at a place is in a segment that the trees lead to, or was taken out
    /// of it.
    pub(super) fn is_referred(&self, slot: u64, seq: u64) -> bool {
        is_among(&self.referred, slot, seq)
    }

    /// A segment, read again.
    pub(super) fn read(&self, piece: &Piece) -> Option<Segment> {
        let bytes = self
            .cold
            .as_ref()?
            .file
            .read(piece.at, piece.len as usize)
            .ok()?;
        Segment::decode(piece.slot, piece.first, &bytes).ok()
    }

    /// The record that was kept of a session, under the id that it had, if it is whole.
    pub(super) fn record(&self, slot: u64) -> Option<Record> {
        let (at, len) = *self.records.get(&slot)?;
        let bytes = self.cold.as_ref()?.file.read(at, len as usize).ok()?;
        let id = self.owners.get(&slot)?.id.as_ref()?;
        record_of_row(slot, id, &bytes).ok()
    }
}

/// The slots that no session has. What the journal says of that is so for good. By a cold file that has lost its last
/// commit that may have been the one of the import that began with the last slot.
fn aside(cold: &OpenFile, journal: &OpenFile) -> Aside {
    let mut aside = Aside::default();
    if let OpenFile::There(cold) = cold {
        aside = aside_in(cold);
        if has_lost_its_last(cold) {
            aside.0.pop_last();
        }
    }
    if let OpenFile::There(journal) = journal
        && !are_of_two_logs(cold, journal)
    {
        aside.0.extend(aside_in(journal).0);
    }
    aside
}

fn aside_in(file: &Snapshot) -> Aside {
    let rows = file.rows(META.name(), widths(&META));
    rows.filter(|row| row.is_sound && row.key == meta::ASIDE.as_bytes())
        .find_map(|row| Aside::unseal(&row.value).ok())
        .unwrap_or_default()
}

/// Whether what is told of a file is an older commit than its last.
fn has_lost_its_last(file: &Snapshot) -> bool {
    file.has_lost_its_last || file.header.last == Last::Lost
}

fn u64_of(bytes: &[u8]) -> u64 {
    bytes
        .get(..8)
        .and_then(|it| it.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}

/// Whether a journal is of another log than the cold file, as far as both say of which they are.
fn are_of_two_logs(cold: &OpenFile, journal: &Snapshot) -> bool {
    let OpenFile::There(cold) = cold else {
        return false;
    };
    match (log_of(cold), log_of(journal)) {
        (Some(this), Some(that)) => this != that,
        (None, _) | (_, None) => false,
    }
}

/// Which log a file says that it is of, where a checksum vouches for that.
fn log_of(file: &Snapshot) -> Option<Vec<u8>> {
    let rows = Source::Closed(file).sound_rows(META).ok()?;
    let mut rows = rows.flatten();
    let row = rows.find(|row| <&str>::from_bytes(&row.key) == meta::LOG)?;
    Some(row.value)
}
