//! What one trim lets go: output that is read to be hashed, or output that cannot be read.

use coven_core::SessionId;
use coven_store::{Damage, OutputChunk, ReadError, Store};
use sha2::{Digest, Sha256};

use super::look::{Found, event_at, written};
use super::unreadable;

/// Bytes that are hashed for one trim at most, before anything of it is on record: so many may be
/// hashed again after a crash.
const PIECE_BYTES: u64 = 64 << 20;

/// Bytes read at once to be hashed.
const READ_BYTES: usize = 1 << 20;

/// The hash of what nobody knows.
const UNKNOWN: [u8; 32] = [0; 32];

/// Output from where a session is trimmed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) len_bytes: u64,
    /// Of zeros where it cannot be read.
    pub(super) sha256: [u8; 32],
    /// Why it cannot be.
    pub(super) damage: Option<Damage>,
}

/// The next piece of what goes, up to `cut`: as much as can be read, or what cannot be. `None` where
/// there is nothing, or somebody else trimmed it.
pub(super) fn piece(
    store: &Store,
    id: &SessionId,
    from: u64,
    cut: u64,
) -> Result<Option<Piece>, ReadError> {
    let end = most(store, id, from, cut)?;
    let mut hasher = Sha256::new();
    let mut at = from;
    while at < end {
        let room = usize::try_from(end - at).unwrap_or(usize::MAX);
        let (chunks, damage) = read(store, id, at, room.min(READ_BYTES))?;
        let is_gone = match chunks.first() {
            Some(first) => first.offset != at,
            None => damage.is_none(),
        };
        if is_gone {
            return Ok(None);
        }
        for chunk in chunks {
            hasher.update(&chunk.data);
            at += chunk.data.len() as u64;
        }
        match damage {
            Some(damage) if at == from => return unread(store, id, from, cut, damage).map(Some),
            // It ends in the middle of an event, all of which could be read a moment ago.
            Some(damage) if !is_end(store, id, at)? => return Err(ReadError::Damaged(damage)),
            Some(_) => break,
            None => {}
        }
    }
    Ok(Some(Piece {
        len_bytes: at - from,
        sha256: hasher.finalize().into(),
        damage: None,
    }))
}

/// Whether an event ends at an offset.
fn is_end(store: &Store, id: &SessionId, offset: u64) -> Result<bool, ReadError> {
    let before = written(store, id, offset - 1)?;
    Ok(before.is_some_and(|event| event.end() == offset))
}

/// Where a piece ends at most: where an event begins or ends, unless it ends before that because of
/// damage.
fn most(store: &Store, id: &SessionId, from: u64, cut: u64) -> Result<u64, ReadError> {
    if cut - from <= PIECE_BYTES {
        return Ok(cut);
    }
    let far = from + PIECE_BYTES;
    Ok(match event_at(store, id, far)? {
        Found::Event(event) => event.offset,
        Found::Unread(_) => match unreadable::begin(from, far, |at| written(store, id, at))? {
            begin if begin > from => begin,
            _ => cut,
        },
        Found::Gone => cut,
    })
}

/// At most so many bytes from an offset on, as far as they can be read, and what ends them.
fn read(
    store: &Store,
    id: &SessionId,
    offset: u64,
    max_bytes: usize,
) -> Result<(Vec<OutputChunk>, Option<Damage>), ReadError> {
    match store.output(id, offset, max_bytes) {
        Err(ReadError::Damaged(damage)) => Ok((Vec::new(), Some(damage))),
        chunks => Ok((chunks?, None)),
    }
}

/// What cannot be read from an offset on.
fn unread(
    store: &Store,
    id: &SessionId,
    from: u64,
    cut: u64,
    damage: Damage,
) -> Result<Piece, ReadError> {
    let end = unreadable::end(from, cut, |at| written(store, id, at))?;
    Ok(Piece {
        len_bytes: end.unwrap_or(cut) - from,
        sha256: UNKNOWN,
        damage: Some(damage),
    })
}
