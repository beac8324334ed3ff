//! The journal: a group of batches for each commit, in parts that fill their pages.
//!
//! ```text
//! version │ last_seq │ last_slot │ began   │ by      │ batch … │ crc32(position, all of it)
//!  1 byte │ 8 bytes  │ 8 bytes   │ 8 bytes │ 8 bytes │
//! batch:  slot, first seq, id, the length of each row; then the rows
//! ```
//!
//! `began` and `by` say which opening of the log wrote it; version 1 has neither.
//!
//! Numbers in a batch are postcard's (varints). The rows are the events as they are stored
//! anywhere, so that folding them moves bytes and decodes nothing.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use coven_core::{Seq, SessionId};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::fault::{Fault, damage};
use crate::layout::{JOURNAL, META, meta};
use crate::pages;
use crate::pool::Pool;
use crate::rows::Rows;
use crate::stored::{Malformed, Mark, Opened, put, sealed, take};

const VERSION: u8 = 2;

/// That of groups which do not say who wrote them.
const FIRST_VERSION: u8 = 1;

/// What comes before the batches.
const HEAD_BYTES: usize = FIRST_HEAD_BYTES + 8 + 8;
const FIRST_HEAD_BYTES: usize = 1 + 8 + 8;

/// Rows of a batch that are fewer bytes are copied beside those of others; more stay where they are.
const WORTH_BYTES: usize = 8 << 10;

#[derive(Serialize, Deserialize)]
struct BatchHead<'a> {
    slot: u64,
    first: u64,
    id: &'a str,
    lens: Cow<'a, [u32]>,
}

/// A group on its way into the journal. Its bytes are in pieces, as the rows of a large batch are
/// not copied together with others.
pub(crate) struct Draft {
    pieces: Vec<Piece>,
    /// What the next piece has so far; the first one begins with room for what comes before the batches.
    open: Vec<u8>,
    pool: Arc<Pool>,
}

enum Piece {
    /// Put together here.
    Own(Vec<u8>),
    /// The rows of a large batch.
    Shared(Bytes),
}

/// Where a row is in the bytes of a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    piece: usize,
    start: usize,
    len: u32,
}

/// About what a batch takes beside its rows: few have a longer id, or more rows than one.
const BATCH_BYTES: usize = 64;

impl Draft {
    /// An empty one, with room for batches of these rows.
    pub(crate) fn with_room_for<'a>(
        batches: impl Iterator<Item = &'a Rows>,
        pool: &Arc<Pool>,
    ) -> Self {
        let copied = batches.map(|rows| match rows.bytes().len() {
            len if len < WORTH_BYTES => len + BATCH_BYTES,
            _ => BATCH_BYTES,
        });
        let len = HEAD_BYTES + copied.sum::<usize>() + sealed::SUM_BYTES;
        let mut open = pool.take(len);
        open.resize(HEAD_BYTES, 0);
        Self {
            open,
            pieces: Vec::new(),
            pool: Arc::clone(pool),
        }
    }

    /// Adds a batch of `rows`, the first of which has the place `first` in the log; gives where each of
    /// them is.
    pub(crate) fn push<'a>(
        &mut self,
        slot: u64,
        id: &SessionId,
        first: Seq,
        rows: &'a Rows,
    ) -> impl Iterator<Item = Place> + use<'a> {
        let head = BatchHead {
            slot,
            first: first.get(),
            id: id.as_str(),
            lens: Cow::Borrowed(rows.lens()),
        };
        put(&mut self.open, &head);
        let (piece, mut end) = if rows.bytes().len() < WORTH_BYTES {
            let start = self.open.len();
            self.open.extend_from_slice(rows.bytes());
            (self.pieces.len(), start)
        } else {
            self.close_piece();
            self.pieces.push(Piece::Shared(rows.bytes().clone()));
            (self.pieces.len() - 1, 0)
        };
        rows.lens().iter().map(move |&len| {
            let start = end;
            end += len as usize;
            Place { piece, start, len }
        })
    }

    fn close_piece(&mut self) {
        let piece = std::mem::take(&mut self.open);
        self.pieces.push(Piece::Own(piece));
    }

    /// The group at the place of `mark`, with the log's counters after it, which an opening of the log wrote.
    pub(crate) fn finish(mut self, mark: &Mark, opened: Opened) -> Group {
        self.close_piece();
        if let Some(Piece::Own(first)) = self.pieces.first_mut() {
            first[0] = VERSION;
            let numbers = [mark.last_seq, mark.last_slot, opened.began].map(u64::to_le_bytes);
            let head = numbers.into_iter().chain([opened.by]);
            for (place, bytes) in first[1..HEAD_BYTES].chunks_exact_mut(8).zip(head) {
                place.copy_from_slice(&bytes);
            }
        }
        let place = mark.position.to_be_bytes();
        let sum = sealed::sum_of(self.pieces.iter().map(Piece::bytes), &place);
        if let Some(Piece::Own(last)) = self.pieces.last_mut() {
            last.extend_from_slice(&sum);
        }
        let finish = |piece| Piece::finish(piece, &self.pool);
        Group(self.pieces.into_iter().map(finish).collect())
    }
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    fn finish(self, pool: &Arc<Pool>) -> Bytes {
        match self {
            Self::Own(bytes) => pool.share(bytes),
            Self::Shared(bytes) => bytes,
        }
    }
}

