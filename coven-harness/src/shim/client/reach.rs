//! Connecting to the shim that has its folder here: whoever listens there must greet, and soon.

use std::io;
use std::path::Path;
use std::time::Duration;

use coven_core::SessionId;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{AdoptError, Child};
use crate::process::is_stopped_shim;
use crate::shim::folder::{self, socket_path};
use crate::shim::protocol::Welcome;

/// How long who listens may take to greet. A shim needs some milliseconds, and more where its disk keeps it
/// waiting; then it is asked again.
const GREETING: Duration = Duration::from_secs(3);

/// Says hello to the session's shim, and hears what it has.
pub(super) async fn reach(
    folder: &Path,
    session: &SessionId,
) -> Result<(Child, Welcome), AdoptError> {
    let stream = connect(folder).await.map_err(|source| {
        match source.kind() {
            // More wait to be taken in than may.
            io::ErrorKind::WouldBlock => AdoptError::Silent,
            _ => AdoptError::Unreachable { source },
        }
    })?;
    let stream = stream.ok_or(AdoptError::NoSocket)?;
    let listens = stream.peer_cred().ok().and_then(|peer| peer.pid());
    let listens = listens.and_then(|pid| u32::try_from(pid).ok());
    let is_stopped = || listens.is_some_and(|pid| is_stopped_shim(pid, session));
    let mut child = Child::over(stream, &[]);
    // One that is stopped greets once somebody wakes it, and has as long from then on.
    let mut was_stopped = is_stopped();
    let welcome = loop {
        match timeout(GREETING, child.welcome()).await {
            Ok(welcome) => break welcome?,
            Err(_) => {
                let may_wake = std::mem::replace(&mut was_stopped, is_stopped());
                if !may_wake && !was_stopped {
                    return Err(AdoptError::Silent);
                }
            }
        }
    };
    if welcome.session != session.as_str() {
        return Err(AdoptError::OtherSession);
    }
    child.newest = (welcome.next > welcome.first).then(|| welcome.next - 1);
    Ok((child, welcome))
}

/// `None` where there is no socket.
async fn connect(folder: &Path) -> io::Result<Option<UnixStream>> {
    let Some(socket) = folder::socket(folder::open(folder)?)? else {
        return Ok(None);
    };
    UnixStream::connect(socket_path(&socket)).await.map(Some)
}
