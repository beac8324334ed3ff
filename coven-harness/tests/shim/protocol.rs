//! The protocol as bytes: what version 1 always was, peers of other versions, and no peers at all.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use coven_core::{Channel, Exit, OutputEnd, ProcessFacts, TermSize, Timestamp};
use coven_harness::shim::frame::{self, Decoder, Frame};
use coven_harness::shim::protocol::{
    Begin, FromShim, Hello, Input, InputAnswer, LaunchSpec, PartHead, Refused, SecretAnswer,
    ToShim, Welcome, WiringSpec,
};
use coven_harness::shim::{InputId, InputRefusal, LaunchFailure, Record, Taken};

use crate::support::{in_terminal, noise};
use crate::world::{Told, World, all};

/// Every frame of version 1: its name, and its bytes in hexadecimal digits.
const GOLDEN: &str = include_str!("golden-v1.txt");

fn records() -> Vec<(&'static str, Record)> {
    let id = InputId(*b"0123456789abcdef");
    let process = ProcessFacts {
        pid: 300,
        start_time: 70_000,
        boot_id: "boot".to_owned(),
        shim_pid: Some(299),
    };
    vec![
        (
            "started",
            Record::Started {
                process,
                executable: "/bin/sh".to_owned(),
                argv: vec!["sh".to_owned(), "-c".to_owned()],
            },
        ),
        (
            "missing executable",
            failed(LaunchFailure::MissingExecutable),
        ),
        (
            "missing interpreter",
            failed(LaunchFailure::MissingInterpreter),
        ),
        (
            "not executable",
            failed(LaunchFailure::NotExecutable { errno: 13 }),
        ),
        ("too long", failed(LaunchFailure::TooLong)),
        ("nul", failed(LaunchFailure::Nul)),
        ("directory", failed(LaunchFailure::Directory { errno: 2 })),
        ("no terminal", failed(LaunchFailure::Terminal { errno: 28 })),
        ("system", failed(LaunchFailure::System { errno: 11 })),
        ("output tty", output(Channel::Tty)),
        ("output stdout", output(Channel::Stdout)),
        ("output stderr", output(Channel::Stderr)),
        ("input taken", Record::InputTaken { id, len_bytes: 5 }),
        (
            "input done",
            Record::InputDone {
                id,
                delivered_bytes: 4,
            },
        ),
        ("answered", Record::Answered { query: 1000 }),
        (
            "resized",
            Record::Resized {
                size: TermSize::parse(120, 40).unwrap(),
            },
        ),
        (
            "output complete",
            Record::OutputClosed {
                end: OutputEnd::Complete,
            },
        ),
        (
            "output cut",
            Record::OutputClosed {
                end: OutputEnd::Cut,
            },
        ),
        (
            "exit code",
            Record::Exited {
                exit: Exit::Code { code: 3 },
            },
        ),
        (
            "exit signal",
            Record::Exited {
                exit: Exit::Signal { signal: 9 },
            },
        ),
    ]
}

fn failed(reason: LaunchFailure) -> Record {
    Record::LaunchFailed { reason }
}

fn output(channel: Channel) -> Record {
    Record::Output {
        offset: 4096,
        channel,
        bytes: Bytes::from_static(b"\x1b[0mhi\xff"),
    }
}

fn hello(min: u16, max: u16) -> ToShim {
    ToShim::Hello(Hello {
        min,
        max,
        features: 0,
    })
}

fn spec(wiring: WiringSpec) -> ToShim {
    ToShim::Launch(Box::new(LaunchSpec {
        session: "s".to_owned(),
        program: Bytes::from_static(b"/bin/sh"),
        args: vec![Bytes::from_static(b"-c")],
        environment: vec![(Bytes::from_static(b"A"), Bytes::from_static(b"1"))],
        wiring,
        open_files: (Some(1024), None),
        executable: "/bin/sh".to_owned(),
        argv: vec!["sh".to_owned()],
        limit_bytes: 1 << 20,
    }))
}

