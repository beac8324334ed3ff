//! `Pool`: memory for what waits to be folded, used again.
//!
//! A fold lets go of some MiB at once. The allocator gives so much back to the system, and who appends then takes
//! it from there again page by page: of a batch of a MiB that is a fault for each 4 KiB, and half of the time that
//! encoding it takes.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::limits::{MAX_POOL_BYTES, MIN_POOLED_BYTES};

/// Pieces of memory that nobody uses. It keeps them only from when something was [recorded](Self::keep) until the
/// log is at rest.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Free>);

#[derive(Debug, Default)]
struct Free {
    keeps: bool,
    /// Those that are free for longest first; all are empty.
    pieces: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Pool {
    /// An empty vector with room for so many bytes.
    pub(crate) fn take(&self, len_bytes: usize) -> Vec<u8> {
        if len_bytes < MIN_POOLED_BYTES {
            return Vec::with_capacity(len_bytes);
        }
        if let Some(piece) = self.free().take(len_bytes) {
            return piece;
        }
        Vec::with_capacity(len_bytes.next_multiple_of(MIN_POOLED_BYTES))
    }

    /// What a vector has, to be shared; once nobody has any of it, its memory is the pool's.
    pub(crate) fn share(self: &Arc<Self>, bytes: Vec<u8>) -> Bytes {
        if !fits(&bytes, bytes.len()) || bytes.len() < MIN_POOLED_BYTES {
            // It stays until it is folded, and is to take no more than it has.
            return bytes.into_boxed_slice().into();
        }
        Bytes::from_owner(Pooled {
            bytes,
            pool: Arc::clone(self),
        })
    }

    /// Keeps what is let go of from now on.
    pub(crate) fn keep(&self) {
        self.free().keeps = true;
    }

    /// Gives back what it has, and keeps nothing more.
    pub(crate) fn give_back(&self) {
        *self.free() = Free::default();
    }

    /// Whether it has anything, or may come to.
    pub(crate) fn keeps(&self) -> bool {
        self.free().keeps
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a piece is for so many bytes: what is more than that is memory which nobody accounts for.
fn fits(piece: &Vec<u8>, len_bytes: usize) -> bool {
    (len_bytes..=len_bytes + len_bytes / 4 + MIN_POOLED_BYTES).contains(&piece.capacity())
}

impl Free {
    /// One for so many bytes. Where there is none, as much is let go of as will be taken from the system.
    fn take(&mut self, len_bytes: usize) -> Option<Vec<u8>> {
        let found = self.pieces.iter().rposition(|piece| fits(piece, len_bytes));
        if let Some(piece) = found.and_then(|found| self.pieces.remove(found)) {
            self.bytes -= piece.capacity();
            return Some(piece);
        }
        self.shrink(self.bytes.saturating_sub(len_bytes));
        None
    }

    fn put(&mut self, piece: Vec<u8>) {
        if self.keeps {
            self.bytes += piece.capacity();
            self.pieces.push_back(piece);
            self.shrink(MAX_POOL_BYTES);
        }
    }

    fn shrink(&mut self, most_bytes: usize) {
        while self.bytes > most_bytes
            && let Some(piece) = self.pieces.pop_front()
        {
            self.bytes -= piece.capacity();
        }
    }
}

/// Bytes whose memory is the pool's again.
struct Pooled {
    bytes: Vec<u8>,
    pool: Arc<Pool>,
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let mut piece = std::mem::take(&mut self.bytes);
        piece.clear();
        self.pool.free().put(piece);
    }
}
