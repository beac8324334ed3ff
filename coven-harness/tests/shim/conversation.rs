//! A whole conversation of version 1, byte for byte: each side is played to the other from the transcript.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use coven_core::{Exit, OutputEnd, SessionId};
use coven_harness::process::{Spawn, Wiring};
use coven_harness::shim::{self, InputId, Launch, NewFolder, Program, Record, Taken};

use crate::support::{directory, mark, size, within};
use crate::transcript::{Line, Side, version_1};
use crate::world::{Told, program};

/// The session that it is about.
const SESSION: &str = "0199a213-81c0-7800-8aa1-bbab2a035a00";

/// What the session's process does: it asks its terminal something, and says what it was typed.
const SCRIPT: &str = r#"stty raw -echo; printf 'ask\033[c'; while [ "$(dd bs=1 count=1 2>/dev/null)" != c ]; do :; done; printf ready; printf "<$(dd bs=1 count=3 2>/dev/null)>"; dd bs=1 count=1 of=/dev/null 2>/dev/null; exit 3"#;

/// A shim of which nobody is the engine yet, and the way to it.
fn start_shim(folder: &Path) -> (UnixStream, std::process::Child) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let patience = Duration::from_secs(60);
    ours.set_read_timeout(Some(patience)).unwrap();
    let Program { path, .. } = program(&[]);
    let (variable, value) = mark();
    let shim = Command::new(path)
        .args(["shim", SESSION])
        .env_clear()
        .env(variable, value)
        .stdin(OwnedFd::from(theirs))
        .stdout(directory("/"))
        .stderr(directory(folder))
        .spawn()
        .unwrap();
    (ours, shim)
}

/// The next frame as it came; what came of it, where the connection ended.
fn frame(stream: &mut UnixStream) -> Vec<u8> {
    let mut frame = vec![0; 4];
    if stream.read_exact(&mut frame).is_err() {
        return frame;
    }
    let length = u32::from_le_bytes(*frame.first_chunk().unwrap());
    frame.resize(10 + usize::try_from(length).unwrap(), 0);
    stream.read_exact(&mut frame[4..]).unwrap();
    frame
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut all, byte| {
        let _ = write!(all, "{byte:02x}");
        all
    })
}

#[test]
fn a_shim_answers_what_was_ever_said_to_it_with_the_bytes_it_always_did() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("session");
    drop(NewFolder::make(&folder).unwrap());
    let (mut stream, mut shim) = start_shim(&folder);
    for line in version_1() {
        match line.by {
            Side::Engine => stream.write_all(&line.bytes()).unwrap(),
            Side::Shim => {
                let said = frame(&mut stream);
                let Line { name, .. } = line;
                assert!(line.is(&said), "{name}: {}", digits(&said));
            }
        }
    }
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert!(shim.wait().unwrap().success());
    assert!(!folder.exists());
}

/// A program that is the shim of the transcript: it hears as much as is said to it, whatever that is, and says
/// its own part in between. What it heard is in the file `heard`.
fn played(place: &Path) -> Program {
    let mut script = format!("#!/bin/sh\ncd {}\n", place.display());
    let mut lines = version_1().into_iter().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let mut bytes = line.bytes();
        while let Some((_, more)) = lines.next_if(|(_, next)| next.by == line.by) {
            bytes.extend(more.bytes());
        }
        match line.by {
            Side::Engine => {
                let len_bytes = bytes.len();
                let _ = writeln!(script, "dd bs=1 count={len_bytes} 2>/dev/null >>heard");
            }
            Side::Shim => {
                fs::write(place.join(number.to_string()), bytes).unwrap();
                let _ = writeln!(script, "cat {number} >&0");
            }
        }
    }
    let path = place.join("played");
    // By another process: forks of this one would have it open to be written, and it could not be run.
    let mut write = Command::new("sh")
        .args(["-c", r#"cat >"$0" && chmod 700 "$0""#])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = write.stdin.take().unwrap();
    input.write_all(script.as_bytes()).unwrap();
    drop(input);
    assert!(write.wait().unwrap().success());
    Program {
        path,
        args: Vec::new(),
        environment: [mark(), ("PATH", "/usr/bin:/bin")].into_iter().collect(),
    }
}

#[tokio::test]
async fn an_engine_that_hears_what_was_ever_said_says_the_bytes_it_always_did() {
    let place = tempfile::tempdir().unwrap();
    let session = SessionId::parse(SESSION).unwrap();
    let program = played(place.path());
    let environment = [("LANG", "C"), ("PATH", "/usr/bin:/bin")];
    let mut open_files = coven_harness::process::open_files_limit();
    (open_files.current, open_files.maximum) = (Some(256), Some(512));
    let launched = shim::launch(Launch {
        program: &program,
        folder: NewFolder::make(&place.path().join("session")).unwrap(),
        session: &session,
        spawn: Spawn {
            program: "/bin/sh".into(),
            args: ["-c", SCRIPT].map(OsString::from).to_vec(),
            environment: environment.into_iter().collect(),
            directory: directory("/"),
            wiring: Wiring::Terminal { size: size(80, 24) },
            open_files,
        },
        executable: "/bin/sh".to_owned(),
        argv: ["sh", "-c"].map(str::to_owned).to_vec(),
        limit_bytes: 1 << 20,
    });
    let mut child = within(launched).await.unwrap();
    let mut told = Told::default();
    told.until(&mut child.records, "ready").await;
    child.control.ack(told.last);
    let inputs = [
        (InputId(*b"0123456789abcdef"), "abc"),
        (InputId(*b"fedcba9876543210"), "q"),
    ];
    for (id, text) in inputs {
        let typed = child.control.input(id, text.into(), Duration::ZERO);
        assert_eq!(within(typed).await, Ok(Taken::Now));
        if text == "abc" {
            told.until(&mut child.records, "<abc>").await;
        }
    }
    told.hear_all(&mut child.records).await;
    assert_eq!(told.text(), "ask\x1b[cready<abc>");
    assert_eq!(
        (told.exit, told.end),
        (Some(Exit::Code { code: 3 }), Some(OutputEnd::Complete))
    );
    assert_eq!(told.done(), [(inputs[0].0, 3), (inputs[1].0, 1)]);
    assert!(told.others.contains(&Record::Answered { query: 3 }));
    within(child.control.close()).await.unwrap_err();
    child.control.ack(told.last);
    within(child.control.close()).await.unwrap();
    let lines = version_1().into_iter();
    let said = lines.filter(|line| line.by == Side::Engine);
    let said: Vec<u8> = said.flat_map(|line| line.bytes()).collect();
    let heard = fs::read(place.path().join("heard")).unwrap();
    assert_eq!(digits(&heard), digits(&said));
}
