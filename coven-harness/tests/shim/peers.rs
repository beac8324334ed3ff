//! Peers of other versions, of other users, and such as make no sense.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::Command;

use bytes::Bytes;
use coven_harness::shim::protocol::{Begin, FromShim, Input, InputAnswer, Refused, ToShim};
use coven_harness::shim::{Child, InputId, Record, Taken};

use crate::peer::{Peer, hello};
use crate::support::{in_terminal, noise, within};
use crate::world::{Told, World, all, enter};

/// A session that lasts until its engine has it end.
const WAITS: &str = "echo ready; read x; exit 0";

/// Its session can be driven to its end.
async fn still_there(child: &mut Child) {
    let mut told = Told::default();
    told.until(&mut child.records, "ready").await;
    enter(child).await;
    told.hear_all(&mut child.records).await;
    child.control.ack(told.last);
    within(child.control.close()).await.unwrap();
}

#[tokio::test]
async fn a_peer_of_version_2_with_messages_of_its_own_is_served_in_version_1() {
    let world = World::new();
    let script = "echo ready; read x; echo \"<$x>\"";
    drop(world.run(script, in_terminal()).await);
    let (mut peer, welcome) = Peer::welcomed(&world);
    assert_eq!(
        (welcome.version, welcome.features, welcome.session),
        (1, 0, world.session.to_string())
    );
    peer.say_unknown(0x0177);
    peer.say(&ToShim::From(1));
    peer.say_unknown(0x0042);
    peer.say(&ToShim::Credit(1 << 20));
    peer.say_unknown(0x7fff);
    peer.say(&ToShim::Input(Input {
        request: 1,
        id: InputId([1; 16]),
        pause_after_ms: 0,
        bytes: Bytes::from_static(b"from 2\n"),
    }));
    let (mut output, mut answers) = (Vec::new(), Vec::new());
    while let Some(frame) = peer.hear() {
        match Record::decode(&frame).unwrap() {
            Some((_, Record::Output { bytes, .. })) => output.extend_from_slice(&bytes),
            Some((_, Record::OutputClosed { .. })) => break,
            Some(_) => {}
            None => answers.extend(FromShim::decode(&frame).unwrap()),
        }
    }
    assert!(String::from_utf8_lossy(&output).contains("<from 2>"));
    let outcome = Ok(Taken::Now);
    let taken = FromShim::InputAnswer(InputAnswer {
        request: 1,
        outcome,
    });
    assert_eq!(answers, [FromShim::Begin(Begin { record: 1 }), taken]);
}

#[tokio::test]
async fn a_peer_without_a_common_version_is_told_so_and_the_engine_stays() {
    let world = World::new();
    let mut child = world.run(WAITS, in_terminal()).await;
    for (min, max) in [(2, 9), (0, 0), (9, 2)] {
        let mut peer = Peer::connect(&world);
        peer.say(&hello(min, max));
        let refused = FromShim::Refused(Refused::Version { min: 1, max: 1 });
        assert_eq!(peer.answer(), refused);
        assert_eq!(peer.hear(), None);
    }
    still_there(&mut child).await;
}

#[tokio::test]
async fn whoever_makes_no_sense_is_hung_up_on_and_the_engine_stays() {
    let world = World::new();
    let mut child = world.run(WAITS, in_terminal()).await;
    let mut hostile: Vec<Vec<u8>> = (0..40).map(|seed| noise(seed, 5000)).collect();
    hostile.push(u32::MAX.to_le_bytes().to_vec());
    hostile.push(vec![0; 5000]);
    hostile.push(b"GET / HTTP/1.1\r\n\r\n".to_vec());
    let mut cut = Vec::new();
    hello(1, 1).encode(&mut cut);
    cut[7] ^= 1;
    hostile.push(cut);
    let mut no_hello = Vec::new();
    ToShim::Close(1).encode(&mut no_hello);
    hostile.push(no_hello);
    for bytes in hostile {
        let mut peer = Peer::connect(&world);
        // It may have hung up in the middle.
        let _ = peer.stream.write_all(&bytes);
        peer.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(peer.hear(), None);
    }
    still_there(&mut child).await;
}

#[tokio::test]
async fn an_engine_that_begins_to_make_no_sense_is_hung_up_on_and_another_goes_on() {
    let world = World::new();
    drop(world.run(WAITS, in_terminal()).await);
    let mut said: Vec<Vec<u8>> = (0..20).map(|seed| noise(seed, 3000)).collect();
    // What has its place only once, or elsewhere.
    for told in [&[hello(1, 1)][..], &[ToShim::From(1), ToShim::From(1)]] {
        let mut bytes = Vec::new();
        told.iter().for_each(|told| told.encode(&mut bytes));
        said.push(bytes);
    }
    // A payload with more behind it than its kind has.
    let mut long = Vec::new();
    coven_harness::shim::frame::encode(0x0104, &mut long, |out| out.extend_from_slice(&[1, 1]));
    said.push(long);
    for bytes in said {
        let (mut peer, _) = Peer::welcomed(&world);
        let _ = peer.stream.write_all(&bytes);
        // Noise may be the start of a frame, whose rest would be waited for.
        if bytes.len() == 3000 {
            let _ = peer.stream.shutdown(std::net::Shutdown::Write);
        }
        while peer.hear().is_some() {}
    }
    still_there(&mut world.adopt().await).await;
}

/// The socket is open to all here, as it never is, so that only the check of who is there is left.
#[tokio::test]
async fn another_user_is_hung_up_on() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    if !rustix::process::geteuid().is_root() {
        return crate::not_run::not_run("only root can be another user");
    }
    let world = World::new();
    drop(world.run("true", in_terminal()).await);
    let socket = world.folder.join("socket");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let home = world.folder.parent().unwrap();
    for open in [home, &world.folder, &socket] {
        set_permissions(open, Permissions::from_mode(0o777)).unwrap();
    }
    let mut other = Command::new("/usr/bin/python3");
    other.args(["-c", CONNECT]).arg(&socket).current_dir("/");
    let mine = other.output().unwrap();
    other.uid(65534).gid(65534);
    let theirs = other.output().unwrap();
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        (said(&mine).as_str(), said(&theirs).as_str()),
        ("17\n", "0\n"),
        "{theirs:?}"
    );
    all(&mut world.adopt().await).await;
}

/// Says hello and prints how many bytes come back.
const CONNECT: &str = "
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.settimeout(30)
try:
    s.sendall(bytes.fromhex('0300000000010101000ecb4766'))
    print(min(len(s.recv(4096)), 17))
except (BrokenPipeError, ConnectionResetError):
    print(0)
";
