//! From the engine's types to the wire's: each mapped in one place.

mod event;
mod record;

pub(crate) use event::event;
pub(crate) use record::{record, whole_record};
