//! Looking for rows in a file whose trees cannot be followed: page by page, whatever was in them
//! last. Only what proves itself, by a checksum that covers its key, is taken.

use std::io;

use crate::cold::order::runs_of_row;
use crate::cold::segment::Segment;
use crate::raw::{PAGE, RawFile, Widths, leaf_end, leaf_rows};
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

/// A row that was found, and where its value is in the file.
pub(super) struct Found {
    pub(super) key: (u64, u64),
    pub(super) value: Vec<u8>,
    pub(super) at: u64,
}

/// What is in one page.
pub(super) enum Leaf {
    Segments(Vec<Found>),
    /// The second part of each key is 0.
    Slots(Vec<Found>),
}

/// Calls `each` with every page of a cold file that has rows of the events or of whose they are.
pub(super) fn cold(file: &RawFile, mut each: impl FnMut(Leaf)) -> io::Result<()> {
    leaves(file, |at, page| {
        let segments: Vec<Found> = rows(at, page, SEGMENTS)
            .filter(|row| Segment::head(row.key.0, row.key.1, &row.value).is_ok())
            .collect();
        if !segments.is_empty() {
            each(Leaf::Segments(segments));
            return;
        }
        let slots: Vec<Found> = rows(at, page, NUMBERED)
            .filter(|row| slot_of_row(row.key.0, &row.value).is_ok())
            .collect();
        // A row of the order can look like one of a slot; all of a page cannot.
        let is_order = |row: &Found| runs_of_row(row.key.0, &row.value).is_ok();
        if !slots.is_empty() && !rows(at, page, NUMBERED).all(|row| is_order(&row)) {
            each(Leaf::Slots(slots));
        }
    })
}

/// Calls `each` with every row of a journal that could be a part of a group. Whether it is one is
/// seen once a group is put together.
pub(super) fn journal(file: &RawFile, mut each: impl FnMut(Found)) -> io::Result<()> {
    leaves(file, |at, page| {
        rows(at, page, JOURNAL)
            .filter(|row| row.key.1 < 1 << 16)
            .for_each(&mut each);
    })
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

/// Calls `each` with every page that looks like a leaf, and where it is.
fn leaves(file: &RawFile, mut each: impl FnMut(u64, &[u8])) -> io::Result<()> {
    let mut at = 0;
    while at < file.len() {
        let window = file
            .read(at, WINDOW)
            .or_else(|_| Ok::<_, io::Error>(vec![0; WINDOW]))?;
        for (number, page) in window.chunks(PAGE).enumerate() {
            let place = at + (number * PAGE) as u64;
            // A long value has a page to itself that is as long.
            let end = [SEGMENTS, NUMBERED]
                .into_iter()
                .filter_map(|widths| leaf_end(page, widths))
                .max();
            match end {
                Some(end) if end <= PAGE => each(place, page),
                Some(end) => {
                    if let Ok(page) = file.read(place, end) {
                        each(place, &page);
                    }
                }
                None => {}
            }
        }
        at += WINDOW as u64;
    }
    Ok(())
}
