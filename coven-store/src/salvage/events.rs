//! The events that are left of one session, out of both files, by place.

#[cfg(test)]
mod tests;

use std::collections::btree_map;
use std::iter::Peekable;
use std::vec;

use bytes::Bytes;
use coven_core::{Envelope, Seq, SessionId};

use super::catalogue::{Catalogue, Origin, Piece, Recent};
use crate::read::event_of_row;

/// An event, and its bytes as they are stored.
#[derive(Clone, Debug)]
pub(super) struct Left {
    pub(super) envelope: Envelope,
    pub(super) bytes: Bytes,
    /// Whoever looks at the log as it is reads it: what is folded may be in the journal for a while yet, and
    /// is not read there.
    pub(super) is_read: bool,
}

/// A row, before it is known whether it is an event.
struct Row {
    seq: u64,
    bytes: Bytes,
    is_read: bool,
}

/// Every event of a slot that can be read, once.
pub(super) struct Events<'a> {
    catalogue: &'a Catalogue,
    id: SessionId,
    pieces: std::slice::Iter<'a, Piece>,
    piece: Peekable<vec::IntoIter<Row>>,
    recent: Peekable<btree_map::Iter<'a, u64, Recent>>,
    last: u64,
}

static NONE: std::collections::BTreeMap<u64, Recent> = std::collections::BTreeMap::new();

impl<'a> Events<'a> {
    pub(super) fn of(catalogue: &'a Catalogue, slot: u64, id: SessionId) -> Self {
        Self {
            catalogue,
            id,
            pieces: catalogue.pieces(slot).iter(),
            piece: Vec::new().into_iter().peekable(),
            recent: catalogue
                .recent
                .get(&slot)
                .unwrap_or(&NONE)
                .iter()
                .peekable(),
            last: 0,
        }
    }

    /// Has the next segment ready, if the one before it is done.
    fn fill(&mut self) {
        while self.piece.peek().is_none() {
            let Some(piece) = self.pieces.next() else {
                return;
            };
            let mut rows = self.rows(piece);
            // Older states of the same segment: they have what it lost, if it did.
            while let Some(older) = self.pieces.as_slice().first() {
                if older.first != piece.first {
                    break;
                }
                let known = rows.last().map_or(0, |row| row.seq);
                let more = self.rows(older);
                rows.extend(more.into_iter().filter(|row| row.seq > known));
                self.pieces.next();
            }
            self.piece = rows.into_iter().peekable();
        }
    }

    fn rows(&self, piece: &Piece) -> Vec<Row> {
        let Some(segment) = self.catalogue.read(piece) else {
            return Vec::new();
        };
        let is_wanted = |seq: u64| match piece.origin {
            Origin::Tree => !self.catalogue.is_denied(piece.slot, seq),
            Origin::Carved => {
                !self.catalogue.is_referred(piece.slot, seq)
                    && !self.catalogue.is_denied(piece.slot, seq)
            }
        };
        let rows = segment.rows().map_while(Result::ok);
        rows.filter(|(seq, _)| is_wanted(seq.get()))
            .map(|(seq, row)| Row {
                seq: seq.get(),
                bytes: Bytes::copy_from_slice(row),
                is_read: piece.origin == Origin::Tree,
            })
            .collect()
    }

    fn next_row(&mut self) -> Option<Row> {
        self.fill();
        let folded = self.piece.peek().map(|row| row.seq);
        let recent = self.recent.peek().map(|(seq, _)| **seq);
        match (folded, recent) {
            (Some(folded), recent) if recent.is_none_or(|recent| folded <= recent) => {
                self.piece.next()
            }
            (_, Some(_)) => self.recent.next().map(|(seq, recent)| Row {
                seq: *seq,
                bytes: recent.bytes.clone(),
                is_read: *seq > self.catalogue.folded,
            }),
            (_, None) => None,
        }
    }
}

impl Iterator for Events<'_> {
    type Item = Left;

    fn next(&mut self) -> Option<Left> {
        loop {
            let Row {
                seq,
                bytes,
                is_read,
            } = self.next_row()?;
            if seq <= self.last {
                continue;
            }
            if let Ok(envelope) = event_of_row(&bytes, &self.id, Seq::new(seq)) {
                self.last = seq;
                return Some(Left {
                    envelope,
                    bytes,
                    is_read,
                });
            }
        }
    }
}
