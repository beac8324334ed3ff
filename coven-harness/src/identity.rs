//! How a harness's own id of a conversation becomes known, so that it can be resumed.

mod open_files;
mod output;

use std::path::PathBuf;

use coven_core::ConversationId;

pub use open_files::find_open;
pub use output::{IdentityScan, OutputMark, Scanned};

/// How a harness's own id of a conversation becomes known, where
/// [`CommandLine::identity`](crate::CommandLine::identity) does not have it already. It is data:
/// whoever runs the process does the looking.
#[derive(Clone, Copy, Debug)]
pub enum IdentitySource {
    /// The command line always has it.
    CommandLine,
    /// The harness keeps a file open, while it runs, whose name tells it: hand this to
    /// [`find_open`] from time to time until it finds one.
    OpenFile(OpenFileMark),
    /// The harness writes it: feed what it writes to an [`IdentityScan`].
    Output(OutputMark),
    /// It never does.
    Never,
}

/// Recognises a conversation by the files one process holds open, given as the targets of its
/// links in `/proc/PID/fd`. None while there is no such file, and where two of them disagree.
pub type OpenFileMark = fn(&[PathBuf]) -> Option<ConversationId>;
