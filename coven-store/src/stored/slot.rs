//! A slot, as stored: the short number that stands for one session in every key.

use serde::{Deserialize, Serialize};

/// Whose slot it is. It outlives its session, since the order of all sessions keeps the
/// `Deleted` event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SlotRow {
    /// The session's id.
    pub(crate) id: String,
    /// The place of its `Deleted` event, once there is one: every other event of it is void.
    pub(crate) deleted_at: Option<u64>,
}
