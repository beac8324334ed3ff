//! Which opening of a log wrote something, as stored.

use serde::{Deserialize, Serialize};

use super::{Malformed, sealed};
use crate::layout::meta;

/// An opening of a log, by whoever writes to it: from the first group on that it wrote, until the journal was opened
/// anew.
///
/// A group that was never committed may lie whole in a page that nothing leads to, and its position and its seqs are
/// given again by who opens the log next. What tells the two apart is this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Opened {
    /// The position of the first group that it wrote: all before that were committed, and none from there on.
    pub(crate) began: u64,
    /// Made by chance: two openings begin with the same position where the first one's commit came to nothing.
    pub(crate) by: [u8; 8],
}

impl Opened {
    /// A new one, which begins with a position.
    pub(crate) fn at(began: u64) -> Self {
        let chance = uuid::Uuid::new_v4().into_bytes();
        let (by, _) = chance.split_first_chunk().expect("16 bytes");
        Self { began, by: *by }
    }

    pub(crate) fn seal(&self) -> Vec<u8> {
        sealed::seal(self, meta::OPENED.as_bytes())
    }

    pub(crate) fn unseal(bytes: &[u8]) -> Result<Self, Malformed> {
        sealed::unseal(bytes, meta::OPENED.as_bytes())
    }
}
