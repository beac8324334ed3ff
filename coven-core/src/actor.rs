//! `Actor`: who asked.

/// Who is behind an event: the peer of a socket, or the program that embeds the engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    /// The user id, from the kernel where the peer came over a socket.
    pub uid: u32,
    /// The process id at the time, if known. It may belong to another process by now.
    pub pid: Option<u32>,
    /// What the client calls itself (its `User-Agent`), at most
    /// [`MAX_CLIENT_NAME_BYTES`](crate::limits::MAX_CLIENT_NAME_BYTES); a claim, not a proof.
    pub client: Option<String>,
}
