//! The cold file: what was folded out of the journal.

pub(crate) mod erase;
pub(crate) mod fold;
pub(crate) mod order;
pub(crate) mod proof;
pub(crate) mod segment;
pub(crate) mod spared;
pub(crate) mod trim;

mod crew;
mod cut;
#[cfg(test)]
mod ending;
mod extend;
pub(crate) mod pack;
pub(crate) mod room;
