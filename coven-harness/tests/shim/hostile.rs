//! Peers of this user that do what no engine does: they cost the shim little, and its session
//! nothing.

use std::io::{ErrorKind, Write};
use std::path::Path;

use coven_harness::shim::protocol::{Begin, FromShim, ToShim};
use coven_harness::shim::{self, Damage, Found};
use rustix::fs::{CWD, FileType, Mode};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::peer::{Peer, hello};
use crate::support::{PATIENCE, within};
use crate::world::{Left, World, all, enter};

/// What a shim may have for itself, whatever is done to it.
const MAX_PRIVATE_BYTES: u64 = 6 << 20;

/// Files of a shim with a session in a terminal, and an engine: the standard streams, its folder
/// twice, lock, part, listener, signals, terminal (three times its one end, and the other), engine,
/// the part that the engine reads.
const FILES: usize = 15;

#[tokio::test]
async fn ten_thousand_who_come_and_say_nothing_keep_no_engine_out() {
    let world = World::new();
    let (mut child, mut told) = world.ready("echo ready; read x; echo on; read x").await;
    let shim = world.shim(&child);
    let mut silent = Vec::new();
    for turn in 0..10_000 {
        let peer = Peer::connect(&world);
        if turn % 300 == 0 {
            // The oldest are hung up on long before that.
            silent.push(peer);
        }
    }
    enter(&child).await;
    told.until(&mut child.records, "on").await;
    assert!(shim.files() <= FILES + 16, "{}", shim.files());
    drop(child);
    let mut child = world.adopt().await;
    let typed = crate::world::type_in(&child.control, 2, "\n");
    typed.await.unwrap();
    all(&mut child).await;
}

#[tokio::test]
async fn who_says_a_hello_by_halves_waits_and_is_heard_once_it_is_whole() {
    let world = World::new();
    let (child, _) = world.ready("echo ready; read x").await;
    let mut whole = Vec::new();
    hello(1, 1).encode(&mut whole);
    let mut halves: Vec<Peer> = (0..10).map(|_| Peer::connect(&world)).collect();
    for half in &mut halves {
        half.stream.write_all(&whole[..5]).unwrap();
    }
    let shim = world.shim(&child);
    shim.until_idle().await;
    // Those that have waited are still heard, and others meanwhile.
    for half in &mut halves {
        let (mut other, _) = Peer::welcomed(&world);
        half.stream.write_all(&whole[5..]).unwrap();
        assert!(matches!(half.answer(), FromShim::Welcome(_)));
        assert_eq!(other.hear(), None, "it took the place of the other");
    }
}