fn to_shim() -> Vec<(&'static str, ToShim)> {
    let (cols, rows) = (80, 24);
    let stdin = Some(Bytes::from_static(b"p"));
    let input = Input {
        request: 7,
        id: InputId(*b"0123456789abcdef"),
        pause_after_ms: 50,
        bytes: Bytes::from_static(b"ls\r"),
    };
    vec![
        ("hello", hello(1, 2)),
        ("launch terminal", spec(WiringSpec::Terminal { cols, rows })),
        (
            "launch output",
            spec(WiringSpec::TerminalOutput { cols, rows, stdin }),
        ),
        ("launch pipes", spec(WiringSpec::Pipes)),
        ("from", ToShim::From(12)),
        ("credit", ToShim::Credit(65536)),
        ("ack", ToShim::Ack(11)),
        ("input", ToShim::Input(input)),
        ("resize", ToShim::Resize((100, 30))),
        ("secret entry", ToShim::SecretEntry(8)),
        ("set limit", ToShim::SetLimit(1 << 28)),
        ("hold", ToShim::Hold(())),
        ("release", ToShim::Release(())),
        ("close", ToShim::Close(9)),
    ]
}

fn from_shim() -> Vec<(&'static str, FromShim)> {
    let welcome = Welcome {
        version: 1,
        features: 0,
        session: "s".to_owned(),
        shim_pid: 299,
        first: 3,
        next: 12,
    };
    let folder = Refused::Folder {
        step: "listen".to_owned(),
        errno: 28,
    };
    let input = |outcome| {
        FromShim::InputAnswer(InputAnswer {
            request: 7,
            outcome,
        })
    };
    vec![
        ("welcome", FromShim::Welcome(welcome)),
        (
            "refused version",
            FromShim::Refused(Refused::Version { min: 1, max: 1 }),
        ),
        ("refused folder", FromShim::Refused(folder)),
        (
            "refused record",
            FromShim::Refused(Refused::NoSuchRecord { first: 3, next: 12 }),
        ),
        ("begin", FromShim::Begin(Begin { record: 12 })),
        ("taken now", input(Ok(Taken::Now))),
        ("taken before", input(Ok(Taken::Before))),
        ("too much waiting", input(Err(InputRefusal::TooMuchWaiting))),
        ("spool full", input(Err(InputRefusal::SpoolFull))),
        ("nobody reads", input(Err(InputRefusal::NobodyReads))),
        (
            "secret",
            FromShim::SecretAnswer(SecretAnswer {
                request: 8,
                secret: true,
            }),
        ),
        ("still needed", FromShim::StillNeeded(9)),
    ]
}

fn part_head() -> PartHead {
    PartHead {
        version: 1,
        session: "s".to_owned(),
        boot_id: "boot".to_owned(),
        shim_pid: 299,
        shim_start_time: 69_000,
        first: 12,
        offset: 4096,
    }
}

/// A line of [`GOLDEN`].
fn line(name: &str, encode: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = Vec::new();
    encode(&mut bytes);
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name}: {digits}\n")
}

#[test]
fn every_frame_of_version_1_is_written_to_the_bytes_it_always_was() {
    let at = Timestamp::from_nanos(1_700_000_000_123_456_789);
    let mut lines = line("part head", |out| part_head().encode(out));
    for (name, record) in records() {
        lines += &line(name, |out| record.encode(at, out));
    }
    for (name, message) in to_shim() {
        lines += &line(name, |out| message.encode(out));
    }
    for (name, message) in from_shim() {
        lines += &line(name, |out| message.encode(out));
    }
    assert!(lines == GOLDEN, "{lines}");
}

#[test]
fn the_bytes_of_version_1_are_read_as_what_they_were() {
    let mut frames = GOLDEN.lines().map(|line| {
        let (_, digits) = line.split_once(": ").unwrap();
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
        let mut decoder = Decoder::default();
        decoder.buffer().extend_from_slice(&bytes);
        decoder.next_frame().unwrap().unwrap()
    });
    assert_eq!(
        PartHead::decode(&frames.next().unwrap()),
        Ok(Some(part_head()))
    );
    for (name, record) in records() {
        let (at, read) = Record::decode(&frames.next().unwrap()).unwrap().unwrap();
        assert_eq!(
            (at.as_nanos(), read),
            (1_700_000_000_123_456_789, record),
            "{name}"
        );
    }
    for (name, message) in to_shim() {
        assert_eq!(
            ToShim::decode(&frames.next().unwrap()),
            Ok(Some(message)),
            "{name}"
        );
    }
    for (name, message) in from_shim() {
        assert_eq!(
            FromShim::decode(&frames.next().unwrap()),
            Ok(Some(message)),
            "{name}"
        );
    }
    assert_eq!(frames.next(), None);
}