/// A group of batches as it is in the journal, in pieces.
#[derive(Debug)]
pub(crate) struct Group(Vec<Bytes>);

impl Group {
    pub(crate) fn len_bytes(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// The row at `place`, as a share of its bytes.
    pub(crate) fn row(&self, place: Place) -> Bytes {
        let end = place.start + place.len as usize;
        self.0[place.piece].slice(place.start..end)
    }

    /// So many bytes from `start` on; they are copied only where they are in more than one piece.
    fn part(&self, mut start: usize, len: usize) -> Cow<'_, [u8]> {
        let mut part = Vec::new();
        for piece in &self.0 {
            let from = piece.get(start..).unwrap_or_default();
            start = start.saturating_sub(piece.len());
            if part.is_empty() && from.len() >= len {
                return Cow::Borrowed(&from[..len]);
            }
            let missing = len - part.len();
            part.reserve_exact(missing);
            part.extend_from_slice(&from[..from.len().min(missing)]);
        }
        Cow::Owned(part)
    }
}

/// Events of one session that follow one another in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JournalBatch {
    pub(crate) slot: u64,
    pub(crate) id: SessionId,
    /// The events as stored, each with its place.
    pub(crate) rows: Vec<(Seq, Bytes)>,
}

/// Bytes of the longest and the shortest run of pages that a part fills.
const PARTS: (usize, usize) = (256 << 10, 8 << 10);

/// Puts a group at `position`.
pub(crate) fn insert(txn: &WriteTransaction, position: u64, group: &Group) -> Result<(), Fault> {
    let mut table = txn.open_table(JOURNAL)?;
    let (longest, shortest) = PARTS;
    let mut start = 0;
    for (number, len) in (0..).zip(pages::parts(group.len_bytes(), longest, shortest)) {
        // To reserve a place and to fill it would be no copy less: redb puts zeros there first.
        table.insert((position, number), &*group.part(start, len))?;
        start += len;
    }
    Ok(())
}

/// Has the journal say which opening of the log wrote the newest groups.
pub(crate) fn tell_opened(txn: &WriteTransaction, opened: Opened) -> Result<(), Fault> {
    let mut of_journal = txn.open_table(META)?;
    of_journal.insert(meta::OPENED, opened.seal().as_slice())?;
    Ok(())
}

/// What was taken out.
pub(crate) struct Removed {
    /// How many parts of groups.
    pub(crate) parts: usize,
    /// Nothing is left of what was to go.
    pub(crate) is_all: bool,
}

/// Takes the groups up to `position` out, the oldest first and each as a whole, some `parts` of them at most.
/// None is looked into: what is in one that is folded is nothing to anybody, damaged or not.
pub(crate) fn remove(
    txn: &WriteTransaction,
    position: u64,
    parts: usize,
) -> Result<Removed, Fault> {
    let mut table = txn.open_table(JOURNAL)?;
    let mut gone = Vec::new();
    let mut is_all = true;
    for row in table.range(..=(position, u32::MAX))? {
        let (position, number) = row?.0.value();
        if number == 0 && gone.len() >= parts {
            is_all = false;
            break;
        }
        gone.push((position, number));
    }
    let mut parts = 0;
    for key in gone {
        parts += usize::from(table.remove(key)?.is_some());
    }
    // Where none is found again, keys are not in their order, and who went on would come to no end.
    let is_all = is_all || parts == 0;
    Ok(Removed { parts, is_all })
}

/// The position of the last group, if there is one.
pub(crate) fn last_position(txn: &ReadTransaction) -> Result<Option<u64>, Fault> {
    let table = txn.open_table(JOURNAL)?;
    let last = table.last()?;
    Ok(last.map(|(key, _)| key.value().0))
}

