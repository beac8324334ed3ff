//! Exports: a session as lines of JSON that anything can read, and that Coven can read back.
//!
//! docs/export-format.md tells the format. A [`Reader`] checks every line of one, so that what it
//! gives may go into a log.

mod line;
mod reader;
mod redacted;
mod what;
mod writer;

#[cfg(test)]
mod tests;

pub use reader::{Heading, Malformed, Reader};
pub(crate) use writer::{Redaction, Writer};

/// What an export says it is.
const FORMAT: &str = "coven-session";

/// The version of the format that is written, and the newest that is read.
const VERSION: u32 = 1;

/// Bytes of one line: over any event that a log has (8 MiB), each of its bytes written as six.
const MAX_LINE_BYTES: u64 = 64 << 20;
