//! Who listens where a shim should, and says nothing.

use std::fs;
use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};
use std::pin::pin;

use coven_harness::shim::{self, AdoptError, SOCKET};
use rustix::process::Signal;

use crate::support::within;
use crate::world::{Told, World, enter};

const WAITS: &str = "echo ready; read line; echo got it; tail -f /dev/null";

/// Something else listens in the place of the shim's socket, and the shim elsewhere.
fn put_aside(world: &World) -> UnixListener {
    let socket = world.folder.join(SOCKET);
    fs::rename(&socket, world.folder.join("real")).unwrap();
    UnixListener::bind(socket).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_takes_an_engine_in_and_does_not_greet_is_left_and_so_is_one_with_no_room() {
    let world = World::new();
    let (child, _) = world.ready(WAITS).await;
    drop(child);
    let silent = put_aside(&world);
    let adopt = || within(shim::adopt_all(&world.folder, &world.session));
    let said = adopt().await;
    assert!(matches!(said, Err(AdoptError::Silent)), "{said:?}");
    // The engine has hung up.
    let (mut taken, _) = silent.accept().unwrap();
    taken.read_to_end(&mut Vec::new()).unwrap();
    rustix::net::listen(&silent, 0).unwrap();
    let _waits = UnixStream::connect(world.folder.join(SOCKET)).unwrap();
    let said = adopt().await;
    assert!(matches!(said, Err(AdoptError::Silent)), "{said:?}");
    fs::rename(world.folder.join("real"), world.folder.join(SOCKET)).unwrap();
    let mut child = adopt().await.unwrap();
    enter(&child).await;
    let mut told = Told::default();
    told.until(&mut child.records, "got it").await;
}

#[tokio::test]
async fn a_shim_that_is_stopped_is_waited_for_while_one_that_says_nothing_is_left() {
    let (stopped, other) = (World::new(), World::new());
    let (child, _) = stopped.ready(WAITS).await;
    let shim = stopped.shim(&child);
    drop(child);
    let (held, _) = other.ready(WAITS).await;
    drop(held);
    let _silent = put_aside(&other);
    shim.stop().await;
    let mut waits = pin!(shim::adopt_all(&stopped.folder, &stopped.session));
    // Whoever began before them would have been left by the end of the first.
    for _ in 0..2 {
        let left = pin!(within(shim::adopt_all(&other.folder, &other.session)));
        tokio::select! {
            ended = &mut waits => panic!("{ended:?}"),
            said = left => assert!(matches!(said, Err(AdoptError::Silent)), "{said:?}"),
        }
    }
    shim.signal(Signal::CONT);
    let mut child = within(waits).await.unwrap();
    enter(&child).await;
    let mut told = Told::default();
    told.until(&mut child.records, "got it").await;
}
