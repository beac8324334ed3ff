//! The protocol as bytes: what version 1 always was.

use bytes::Bytes;
use coven_core::{Channel, Exit, OutputEnd, ProcessFacts, TermSize, Timestamp};
use coven_harness::shim::frame::Decoder;
use coven_harness::shim::protocol::{
    Begin, FromShim, Input, InputAnswer, LaunchSpec, PartHead, Refused, SecretAnswer, ToShim,
    Welcome, WiringSpec,
};
use coven_harness::shim::{InputId, InputRefusal, LaunchFailure, Record, Taken};

use crate::peer::hello;

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
