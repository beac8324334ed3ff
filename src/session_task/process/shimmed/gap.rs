//! Output that a shim does not have any more, and what is told in its stead, so that all that comes after
//! it keeps its offset: as where the log is an older copy of what it was.

use bytes::Bytes;
use coven_core::{Channel, Timestamp};

/// The most that is told at once.
const PIECE_BYTES: u64 = 64 << 10;

/// What fills it, besides what says so: DEL, which terminals leave out.
const FILLING: u8 = 0x7f;

/// Output that was heard.
pub(super) struct Output {
    pub(super) number: u64,
    pub(super) at: Timestamp,
    pub(super) channel: Channel,
    pub(super) offset: u64,
    pub(super) bytes: Bytes,
}

/// What is missing before it.
pub(super) struct Gap {
    output: Output,
    is_told: bool,
}

impl Gap {
    pub(super) const fn before(output: Output) -> Self {
        Self {
            output,
            is_told: false,
        }
    }

    pub(super) const fn at(&self) -> Timestamp {
        self.output.at
    }

    /// What is told next, with so much told so far; the first says how much is missing, where that has
    /// room. `None` once the output follows.
    pub(super) fn piece(&mut self, heard_bytes: u64) -> Option<(Channel, Bytes)> {
        let missing = self.output.offset.saturating_sub(heard_bytes);
        if missing == 0 {
            return None;
        }
        let len = usize::try_from(missing.min(PIECE_BYTES)).unwrap_or_default();
        let mut piece = vec![FILLING; len];
        let line = format!("\r\n[{missing} bytes of output are missing here]\r\n");
        if !self.is_told && line.len() <= len {
            piece[..line.len()].copy_from_slice(line.as_bytes());
        }
        self.is_told = true;
        Some((self.output.channel, piece.into()))
    }

    pub(super) fn into_output(self) -> Output {
        self.output
    }
}