#[tokio::test]
async fn who_lies_about_sizes_is_given_no_memory_for_it() {
    let world = World::new();
    let (child, _) = world.ready("echo ready; read x").await;
    let shim = world.shim(&child);
    let head = [&(8_u32 << 20).to_le_bytes()[..], &[0, 1]].concat();
    for _ in 0..16 {
        let mut peer = Peer::connect(&world);
        peer.stream.write_all(&head).unwrap();
        let mut told = 0;
        let hung_up = loop {
            match peer.stream.write(&[0; 4096]) {
                Ok(more) => told += more,
                Err(error) => break error.kind(),
            }
            assert!(told < 1 << 20, "it is heard on and on");
        };
        assert!(
            matches!(hung_up, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
            "{hung_up:?}"
        );
    }
    assert!(shim.private_bytes() < MAX_PRIVATE_BYTES);
    drop(child);
    world.adopt().await;
}

#[tokio::test]
async fn an_engine_that_asks_without_end_and_never_listens_is_not_read_on_and_another_comes() {
    let world = World::new();
    let (child, _) = world
        .ready("echo ready; seq 1 100000; read x; exit 3")
        .await;
    let shim = world.shim(&child);
    let (mut deaf, _) = Peer::welcomed(&world);
    deaf.say(&ToShim::From(1));
    deaf.say(&ToShim::Credit(u64::MAX));
    let mut asked = Vec::new();
    for request in 0..5000 {
        ToShim::SecretEntry(request).encode(&mut asked);
        ToShim::Ack(0).encode(&mut asked);
    }
    deaf.stream.set_nonblocking(true).unwrap();
    // Until it is read no more: what it has said is then in the buffers of the socket.
    let (mut said, mut blocked) = (0, 0);
    while blocked < 200 {
        let blocks = would_block(&mut deaf, &asked, &mut said) && shim.is_idle();
        blocked = if blocks { blocked + 1 } else { 0 };
        assert!(said < MAX_SAID_BYTES, "it is read on and on");
        tokio::task::yield_now().await;
    }
    assert!(
        shim.private_bytes() < MAX_PRIVATE_BYTES,
        "{}",
        shim.private_bytes()
    );
    let mut child = world.adopt().await;
    enter(&child).await;
    let told = all(&mut child).await;
    assert_eq!(told.exit, Some(coven_core::Exit::Code { code: 3 }));
}

/// What one may say before it is read no more: twice what a socket holds, and some.
const MAX_SAID_BYTES: usize = 2 << 20;

/// Says more of `bytes`, again and again from their start; true when nothing is taken. `said` is
/// how much was.
fn would_block(peer: &mut Peer, bytes: &[u8], said: &mut usize) -> bool {
    match peer.stream.write(&bytes[*said % bytes.len()..]) {
        Ok(more) => {
            *said += more;
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            true
        }
    }
}

#[tokio::test]
async fn no_more_is_sent_than_there_is_credit_for_one_frame_and_16_kib() {
    let world = World::new();
    let script = "stty -echo; seq 1 100000; echo done; read x";
    let (waypoints, tell) = crate::world::Waypoints::new();
    let spawn = world.spawn(script, crate::support::in_terminal());
    // It is full, so that nothing more comes.
    let launched = world.launch(crate::world::program(&[&tell]), spawn, 256 << 10);
    drop(launched.await.unwrap());
    waypoints.until("Full").await;
    let (mut peer, _) = Peer::welcomed(&world);
    peer.say(&ToShim::From(1));
    assert_eq!(peer.answer(), FromShim::Begin(Begin { record: 1 }));
    for credit_bytes in [1, 1, 5000, 40_000] {
        peer.say(&ToShim::Credit(credit_bytes));
        let mut sent = Vec::new();
        // The second answer comes behind all that there was credit for.
        for request in [1, 2] {
            peer.say(&ToShim::SecretEntry(request));
            while let Some(frame) = peer.hear() {
                match FromShim::decode(&frame).unwrap() {
                    Some(FromShim::SecretAnswer(answer)) if answer.request == request => break,
                    Some(other) => panic!("{other:?}"),
                    None => sent.push(frame.payload.len() as u64 + 10),
                }
            }
        }
        let (sent_bytes, last) = (sent.iter().sum::<u64>(), sent.last().copied().unwrap_or(0));
        assert!(sent_bytes >= credit_bytes, "{sent_bytes}");
        assert!(
            sent_bytes <= credit_bytes + (16 << 10) + last,
            "{sent_bytes} for {credit_bytes}"
        );
    }
}

#[tokio::test]
async fn a_shim_without_a_file_for_who_comes_waits_and_lets_the_next_in() {
    let world = World::new();
    let (child, _) = world.ready("echo ready; read x").await;
    let shim = world.shim(&child);
    shim.until_idle().await;
    let before = limit_open_files(shim.pid, Some(shim.next_file()));
    let kept_out = Peer::connect(&world);
    // With a timer, and in no circle: it would never be found asleep.
    shim.until_asleep().await;
    limit_open_files(shim.pid, before);
    drop((child, kept_out));
    let mut child = world.adopt().await;
    enter(&child).await;
    within(all(&mut child)).await;
}

/// Sets how many files a process may have open; how many it might before.
fn limit_open_files(pid: u32, current: Option<u64>) -> Option<u64> {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap());
    let now = rustix::process::getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current,
        maximum: now.maximum,
    };
    prlimit(pid, Resource::Nofile, limit).unwrap().current
}

/// Looks at a session's folder; fails where that does not come to an end.
fn look(world: &World) -> std::io::Result<Found> {
    let (tell, told) = std::sync::mpsc::channel();
    let folder = world.folder.clone();
    std::thread::spawn(move || tell.send(shim::look(&folder)));
    told.recv_timeout(PATIENCE).expect("it waits for somebody")
}

fn put_a_fifo_in_the_place_of(part: &Path) {
    std::fs::remove_file(part).unwrap();
    let node = FileType::Fifo;
    rustix::fs::mknodat(CWD, part, node, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[tokio::test]
async fn nobody_waits_at_a_fifo_in_the_place_of_a_part() {
    let world = World::new();
    let (child, _) = world.ready("echo ready; read x").await;
    let shim = world.shim(&child);
    put_a_fifo_in_the_place_of(&world.part());
    // One who asks for what it had is hung up on, and the shim goes on.
    let (mut other, _) = Peer::welcomed(&world);
    other.say(&ToShim::Credit(1 << 20));
    other.say(&ToShim::From(1));
    assert_eq!(other.hear(), None);
    assert!(look(&world).is_err(), "it is no part");
    let (mut other, _) = Peer::welcomed(&world);
    other.say(&ToShim::SecretEntry(1));
    assert!(other.hear().is_some(), "it is there");
    drop(child);
    shim.kill().await;
    let remains = world.remains().await;
    assert!(Left::of(&remains).damage.is_some());
}

#[tokio::test]
async fn a_part_that_was_made_endless_is_damaged_and_not_read_to_its_end() {
    let world = World::new();
    let (child, _) = world.ready("echo ready; read x").await;
    let shim = world.shim(&child);
    let part = std::fs::File::options().write(true).open(world.part());
    part.unwrap().set_len(1 << 40).unwrap();
    drop(child);
    shim.kill().await;
    let found = loop {
        match look(&world).unwrap() {
            Found::Dead(remains) => break remains,
            Found::Alive | Found::Starting => tokio::task::yield_now().await,
        }
    };
    assert!(matches!(
        Left::of(&found).damage,
        Some(Damage::Changed { .. })
    ));
}
