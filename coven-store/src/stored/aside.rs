//! The slots that were set aside, as stored.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Malformed, sealed};
use crate::layout::meta;

/// Slots that no session has: an import began with each, and came to nothing.
///
/// What it wrote may be found where a write was lost, or beside the trees, and is sealed by its slot: so that no other
/// session may have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Aside(pub(crate) BTreeSet<u64>);

impl Aside {
    pub(crate) fn seal(&self) -> Vec<u8> {
        sealed::seal(self, meta::ASIDE.as_bytes())
    }

    pub(crate) fn unseal(bytes: &[u8]) -> Result<Self, Malformed> {
        sealed::unseal(bytes, meta::ASIDE.as_bytes())
    }

    /// How many slots there are from one up to another, without that, that may be sessions'.
    pub(crate) fn count_others(&self, from: u64, to: u64) -> u64 {
        let between = to.saturating_sub(from);
        if between == 0 {
            return 0;
        }
        between - self.0.range(from..to).count() as u64
    }
}
