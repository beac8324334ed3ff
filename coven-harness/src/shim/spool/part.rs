//! One file of a spool: its name, and places in it.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::pread;

use crate::shim::frame;

/// How a part's name ends.
const SUFFIX: &str = ".spool";

/// How much is read at once to find a record: small ones lie close together.
const WALK_BYTES: usize = 64 * 1024;

/// Between two frames of a spool, or within one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shim) struct Position {
    /// The number of the first record of the part.
    pub(in crate::shim) part: u64,
    /// Bytes from the part's start.
    pub(in crate::shim) offset: u64,
}

/// A part's name: sorted as text, parts are in order.
pub(super) fn name(first: u64) -> String {
    format!("{first:020}{SUFFIX}")
}

/// Opens the part that begins with record `first`: nothing that a link names, and no FIFO, at which the
/// one who opens it would wait for another. An agent can put either in the place of a part.
pub(super) fn open(folder: &OwnedFd, first: u64, access: OFlags) -> io::Result<OwnedFd> {
    let flags = access | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = openat(folder, name(first), flags, Mode::RUSR | Mode::WUSR)?;
    if FileType::from_raw_mode(fstat(&file)?.st_mode).is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

/// The first record of the part of this name, if it is one's.
pub(in crate::shim) fn first(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let first = digits.parse().ok()?;
    (self::name(first) == name).then_some(first)
}

/// The parts among files of these names, oldest first.
pub(super) fn all(names: &[String]) -> Vec<u64> {
    let mut parts: Vec<u64> = names.iter().filter_map(|name| first(name)).collect();
    parts.sort_unstable();
    parts
}

/// Where the record begins that comes after `records` others in this part, whose head is whole.
pub(super) fn offset_of(file: &OwnedFd, records: u64) -> io::Result<u64> {
    // One more: the head.
    let (mut offset, mut frames) = (0, records + 1);
    let mut buffer = vec![0; WALK_BYTES];
    while frames > 0 {
        let read = pread(file, &mut buffer[..], offset)?;
        let (mut at, before) = (0, offset);
        while frames > 0 && at < read {
            let len_bytes = frame::len_bytes(&buffer[at..read]).map_err(io::Error::other)?;
            let Some(len_bytes) = len_bytes else { break };
            at += len_bytes;
            frames -= 1;
        }
        offset += at as u64;
        if offset == before {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(offset)
}

/// How many of `bytes` may be sent so that where the next frame begins is known: all, less the
/// length of a last frame that is cut within it. The first `left_bytes` of them are the rest of a
/// frame that began before. Frames written here have lengths that are right.
pub(in crate::shim) fn sendable(bytes: &[u8], left_bytes: usize) -> usize {
    let mut end = left_bytes;
    while end < bytes.len() {
        match frame::len_bytes(&bytes[end..]) {
            Ok(Some(len_bytes)) => end += len_bytes,
            Ok(None) | Err(_) => return end,
        }
    }
    bytes.len()
}

/// How many bytes of the frame are left in which `bytes[..sent]` ends, where `bytes` are
/// [`sendable`].
pub(in crate::shim) fn left_after(bytes: &[u8], left_bytes: usize, sent: usize) -> usize {
    let mut end = left_bytes;
    while end < sent {
        let len_bytes = frame::len_bytes(&bytes[end..]).ok().flatten();
        end += len_bytes.expect("its length is among what may be sent");
    }
    end - sent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_known_by_its_name_and_nothing_else_is_one() {
        assert_eq!(first(&name(7)), Some(7));
        assert_eq!(first(&name(u64::MAX)), Some(u64::MAX));
        for other in [
            "7.spool",
            "lock",
            "00000000000000000007.spool.x",
            "",
            ".spool",
        ] {
            assert_eq!(first(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_left_of_a_frame_is_known_wherever_sending_stops() {
        let mut bytes = Vec::new();
        for len in [0, 5, 30] {
            frame::encode(4, &mut bytes, |out| out.resize(out.len() + len, 0));
        }
        let ends = [0, 10, 25, 65];
        for cut in 0..=bytes.len() {
            let read = &bytes[..cut];
            let begun = ends.into_iter().rfind(|end| *end <= cut).unwrap();
            let is_length_cut = (1..4).contains(&(cut - begun));
            let whole = if is_length_cut { begun } else { cut };
            assert_eq!(sendable(read, 0), whole, "read {cut}");
            for sent in 0..=whole {
                let end = ends.into_iter().find(|end| *end >= sent).unwrap();
                let left = left_after(&read[..whole], 0, sent);
                assert_eq!(left, end - sent, "read {cut}, sent {sent}");
                let rest = &bytes[sent..];
                assert_eq!(left_after(rest, left, rest.len()), 0);
            }
        }
    }
}