/// The counters after the last group, if there is one. Where one of the marks that are `known` is at its position,
/// and the group cannot be read, it is that: who has that mark needs nothing of the group.
pub(crate) fn last(txn: &ReadTransaction, known: &[Mark]) -> Result<Option<Mark>, Fault> {
    let Some(position) = last_position(txn)? else {
        return Ok(None);
    };
    let table = txn.open_table(JOURNAL)?;
    let head = table.get((position, 0))?;
    let head = head.map(|head| mark(position, head.value()));
    let known = known.iter().find(|known| known.position == position);
    if let Some(known) = known
        && head != Some(Ok(*known))
        && !is_whole(&table, position)?
    {
        return Ok(Some(*known));
    }
    let head = head.ok_or_else(|| damage("a group has no beginning"))?;
    Ok(Some(head?))
}

/// Whether the group at `position` can be read.
fn is_whole(
    table: &impl ReadableTable<(u64, u32), &'static [u8]>,
    position: u64,
) -> Result<bool, Fault> {
    let mut group = Vec::new();
    for part in table.range((position, 0)..=(position, u32::MAX))? {
        group.extend_from_slice(part?.1.value());
    }
    Ok(read(position, &group.into()).is_ok())
}

/// The groups after `position`, oldest first.
pub(crate) fn after(
    txn: &ReadTransaction,
    position: u64,
) -> Result<impl Iterator<Item = Result<(u64, Bytes), Fault>>, Fault> {
    let table = txn.open_table(JOURNAL)?;
    let mut rows = table.range((position + 1, 0)..)?.peekable();
    Ok(std::iter::from_fn(move || {
        let mut group: Option<(u64, Vec<u8>)> = None;
        while let Some(row) = rows.next_if(|row| match (row, &group) {
            (Ok((key, _)), Some((position, _))) => key.value().0 == *position,
            (Ok(_), None) | (Err(_), _) => true,
        }) {
            let (key, part) = match row {
                Ok(row) => row,
                Err(error) => return Some(Err(error.into())),
            };
            let (_, bytes) = group.get_or_insert_with(|| (key.value().0, Vec::new()));
            bytes.extend_from_slice(part.value());
        }
        group.map(|(position, bytes)| Ok((position, bytes.into())))
    }))
}

/// The counters after the group at `position`.
fn mark(position: u64, row: &[u8]) -> Result<Mark, Malformed> {
    head_len(row)?;
    Ok(Mark {
        position,
        last_seq: number(row, 1)?,
        last_slot: number(row, 9)?,
    })
}

fn number(row: &[u8], at: usize) -> Result<u64, Malformed> {
    let bytes = row.get(at..at + 8).ok_or(Malformed::Empty)?;
    Ok(u64::from_le_bytes(bytes.try_into().expect("8 bytes")))
}

/// How long what comes before the batches is.
fn head_len(row: &[u8]) -> Result<usize, Malformed> {
    match row.first() {
        Some(&VERSION) => Ok(HEAD_BYTES),
        Some(&FIRST_VERSION) => Ok(FIRST_HEAD_BYTES),
        Some(&found) => Err(Malformed::Version { found }),
        None => Err(Malformed::Empty),
    }
}

/// Which opening of the log wrote a group that can be read, if it says so.
pub(crate) fn opened(group: &[u8]) -> Option<Opened> {
    (head_len(group).ok()? == HEAD_BYTES).then_some(())?;
    Some(Opened {
        began: number(group, FIRST_HEAD_BYTES).ok()?,
        by: number(group, FIRST_HEAD_BYTES + 8).ok()?.to_le_bytes(),
    })
}

/// The group at `position`, read back.
pub(crate) fn read(position: u64, group: &Bytes) -> Result<(Mark, Vec<JournalBatch>), Malformed> {
    let body = sealed::checked(group, &position.to_be_bytes())?;
    let mark = mark(position, body)?;
    let mut rest = body.get(head_len(body)?..).ok_or(Malformed::Empty)?;
    let mut batches = Vec::new();
    while !rest.is_empty() {
        let head: BatchHead<'_> = take(&mut rest)?;
        let id = SessionId::parse(head.id).map_err(|_| Malformed::Value {
            field: "session id",
        })?;
        let mut rows = Vec::new();
        for (seq, &len) in (head.first..).zip(head.lens.iter()) {
            let row = rest.split_at_checked(len as usize);
            let (bytes, after) = row.ok_or(Malformed::Empty)?;
            rows.push((Seq::new(seq), group.slice_ref(bytes)));
            rest = after;
        }
        batches.push(JournalBatch {
            slot: head.slot,
            id,
            rows,
        });
    }
    Ok((mark, batches))
}
