//! Output that is trimmed while somebody reads it, who is held up by the pipe that it goes to.

use std::io::Read;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use crate::home::{Home, eventually};

/// Far more than lies between the log and a reader that does not read.
const LINES: &str = "seq -f %0100.0f 1 40000";

/// What a terminal makes of them.
fn written() -> Vec<u8> {
    let lines = (1..=40_000).map(|number| format!("{number:0100}\r\n"));
    lines.collect::<String>().into_bytes()
}

/// What the pipe holds.
const PIPE_BYTES: usize = 4096;

/// A command that has begun to write, and whose stdout nobody reads yet.
struct HeldUp {
    child: Child,
    stdout: OwnedFd,
}

impl HeldUp {
    fn run(mut command: Command) -> Self {
        let (stdout, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        fcntl_setpipe_size(&writer, PIPE_BYTES).unwrap();
        command
            .stdout(Stdio::from(writer))
            .stderr(Stdio::piped())
            .stdin(Stdio::null());
        let child = command.spawn().unwrap();
        drop(command);
        eventually("output", || {
            (rustix::io::ioctl_fionread(&stdout).unwrap() > 0).then_some(())
        });
        Self { child, stdout }
    }

    /// Reads all that it writes, and waits for its end: its stdout, its stderr and its status.
    fn rest(self) -> (Vec<u8>, String, Option<i32>) {
        let Self { mut child, stdout } = self;
        let mut bytes = Vec::new();
        std::fs::File::from(stdout).read_to_end(&mut bytes).unwrap();
        let mut said = String::new();
        let mut stderr = child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        (bytes, said, child.wait().unwrap().code())
    }
}

/// The one range that is told to be missing, where nothing else is told.
fn missing(said: &str) -> Range<usize> {
    let range = said
        .strip_prefix("coven: bytes ")
        .and_then(|said| {
            said.strip_suffix(
                " of its output were trimmed before they were read, and are missing here\n",
            )
        })
        .and_then(|range| range.split_once(" to "));
    let (first, last) = range.unwrap_or_else(|| panic!("{said:?}"));
    first.parse().unwrap()..last.parse::<usize>().unwrap() + 1
}

/// A session that has written all its lines.
fn ended(home: &Home, script: &str) -> String {
    home.text(["run", "--detach", "sh", script]);
    let id = home.record("@last")["id"].as_str().unwrap().to_owned();
    home.wait_for_end(&id);
    id
}

/// What is written, but for what is missing, each part as `text` shows it.
fn but_for(written: &[u8], missing: &Range<usize>, text: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    [
        text(&written[..missing.start]),
        text(&written[missing.end..]),
    ]
    .concat()
}

fn raw(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

/// Lines of text, each of them ended.
fn lines(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let lines = text.lines().map(|line| line.trim_end().to_owned() + "\n");
    lines.collect::<String>().into_bytes()
}

fn json_lines(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(lines(bytes)).unwrap();
    let lines = text
        .lines()
        .map(|line| format!("{{\"text\":\"{line}\"}}\n"));
    lines.collect::<String>().into_bytes()
}

/// What the process wrote, before its terminal made line ends of its own of them.
fn undone(bytes: &[u8]) -> Vec<u8> {
    let mut left = bytes;
    let mut undone = Vec::new();
    while let Some(byte) = left.first() {
        let is_line_end = left.starts_with(b"\r\n");
        undone.extend((!is_line_end).then_some(byte));
        left = &left[1..];
    }
    undone
}

type Shows = fn(&[u8]) -> Vec<u8>;

#[test]
fn what_is_missing_of_a_log_is_told_and_no_two_lines_are_made_one() {
    let home = Home::new();
    let written = written();
    let cases: [(&[&str], Shows); 5] = [
        (&["log"], lines),
        (&["log", "--raw"], raw),
        (&["log", "--json"], json_lines),
        (&["log", "--follow"], lines),
        (&["log", "--follow", "--raw"], raw),
    ];
    for (args, shows) in cases {
        let id = ended(&home, LINES);
        let reader = HeldUp::run(home.coven(args.iter().copied().chain([id.as_str()])));
        home.text(["prune", "--session-bytes", "100kB"]);
        let (shown, said, status) = reader.rest();
        assert_eq!(status, Some(0), "{args:?}: {said}");
        let missing = missing(&said);
        assert!(
            missing.start > 0 && missing.end < written.len(),
            "{missing:?}"
        );
        let trimmed = home.record(&id)["trimmed_bytes"].as_u64().unwrap();
        assert_eq!(missing.end as u64, trimmed, "{args:?}");
        let expected = but_for(&written, &missing, shows);
        assert!(shown == expected, "{args:?}: {missing:?}");
    }
}

#[test]
fn where_nothing_is_left_of_it_that_is_told_too() {
    let home = Home::new();
    let written = written();
    for args in [&["log", "--raw"][..], &["log", "--follow", "--raw"]] {
        let id = ended(&home, LINES);
        let reader = HeldUp::run(home.coven(args.iter().copied().chain([id.as_str()])));
        home.text(["prune", "--total-bytes", "1"]);
        let (shown, said, status) = reader.rest();
        assert_eq!(status, Some(0), "{args:?}: {said}");
        let missing = missing(&said);
        assert_eq!(missing.end, written.len(), "{args:?}");
        assert!(shown == written[..missing.start], "{args:?}: {missing:?}");
    }
}

#[test]
fn a_run_ends_as_its_harness_does_be_what_is_missing_text_or_not() {
    let home = Home::new();
    let not_text = |bytes: Vec<u8>| {
        let byte = |byte| if byte == b'0' { 0xff } else { byte };
        bytes.into_iter().map(byte).collect::<Vec<u8>>()
    };
    let written = written();
    let cases = [
        (format!("{LINES}; exit 7"), written.clone()),
        (
            format!("{LINES} | LC_ALL=C tr 0 '\\377'; exit 7"),
            not_text(written),
        ),
    ];
    for (script, written) in cases {
        let reader = HeldUp::run(home.coven(["run", "sh", &script]));
        home.wait_for_end("@last");
        home.text(["prune", "--session-bytes", "100kB"]);
        let (shown, said, status) = reader.rest();
        assert_eq!(status, Some(7), "{script}: {said}");
        let missing = missing(&said);
        assert!(
            missing.start > 0 && missing.end < written.len(),
            "{script}: {missing:?}"
        );
        let expected = but_for(&written, &missing, undone);
        assert!(shown == expected, "{script}: {missing:?}");
    }
}

#[test]
fn an_export_of_output_that_is_trimmed_meanwhile_ends_behind_a_whole_line_and_says_why_and_what_to_do()
 {
    let home = Home::new();
    let id = ended(&home, LINES);
    let reader = HeldUp::run(home.coven(["export", &id]));
    home.text(["prune", "--session-bytes", "100kB"]);
    let (lines, said, status) = reader.rest();
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains(&id), "{said}");
    for part in [
        "was let go of while it was exported",
        "export it again",
        "not a whole export",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!said.contains("connection"), "{said}");
    let lines = String::from_utf8(lines).unwrap();
    let begins = lines.starts_with("{\"header\":") && lines.lines().count() > 2;
    assert!(begins && lines.ends_with('\n'), "{lines}");
    assert!(!lines.contains("{\"end\":"), "it is not whole");
    let again = home.text(["export", &id]);
    assert!(again.contains("{\"end\":"), "{again}");
}
