//! A mark: how far something came, as stored.

use coven_core::Seq;
use serde::{Deserialize, Serialize};

use super::{Malformed, sealed};

/// A position in the journal, and the log's counters there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The last position that is meant; positions begin at 1.
    pub(crate) position: u64,
    /// The last Seq given. Never derived from what is stored, since a deletion can lower that.
    pub(crate) last_seq: u64,
    /// The last slot given.
    pub(crate) last_slot: u64,
}

impl Mark {
    pub(crate) const fn seq(&self) -> Seq {
        Seq::new(self.last_seq)
    }

    /// Its bytes. `place` is the key it is kept under.
    pub(crate) fn seal(&self, place: &str) -> Vec<u8> {
        sealed::seal(self, place.as_bytes())
    }

    pub(crate) fn unseal(bytes: &[u8], place: &str) -> Result<Self, Malformed> {
        let mark: Self = sealed::unseal(bytes, place.as_bytes())?;
        // Clients read a Seq as a signed number. Nothing counts as far as that.
        if i64::try_from(mark.last_seq.max(mark.last_slot).max(mark.position)).is_err() {
            return Err(Malformed::Value { field: "counter" });
        }
        Ok(mark)
    }
}
