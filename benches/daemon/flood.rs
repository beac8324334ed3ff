//! As much output as a terminal carries, into the log, beside a loop that reads and throws away.
//!
//! Every run of ours is followed by one of the bare reader, since the bare figure alone swings by
//! a factor on a shared machine; the ratio is the median over the pairs. What the child wrote is
//! compared byte for byte with `/output` after every run, and with the event stream after the
//! first.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::figures::{line, median};
use crate::home::Home;
use crate::{bare, http, payload, sse};

const FLOOD_BYTES: usize = 64 << 20;
const PAIRS: usize = 5;

pub(crate) fn run() {
    let home = Home::open();
    let written = payload::agent_output(64, FLOOD_BYTES);
    let file = home.folder().join("flood");
    fs::write(&file, &written).expect("written");

    // In cooked mode the terminal writes a carriage return before every newline.
    let cooked = with_carriage_returns(&written);
    let raw_script = "stty raw -echo; exec cat \"$0\"";
    for (mode, script, expected) in [
        ("raw", raw_script, &written),
        ("cooked", "exec cat \"$0\"", &cooked),
    ] {
        let (mut ratios, mut ours_mb, mut bare_mb) = (Vec::new(), Vec::new(), Vec::new());
        for pair in 0..PAIRS {
            let harness = format!("flood-{mode}");
            let (ours, id) = flood(&home, &harness, &file);
            let (bare, total) = bare::drain("/bin/sh", script, &file);
            assert_eq!(total, expected.len() as u64, "the bare reader read all");
            compare(&home, &id, expected, pair == 0);
            ratios.push(bare.as_secs_f64() / ours.as_secs_f64());
            ours_mb.push(rate(expected.len(), ours));
            bare_mb.push(rate(expected.len(), bare));
        }
        line(
            &format!("flood of 64 MiB, {mode}"),
            &format!(
                "{:.0} MB/s (bare {:.0})",
                median(&ours_mb),
                median(&bare_mb)
            ),
            &format!("{:.2} × bare, 0 bytes lost", median(&ratios)),
        );
    }
}

/// The time from the request to a recorded end, and the session's id.
fn flood(home: &Home, harness: &str, file: &Path) -> (Duration, String) {
    let started = Instant::now();
    let launched = home.launch(harness, file.to_str().expect("a path that is text"));
    let id = launched["id"].as_str().expect("an id").to_owned();
    let record = home.ended(&id);
    let took = started.elapsed();
    assert_eq!(record["status"], "completed", "{record}");
    (took, id)
}

fn compare(home: &Home, id: &str, expected: &[u8], with_stream: bool) {
    let mut output = Vec::with_capacity(expected.len());
    let path = format!("/api/v1/sessions/{id}/output");
    http::open(home.socket(), "GET", &path, None)
        .read_to_end(&mut output)
        .expect("the output");
    same("/output", &output, expected);
    if with_stream {
        let (joined, bytes) = sse::output(home.socket(), id);
        assert_eq!(
            bytes,
            expected.len() as u64,
            "the event stream has all bytes"
        );
        same(
            "the event stream",
            joined.as_bytes(),
            String::from_utf8_lossy(expected).as_bytes(),
        );
    }
}

fn same(what: &str, found: &[u8], expected: &[u8]) {
    let differs = found.iter().zip(expected).position(|(a, b)| a != b);
    let lens = (found.len(), expected.len());
    assert!(
        differs.is_none() && lens.0 == lens.1,
        "{what} differs at {differs:?}, {lens:?}"
    );
}

fn with_carriage_returns(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 16);
    for byte in bytes {
        if *byte == b'\n' {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}

fn rate(len_bytes: usize, time: Duration) -> f64 {
    len_bytes as f64 / 1e6 / time.as_secs_f64()
}
