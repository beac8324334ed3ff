//! Reading: every function here is a look into the tail and then, where that has not everything, one
//! short transaction of the cold file, and a page of bounded size.

mod all;
mod cache;
mod events;
mod list;
mod live;
#[cfg(test)]
mod out_of_order;
mod output;
mod record;
mod segments;
#[cfg(test)]
mod tests;
mod unpacked;

pub use all::{AllPage, Lost};
pub use events::ReadLimit;
pub use list::{Archived, Listing, Page, Position};
pub use output::{OutputChunk, OutputEvent};

pub(crate) use all::OfAll;
pub(crate) use cache::{Cache, Look, Touched};
pub(crate) use events::{OfSession, each_given, event_of_row};
pub(crate) use list::{Given, Looked, list, list_by_slots};
pub(crate) use live::live;
pub(crate) use output::{Chunks, OutputRange};
pub(crate) use record::{
    aside, by_conversation, entry, folded, folded_in, gone, imported, known_record, load_record,
    record_of_row, record_place, session_of_slot, slot_in_row, slot_of_row, slot_row,
    unless_damaged,
};
pub(crate) use segments::{Part, Verified, each_row};
pub(crate) use unpacked::Row;
