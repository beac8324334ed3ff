//! Leaving whoever started us: no terminal, no directory, nothing that they could close or that
//! waits for us to close it.

use std::fs::{File, OpenOptions};
use std::io;

/// Makes the process its own session, with `/` as its directory and nothing to read. Call it
/// before there are threads.
///
/// # Errors
/// When the system does not let us, such as for the leader of a process group.
pub(super) fn detach() -> io::Result<()> {
    rustix::process::setsid()?;
    std::env::set_current_dir("/")?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(())
}

/// Lets go of stdout, so that whoever reads it sees its end.
///
/// # Errors
/// When `/dev/null` cannot be opened.
pub(super) fn let_go_of_stdout() -> io::Result<()> {
    let nothing = OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(nothing)?;
    Ok(())
}
