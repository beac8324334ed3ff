//! Waiting for who survived a kill.

use std::io;

use super::Signalled;
use super::members::Identity;
use super::search::hold;
use crate::platform::NoHandle;

/// Returns once all of these have ended. It takes one file descriptor, and no thread and no timer.
///
/// # Errors
/// One of them could not be held: a shortage of file descriptors, or a system without pidfds.
pub async fn until_ended(survivors: &[Signalled]) -> io::Result<()> {
    for survivor in survivors {
        match hold(Identity::from(survivor)) {
            Ok(member) => member.handle.ended().await?,
            Err(NoHandle::Gone) => {}
            Err(NoHandle::Refused(error)) => return Err(error),
        }
    }
    Ok(())
}
