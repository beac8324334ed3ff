//! What a daemon that died leaves in its home: its socket, and `daemon.json`.

use std::path::Path;

use coven::home::Hold;

use crate::{SOCKET_NAME, daemon_file, socket};

/// Whether a daemon's socket or `daemon.json` is in `home`, of a daemon that lives or of one that died.
pub fn is_left(home: &Path) -> bool {
    socket::is_left(&home.join(SOCKET_NAME)) || daemon_file::is_left(home)
}

/// Removes what a dead daemon left, as it would have done had it stopped. That it is dead is proved by the
/// home's being held. What somebody listens at, and what is no socket, stays; so does all of it in a home
/// that cannot be written to: the next daemon replaces it.
pub fn clear(held: &Hold) {
    socket::clear(&held.home().join(SOCKET_NAME));
    daemon_file::clear(held.home());
}
