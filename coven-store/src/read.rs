//! Reading: every function here is one short transaction, and a page of bounded size.

mod events;
mod list;
mod output;
mod record;

pub use events::ReadLimit;
pub use list::{Archived, Listing, Page, Position};
pub use output::OutputChunk;

pub(crate) use events::{decode_event, first_event, of_all, of_session};
pub(crate) use list::list;
pub(crate) use output::output;
pub(crate) use record::{
    by_conversation, counters, live, load_entry, record, session_of_slot, slot_row,
};
