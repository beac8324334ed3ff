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
}
