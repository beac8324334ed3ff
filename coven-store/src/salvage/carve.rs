//! Looking for rows in a file whose trees cannot be followed: page by page, whatever was in them
//! last. Only what proves itself, by a checksum that covers its key, is taken.
//!
//! What a session wrote may look like a page, and prove itself as one. So no page is looked for within
//! a value that was proved already.

use crate::cold::order::runs_of_row;
use crate::cold::segment::Segment;
use crate::raw::{MAX_PAGE_BYTES, PAGE, RawFile, Widths, can_begin, leaf_end, leaf_len, leaf_rows};
use crate::read::slot_of_row;

/// Bytes that are read at once to look for leaves.
const WINDOW: usize = 256 * PAGE;

const SEGMENTS: Widths = Widths {
    key: Some(16),
    value: None,
};
const NUMBERED: Widths = Widths {
    key: Some(8),
    value: None,
};
const JOURNAL: Widths = Widths {
    key: Some(12),
    value: None,
};

/// `ids`, and the list.
const NAMES: [Widths; 2] = [
    Widths {
        key: None,
        value: Some(8),
    },
    Widths {
        key: None,
        value: Some(9),
    },
];

/// A row that was found, and where its value is in the file.
pub(super) struct Found {
    pub(super) key: (u64, u64),
    pub(super) value: Vec<u8>,
    pub(super) at: u64,
}

impl Found {
    fn end(&self) -> u64 {
        self.at + self.value.len() as u64
    }
}

/// What is in one page.
pub(super) enum Leaf {
    /// Those that can be read, and whether there are no others.
    Segments(Vec<Found>, bool),
    /// The second part of each key is 0, here and in the next.
    Slots(Vec<Found>),
    Order(Vec<Found>),
}

/// What may say how a slot's session is called.
pub(super) enum Trace {
    /// A slot that an id leads to, if this is a row of that at all.
    Name(u64, String),
    /// A record, if it is one.
    Record(Found),
}

/// Calls `each` with every page of a cold file that has rows of the events, or of whose they are.
pub(super) fn cold(file: &RawFile, mut each: impl FnMut(Leaf)) {
    leaves(file, |at, page| {
        let segments = segments(at, page);
        if !segments.is_empty() {
            let end = segments.iter().map(Found::end).max();
            let are_all = segments.len() == leaf_len(page);
            each(Leaf::Segments(segments, are_all));
            return end.unwrap_or(at);
        }
        let numbered: Vec<Found> = rows(at, page, NUMBERED).collect();
        let is_slot = |row: &Found| slot_of_row(row.key.0, &row.value).is_ok();
        // A row of the order can look like one of a slot; all of a page cannot.
        let is_order = |row: &Found| runs_of_row(row.key.0, &row.value).is_ok();
        if numbered.iter().any(is_slot) && !numbered.iter().all(is_order) {
            each(Leaf::Slots(numbered.into_iter().filter(is_slot).collect()));
        } else if numbered.iter().any(is_order) {
            each(Leaf::Order(numbered.into_iter().filter(is_order).collect()));
        }
        at
    });
}

/// Calls `each` with everything in a cold file that may say how a slot's session is called.
pub(super) fn traces(file: &RawFile, mut each: impl FnMut(Trace)) {
    leaves(file, |at, page| {
        if let Some(end) = segments(at, page).iter().map(Found::end).max() {
            return end;
        }
        for widths in NAMES {
            for (key, value) in leaf_rows(page, widths) {
                // In the list the id comes after the time.
                let id = page[key].get(if value.len() == 8 { 0.. } else { 8.. });
                let slot = page[value].first_chunk().copied().map(u64::from_le_bytes);
                let id = id.and_then(|id| std::str::from_utf8(id).ok());
                if let (Some(slot), Some(id)) = (slot, id) {
                    each(Trace::Name(slot, id.to_owned()));
                }
            }
        }
        rows(at, page, NUMBERED).for_each(|row| each(Trace::Record(row)));
        at
    });
}

fn segments(at: u64, page: &[u8]) -> Vec<Found> {
    let rows = rows(at, page, SEGMENTS);
    rows.filter(|row| Segment::head(row.key.0, row.key.1, &row.value).is_ok())
        .collect()
}

/// Calls `each` with every row of a journal that could be a part of a group. Whether it is one is
/// seen once a group is put together; until then, one may be within another.
pub(super) fn journal(file: &RawFile, mut each: impl FnMut(Found)) {
    leaves(file, |at, page| {
        rows(at, page, JOURNAL)
            .filter(|row| row.key.1 < 1 << 16)
            .for_each(&mut each);
        at
    });
}

fn rows(at: u64, page: &[u8], widths: Widths) -> impl Iterator<Item = Found> {
    let number = |key: &[u8], from: usize| {
        let mut bytes = [0; 8];
        let there = key.get(from..).unwrap_or_default();
        let len = there.len().min(8);
        bytes[..len].copy_from_slice(&there[..len]);
        u64::from_le_bytes(bytes)
    };
    leaf_rows(page, widths)
        .into_iter()
        .map(move |(key, value)| Found {
            key: (number(&page[key.clone()], 0), number(&page[key], 8)),
            at: at + value.start as u64,
            value: page[value].to_vec(),
        })
}

/// Calls `each` with every page that looks like a leaf, and where it is; it says up to where in the
/// file nothing more is to be looked for. Whatever the pages say of their lengths, all that is read is
/// the file once for each length there is, since a page begins at a multiple of its own.
fn leaves(file: &RawFile, mut each: impl FnMut(u64, &[u8]) -> u64) {
    let mut done = 0;
    for window_at in (0..file.len()).step_by(WINDOW) {
        if done >= window_at + WINDOW as u64 {
            continue;
        }
        let window = read_past_faults(file, window_at);
        for (number, page) in (0..).zip(window.chunks(PAGE)) {
            let at = window_at + number * PAGE as u64;
            // Where values end is in the same place in all of these tables.
            let Some(end) = leaf_end(page, SEGMENTS).filter(|_| at >= done) else {
                continue;
            };
            let is_long = end > PAGE && end <= MAX_PAGE_BYTES && can_begin(at, end);
            let until = match is_long.then(|| file.read(at, end)) {
                Some(Ok(whole)) => each(at, &whole),
                // One whose length was damaged may have rows that were not.
                Some(Err(_)) | None => each(at, page),
            };
            done = done.max(until);
        }
    }
}

/// A window of a file. What of it cannot be read is zeros.
fn read_past_faults(file: &RawFile, at: u64) -> Vec<u8> {
    file.read(at, WINDOW).unwrap_or_else(|error| {
        tracing::error!(%error, at, "not all of a damaged file could be looked at");
        vec![0; WINDOW]
    })
}
