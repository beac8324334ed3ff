//! The bookmark in a session's folder: what whoever drives the session keeps there for who takes it over. A shim knows
//! nothing of it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::open;

/// Bytes that a bookmark has at most.
pub const MAX_BOOKMARK_BYTES: usize = 1 << 20;

/// What was written last.
const BOOKMARK: &str = "bookmark";

/// What is being written, or was when who wrote it died.
const NEW: &str = "bookmark.new";

/// Their names in the folder.
pub(super) const NAMES: [&str; 2] = [BOOKMARK, NEW];

/// Bytes of the CRC-32 before what it is of.
const CRC_BYTES: usize = 4;

/// Puts `bytes` into the folder, in place of what was there. Whoever reads finds the one or the other whole, whenever
/// the writer dies; after the machine has gone down there may be neither. Nothing is followed. Blocks. One at a time.
///
/// # Errors
/// Those of writing; `NotFound` where there is no such folder; `InvalidInput` over [`MAX_BOOKMARK_BYTES`]. What was
/// there before stays.
pub fn write_bookmark(folder: &Path, bytes: &[u8]) -> io::Result<()> {
    if bytes.len() > MAX_BOOKMARK_BYTES {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let folder = open(folder)?;
    unless_missing(unlinkat(&folder, NEW, AtFlags::empty()))?;
    let written = write_new(&folder, bytes);
    if written.is_err() {
        // It takes room, of which there may be none.
        let _ = unlinkat(&folder, NEW, AtFlags::empty());
    }
    written
}

/// Writes it where there is nothing: whatever somebody puts there is not written to.
fn write_new(folder: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(folder, NEW, flags, Mode::RUSR | Mode::WUSR)?;
    let framed = [&crc32fast::hash(bytes).to_le_bytes(), bytes].concat();
    File::from(file).write_all(&framed)?;
    Ok(renameat(folder, NEW, folder, BOOKMARK)?)
}

/// Removes it, and what was left of writing one. Blocks.
///
/// # Errors
/// The first of removing files; none where there is no such folder, or nothing in it.
pub fn remove_bookmark(folder: &Path) -> io::Result<()> {
    let folder = match open(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        folder => folder?,
    };
    let removed = NAMES.map(|name| unless_missing(unlinkat(&folder, name, AtFlags::empty())));
    removed.into_iter().collect()
}

fn unless_missing(removed: rustix::io::Result<()>) -> io::Result<()> {
    match removed {
        Err(Errno::NOENT) => Ok(()),
        removed => Ok(removed?),
    }
}

/// What was put into the folder last. Blocks.
///
/// # Errors
/// Those of reading; `NotFound` where there is none; `InvalidData` where it is not what was written.
pub fn read_bookmark(folder: &Path) -> io::Result<Vec<u8>> {
    let folder = open(folder)?;
    // Something else that has its name may be one that nobody ever writes to.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(&folder, BOOKMARK, flags, Mode::empty())?);
    let mut framed = Vec::new();
    let at_most = u64::try_from(CRC_BYTES + MAX_BOOKMARK_BYTES).unwrap_or(u64::MAX);
    file.take(at_most).read_to_end(&mut framed)?;
    let (crc, bytes) = framed
        .split_first_chunk::<CRC_BYTES>()
        .ok_or(io::ErrorKind::InvalidData)?;
    if u32::from_le_bytes(*crc) != crc32fast::hash(bytes) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, mkfifoat};
    use tempfile::TempDir;

    use super::*;

    fn kind<T>(outcome: io::Result<T>) -> Option<io::ErrorKind> {
        outcome.err().map(|error| error.kind())
    }

    #[test]
    fn what_was_put_there_last_is_read_whatever_a_writer_left_that_died() {
        let folder = TempDir::new().unwrap();
        assert_eq!(
            kind(read_bookmark(folder.path())),
            Some(io::ErrorKind::NotFound)
        );
        for bytes in [&b"one"[..], b"", b"another"] {
            fs::write(folder.path().join(NEW), b"half of a longer one").unwrap();
            write_bookmark(folder.path(), bytes).unwrap();
            assert_eq!(read_bookmark(folder.path()).unwrap(), bytes);
        }
    }

    #[test]
    fn what_was_not_written_is_not_taken_for_a_bookmark() {
        let folder = TempDir::new().unwrap();
        write_bookmark(folder.path(), b"whole").unwrap();
        let place = folder.path().join(BOOKMARK);
        let whole = fs::read(&place).unwrap();
        let mut turned = whole.clone();
        *turned.last_mut().unwrap() ^= 1;
        for bytes in [&turned[..], &whole[..6], &whole[..2], b""] {
            fs::write(&place, bytes).unwrap();
            assert_eq!(
                kind(read_bookmark(folder.path())),
                Some(io::ErrorKind::InvalidData)
            );
        }
    }

    #[test]
    fn neither_a_link_nor_a_pipe_is_followed_to_write_or_to_read_one() {
        let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let other = elsewhere.path().join("other");
        fs::write(&other, b"of others").unwrap();
        let pipe = |path: &Path| mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).unwrap();
        let link = |path: &Path| symlink(&other, path).unwrap();
        let hard_link = |path: &Path| fs::hard_link(&other, path).unwrap();
        for put in [&link as &dyn Fn(&Path), &hard_link, &pipe] {
            for name in NAMES {
                put(&folder.path().join(name));
            }
            assert!(read_bookmark(folder.path()).is_err());
            write_bookmark(folder.path(), b"mine").unwrap();
            assert_eq!(read_bookmark(folder.path()).unwrap(), b"mine");
            assert_eq!(fs::read(&other).unwrap(), b"of others");
            remove_bookmark(folder.path()).unwrap();
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn one_that_is_too_long_leaves_what_was_there() {
        let folder = TempDir::new().unwrap();
        write_bookmark(folder.path(), &[7; MAX_BOOKMARK_BYTES]).unwrap();
        let longer = write_bookmark(folder.path(), &[8; MAX_BOOKMARK_BYTES + 1]);
        assert_eq!(kind(longer), Some(io::ErrorKind::InvalidInput));
        assert_eq!(
            read_bookmark(folder.path()).unwrap(),
            [7; MAX_BOOKMARK_BYTES]
        );
    }
}
