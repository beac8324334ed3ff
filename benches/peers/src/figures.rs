//! Payloads, medians and lines of the table.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use crate::{EVENT_BYTES, corpus, payload};

/// What events are filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    Recorded,
    Noise,
}

impl Payload {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Recorded => "recorded output",
            Self::Noise => "noise",
        }
    }

    /// So many events of 1 KiB. What agents wrote is what was recorded of them, again and again;
    /// there are megabytes of it, so that nothing compresses by being met twice.
    pub(crate) fn events(self, count: usize) -> Vec<Bytes> {
        match self {
            Self::Recorded => corpus::pieces(0, EVENT_BYTES).take(count).collect(),
            Self::Noise => (0..count as u64)
                .map(|seed| payload::noise(seed, EVENT_BYTES).into())
                .collect(),
        }
    }
}

/// One line of the table: what, the figure, the ratio or the limit; separated by tabs, for
/// `benches/run`.
pub(crate) fn line(what: &str, figure: &str, beside: &str) {
    println!("{what}\t{figure}\t{beside}");
}

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    percentile(values, 50)
}

pub(crate) fn percentile(values: impl IntoIterator<Item = f64>, percent: usize) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[(values.len() * percent / 100).min(values.len() - 1)]
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Bytes that a file, or all files of a folder, take on the disk.
pub(crate) fn bytes_on_disk(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(metadata) = std::fs::metadata(path) else {
        return 0;
    };
    if !metadata.is_dir() {
        return metadata.blocks() * 512;
    }
    let entries = std::fs::read_dir(path).expect("a folder");
    entries
        .map(|entry| bytes_on_disk(&entry.expect("an entry").path()))
        .sum()
}

/// Bytes of memory that this process has to itself, and the most it ever had.
pub(crate) fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let words = line.map(str::split_whitespace);
        let number = words.and_then(|mut words| words.nth(1)).map(str::parse);
        number.and_then(Result::ok).unwrap_or(0_u64) * 1024
    };
    (of("RssAnon:"), of("VmHWM:"))
}

pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
