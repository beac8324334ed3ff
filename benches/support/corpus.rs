//! Output of the real CLIs as it was recorded, for benches to replay. `benches/corpus/README.md` says how it was made.
//!
//! Needs the crates `bytes` and `flate2`.

#![allow(dead_code)] // each bench builds this module for itself and uses a part of it

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;

/// One session's output.
pub(crate) struct Recording {
    /// Which CLI, in which mode, and what it was about: `codex-interactive-debug`.
    pub(crate) name: &'static str,
    /// All of its output events, in order.
    pub(crate) chunks: Vec<Chunk>,
}

/// What one output event held.
pub(crate) struct Chunk {
    pub(crate) bytes: Bytes,
    /// How long after the one before it was recorded; the first, after the session's start.
    pub(crate) after: Duration,
}

/// The output of every recorded session, in the pieces it was recorded in.
pub(crate) fn streams() -> Vec<Vec<Bytes>> {
    recordings()
        .into_iter()
        .map(|recording| {
            let chunks = recording.chunks.into_iter();
            chunks.map(|chunk| chunk.bytes).collect()
        })
        .collect()
}

/// Pieces of `len_bytes` each, without an end: all recordings in turn, beginning with the one of number `first`
/// (modulo their number), so that sessions can be given different ones; then all of them again.
pub(crate) fn pieces(first: usize, len_bytes: usize) -> impl Iterator<Item = Bytes> {
    let mut streams = streams();
    let first = first % streams.len();
    streams.rotate_left(first);
    let all = Bytes::from(streams.concat().concat());
    let mut at = 0;
    std::iter::from_fn(move || {
        if at + len_bytes > all.len() {
            at = 0;
        }
        at += len_bytes;
        Some(all.slice(at - len_bytes..at))
    })
}

/// Every recorded session.
///
/// # Panics
/// If a file of the corpus is not what `benches/record` wrote.
pub(crate) fn recordings() -> Vec<Recording> {
    FILES
        .iter()
        .map(|(name, output, events)| recording(name, output, events))
        .collect()
}

fn recording(name: &'static str, output: &[u8], events: &[u8]) -> Recording {
    let mut output = Bytes::from(unpacked(output));
    let events = String::from_utf8(unpacked(events)).expect("events are text");
    let chunks = events
        .lines()
        .map(|line| {
            let (bytes, gap_ms) = line.split_once(' ').expect("a length and a time");
            Chunk {
                bytes: output.split_to(bytes.parse().expect("a length in bytes")),
                after: Duration::from_millis(gap_ms.parse().expect("milliseconds")),
            }
        })
        .collect();
    assert!(output.is_empty(), "{name} has output that is in no event");
    Recording { name, chunks }
}

fn unpacked(gzip: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(gzip)
        .read_to_end(&mut bytes)
        .expect("a whole gzip file");
    bytes
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$((
            $name,
            include_bytes!(concat!("../corpus/", $name, ".output.gz")),
            include_bytes!(concat!("../corpus/", $name, ".events.gz")),
        )),*]
    };
}

/// A name, the packed output, the packed events.
const FILES: [(&str, &[u8], &[u8]); 9] = files![
    "codex-interactive-feature",
    "codex-interactive-debug",
    "codex-alone-review",
    "codex-alone-debug",
    "claude-interactive-review",
    "claude-interactive-feature",
    "claude-interactive-debug",
    "claude-alone-feature",
    "claude-stream-review",
];
