//! Who is at the other end of a connection, as the kernel says it.

use std::io;

use rustix::process::geteuid;
use tokio::net::UnixStream;

/// The process that connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) uid: u32,
    /// None for one outside our PID namespace, for which the kernel says 0.
    pub(crate) pid: Option<u32>,
}

/// Why there is nothing to say to a peer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stranger {
    /// Another user, root included.
    #[error("user {uid} is not the user of this process")]
    OtherUser { uid: u32 },
    /// The kernel does not say.
    #[error("the peer's user cannot be told: {0}")]
    Unknown(#[from] io::Error),
}

/// The peer, if it is a process of our own user.
pub(crate) fn check(stream: &UnixStream) -> Result<Peer, Stranger> {
    let credentials = stream.peer_cred()?;
    let uid = credentials.uid();
    if uid != geteuid().as_raw() {
        return Err(Stranger::OtherUser { uid });
    }
    let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok());
    Ok(Peer {
        uid,
        pid: pid.filter(|pid| *pid != 0),
    })
}
