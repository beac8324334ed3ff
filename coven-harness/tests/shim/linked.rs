//! A link in the place of a shim's socket.

use std::fs;
use std::os::unix::fs::symlink;

use coven_harness::shim::{self, AdoptError, SOCKET};

use crate::support::within;
use crate::world::{World, enter};

#[tokio::test]
async fn a_link_to_the_socket_of_another_session_is_not_followed_and_that_one_keeps_its_engine() {
    let (linked, other) = (World::new(), World::new());
    let script = "echo ready; read line; echo got it; tail -f /dev/null";
    drop(linked.ready(script).await);
    let (mut child, mut told) = other.ready(script).await;
    let socket = linked.folder.join(SOCKET);
    fs::remove_file(&socket).unwrap();
    symlink(other.folder.join(SOCKET), &socket).unwrap();
    let said = within(shim::adopt_all(&linked.folder, &linked.session)).await;
    assert!(matches!(said, Err(AdoptError::NoSocket)), "{said:?}");
    enter(&child).await;
    told.until(&mut child.records, "got it").await;
}