/// A peer by hand.
struct Peer {
    stream: UnixStream,
    decoder: Decoder,
}

impl Peer {
    fn connect(world: &World) -> Self {
        let stream = UnixStream::connect(world.folder.join("socket")).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self {
            stream,
            decoder: Decoder::default(),
        }
    }

    fn say(&mut self, told: &ToShim) {
        let mut bytes = Vec::new();
        told.encode(&mut bytes);
        self.stream.write_all(&bytes).unwrap();
    }

    /// A frame of a kind that this version does not know.
    fn say_unknown(&mut self, kind: u16) {
        let mut bytes = Vec::new();
        frame::encode(kind, &mut bytes, |out| {
            out.extend_from_slice(b"from the future");
        });
        self.stream.write_all(&bytes).unwrap();
    }

    /// The next frame; `None` once the shim has closed the connection.
    fn hear(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return Some(frame);
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(read) => self.decoder.buffer().extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test]
async fn a_peer_of_version_2_with_messages_of_its_own_is_served_in_version_1() {
    let world = World::new();
    let child = world
        .run("echo ready; read x; echo \"<$x>\"", in_terminal())
        .await;
    drop(child);
    let mut peer = Peer::connect(&world);
    peer.say(&hello(1, 2));
    let welcome = FromShim::decode(&peer.hear().unwrap()).unwrap();
    let Some(FromShim::Welcome(welcome)) = welcome else {
        panic!("{welcome:?}");
    };
    assert_eq!(
        (welcome.version, welcome.session),
        (1, world.session.to_string())
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
    let mut child = world.run("echo ready; read x; exit 0", in_terminal()).await;
    let mut peer = Peer::connect(&world);
    peer.say(&hello(2, 9));
    let refused = FromShim::decode(&peer.hear().unwrap()).unwrap();
    assert_eq!(
        refused,
        Some(FromShim::Refused(Refused::Version { min: 1, max: 1 }))
    );
    assert_eq!(peer.hear(), None);
    still_there(&mut child).await;
}

#[tokio::test]
async fn whoever_makes_no_sense_is_hung_up_on_and_the_engine_stays() {
    let world = World::new();
    let mut child = world.run("echo ready; read x; exit 0", in_terminal()).await;
    let mut hostile: Vec<Vec<u8>> = (0..40).map(|seed| noise(seed, 5000)).collect();
    hostile.push(u32::MAX.to_le_bytes().to_vec());
    hostile.push(vec![0; 5000]);
    hostile.push(b"GET / HTTP/1.1\r\n\r\n".to_vec());
    let mut cut = Vec::new();
    hello(1, 1).encode(&mut cut);
    let whole = cut.clone();
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
    // Nor does one that says nothing, or a hello by halves, keep others out.
    let silent = Peer::connect(&world);
    let mut half = Peer::connect(&world);
    half.stream.write_all(&whole[..5]).unwrap();
    still_there(&mut child).await;
    drop((silent, half));
}

#[tokio::test]
async fn an_engine_that_begins_to_make_no_sense_is_hung_up_on_and_another_goes_on() {
    let world = World::new();
    drop(world.run("echo ready; read x; exit 0", in_terminal()).await);
    for seed in 0..20 {
        let mut peer = Peer::connect(&world);
        peer.say(&hello(1, 1));
        let welcome = FromShim::decode(&peer.hear().unwrap()).unwrap();
        assert!(matches!(welcome, Some(FromShim::Welcome(_))));
        let _ = peer.stream.write_all(&noise(seed, 3000));
        let _ = peer.stream.shutdown(std::net::Shutdown::Write);
        while peer.hear().is_some() {}
    }
    still_there(&mut world.adopt(1).await).await;
}

/// Its session can be driven to its end.
async fn still_there(child: &mut coven_harness::shim::Child) {
    let mut told = Told::default();
    told.until(&mut child.records, "ready").await;
    let typed = child
        .control
        .input(InputId([9; 16]), Bytes::from_static(b"\n"), Duration::ZERO);
    assert_eq!(crate::support::within(typed).await, Ok(Taken::Now));
    told.hear_all(&mut child.records).await;
    child.control.ack(told.last);
    crate::support::within(child.control.close()).await.unwrap();
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
    let mut child = world.run("true", in_terminal()).await;
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
    drop(child.control);
    child = world.adopt(1).await;
    all(&mut child).await;
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
