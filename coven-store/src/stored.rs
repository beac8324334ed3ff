//! The stored types: what bytes in the log mean.
//!
//! They are a set of their own, so that the domain's types stay free to change: each has one
//! `From` its domain type and one `TryFrom` back, beside it. A value is a version byte and
//! postcard. postcard is positional: the order of variants and fields *is* the format. So nothing
//! here is ever reordered, removed or inserted; a change is a new version, and what reads the
//! old one stays. `tests/format.rs` pins the bytes of every variant.

mod actor;
mod aside;
mod codec;
mod event;
mod later;
mod launch;
mod mark;
mod opened;
mod process;
mod record;
pub(crate) mod sealed;
mod slot;

pub(crate) use aside::Aside;
pub(crate) use codec::{Malformed, decode, encode, encode_onto, encoded_len, put, take};
pub(crate) use event::{EventRow, OutputHead};
pub(crate) use mark::Mark;
pub(crate) use opened::Opened;
pub(crate) use record::RecordRow;
pub(crate) use slot::SlotRow;
