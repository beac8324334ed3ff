//! Groups of a journal, put together out of parts that were found anywhere in it.
//!
//! There may be several of one part: older states of its page, a group whose commit failed and whose
//! position another got, and what a session wrote that looks like one.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use bytes::Bytes;

use super::carve::{self, Found};
use crate::inspect::Source;
use crate::journal::{self, JournalBatch};
use crate::layout::JOURNAL;
use crate::raw::{RawFile, Snapshot};
use crate::stored::{Mark, Opened};

/// Ways in which the parts of one position are put together at most.
const TRIES: usize = 256;

/// A group whose checksum is right.
pub(super) struct Group {
    pub(super) position: u64,
    pub(super) mark: Mark,
    pub(super) batches: Vec<JournalBatch>,
    /// Which opening of the log wrote it, if it says so.
    pub(super) opened: Option<Opened>,
    places: Vec<Range<u64>>,
    /// Its parts that the journal's tree leads to.
    referred: usize,
}

impl Group {
    /// The place of its first event.
    pub(super) fn first(&self) -> Option<u64> {
        let first = self.batches.first()?.rows.first()?;
        Some(first.0.get())
    }
}

/// Where a part was found.
#[derive(Clone)]
struct Place {
    range: Range<u64>,
    hash: u64,
    is_referred: bool,
}

/// The parts of one position, by number.
type Parts = BTreeMap<u64, Vec<Place>>;

/// All groups that are whole, by position; of one position those first that the tree leads to.
pub(super) fn found(journal: &Snapshot) -> Vec<Group> {
    let rows = || {
        Source::Closed(journal)
            .rows(JOURNAL)
            .into_iter()
            .flatten()
            .flatten()
    };
    let referred: HashSet<u64> = rows().map(|row| row.at).collect();
    let mut positions: BTreeMap<u64, Parts> = BTreeMap::new();
    carve::journal(&journal.file, |part| {
        let (position, number) = part.key;
        let parts = positions.entry(position).or_default();
        add(parts.entry(number).or_default(), &part, &referred);
    });
    let mut groups = Vec::new();
    for (position, parts) in positions {
        groups.extend(whole(&journal.file, position, &parts));
    }
    let sound = rows().filter(|row| row.is_sound);
    let mut values: Vec<Range<u64>> = sound
        .map(|row| row.at..row.at + row.value.len() as u64)
        .chain(groups.iter().flat_map(|group| group.places.clone()))
        .collect();
    values.sort_unstable_by_key(|value| value.start);
    let values = Values::of(&values);
    groups.retain(|group| !group.places.iter().any(|place| values.have(place)));
    groups.sort_by_key(|group| (group.position, std::cmp::Reverse(group.referred)));
    groups
}

/// Takes in a part, once however often it is there.
fn add(places: &mut Vec<Place>, part: &Found, referred: &HashSet<u64>) {
    let mut hasher = DefaultHasher::new();
    part.value.hash(&mut hasher);
    let place = Place {
        range: part.at..part.at + part.value.len() as u64,
        hash: hasher.finish(),
        is_referred: referred.contains(&part.at),
    };
    match places.iter_mut().find(|known| known.hash == place.hash) {
        Some(known) if place.is_referred => *known = place,
        Some(_) => {}
        None => places.push(place),
    }
}

/// The groups that the parts of a position come to, of parts that the tree leads to before others.
fn whole(file: &RawFile, position: u64, parts: &Parts) -> Vec<Group> {
    let follows = (0..)
        .zip(parts)
        .take_while(|(next, (number, _))| next == *number);
    let mut numbers: Vec<Vec<Place>> = follows.map(|(_, (_, places))| places.clone()).collect();
    for places in &mut numbers {
        places.sort_by_key(|place| (!place.is_referred, place.range.start));
    }
    let mut groups = Vec::new();
    let mut tries = TRIES;
    for count in (1..=numbers.len()).rev() {
        for choice in choices(&numbers[..count]) {
            if tries == 0 {
                return groups;
            }
            tries -= 1;
            groups.extend(group(file, position, &choice));
        }
    }
    groups
}

/// Every way to take one place of each number, the last number's turning fastest.
fn choices(numbers: &[Vec<Place>]) -> impl Iterator<Item = Vec<&Place>> {
    let mut chosen = Some(vec![0; numbers.len()]);
    std::iter::from_fn(move || {
        let now = chosen.take()?;
        let mut next = now.clone();
        for (number, places) in numbers.iter().enumerate().rev() {
            next[number] += 1;
            if next[number] < places.len() {
                chosen = Some(next);
                break;
            }
            next[number] = 0;
        }
        Some(
            now.iter()
                .zip(numbers)
                .map(|(&it, places)| &places[it])
                .collect(),
        )
    })
}

fn group(file: &RawFile, position: u64, parts: &[&Place]) -> Option<Group> {
    let places: Vec<Range<u64>> = parts.iter().map(|part| part.range.clone()).collect();
    let bytes = Bytes::from(read(file, &places)?);
    let (mark, batches) = journal::read(position, &bytes).ok()?;
    Some(Group {
        position,
        mark,
        batches,
        opened: journal::opened(&bytes),
        places,
        referred: parts.iter().filter(|part| part.is_referred).count(),
    })
}

/// What is in these places, one behind the other.
fn read(file: &RawFile, places: &[Range<u64>]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for place in places {
        let len = usize::try_from(place.end - place.start).ok()?;
        bytes.extend(file.read(place.start, len).ok()?);
    }
    Some(bytes)
}

/// Values that are sound, wherever they are in a file.
struct Values {
    starts: Vec<u64>,
    /// Where the one ends that ends last, of those up to each.
    ends: Vec<u64>,
}

impl Values {
    /// Out of those in order.
    fn of(values: &[Range<u64>]) -> Self {
        let mut last = 0;
        let ends = values.iter().map(|value| {
            last = value.end.max(last);
            last
        });
        Self {
            ends: ends.collect(),
            starts: values.iter().map(|value| value.start).collect(),
        }
    }

    /// Whether one begins before a part and has it within: then the part is of its bytes.
    fn have(&self, part: &Range<u64>) -> bool {
        let before = self.starts.partition_point(|start| *start < part.start);
        before
            .checked_sub(1)
            .is_some_and(|last| self.ends[last] >= part.end)
    }
}
