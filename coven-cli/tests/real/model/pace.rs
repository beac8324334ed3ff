//! How fast the model speaks.

use std::time::Duration;

/// When the pieces of an answer come, and how long they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// All in one piece, as fast as it can be sent.
    AtOnce,
    /// After some thought, a few words at a time, about 300 characters a second, as real ones do. The same
    /// answer is always cut in the same way.
    Lifelike,
}

/// What a model sends at a time, and how often; measured in characters and milliseconds, each a range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gait {
    pub(super) piece_chars: (u64, u64),
    pub(super) gap_ms: (u64, u64),
}

const THOUGHT_MS: (u64, u64) = (900, 4500);

impl Pace {
    /// `text` in the pieces it is sent in; at least one.
    pub(super) fn pieces(self, text: &str, gait: Gait) -> Vec<&str> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while self == Self::Lifelike && !rest.is_empty() {
            let wanted = within(gait.piece_chars, pieces.len() + text.len()) as usize;
            let cut = rest
                .char_indices()
                .nth(wanted)
                .map_or(rest.len(), |(at, _)| at);
            pieces.push(&rest[..cut]);
            rest = &rest[cut..];
        }
        if pieces.is_empty() {
            pieces.push(text);
        }
        pieces
    }

    /// How long the model waits before it sends piece `place` of the answer to turn `turn`.
    pub(super) fn wait(self, turn: usize, place: usize, gait: Gait) -> Duration {
        let wait_ms = match (self, place) {
            (Self::AtOnce, _) => 0,
            (Self::Lifelike, 0) => within(THOUGHT_MS, turn),
            (Self::Lifelike, _) => within(gait.gap_ms, turn * 7919 + place),
        };
        Duration::from_millis(wait_ms)
    }
}

/// A number of the range that seems chosen by chance, and is the same for the same `seed`.
fn within((low, high): (u64, u64), seed: usize) -> u64 {
    let mixed = (seed as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    low + (mixed >> 32) % (high - low + 1)
}
