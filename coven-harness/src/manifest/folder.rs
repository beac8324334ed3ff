//! Reading the files of a manifest folder, trusting only what the user alone can write.

use std::ffi::{CStr, OsStr};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, FileType, Mode, OFlags, Stat, fstat, open, openat};
use rustix::process::geteuid;

/// Bytes of one manifest: a real one has a few hundred.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Manifests of one folder.
const MAX_FILES: usize = 256;

/// A manifest's path, and its text or why it cannot be had.
type ReadFile = (PathBuf, Result<String, String>);

/// The manifests of a folder, by name: all that end in `.toml` and do not start with a dot.
pub(super) fn read(folder: &Path) -> Result<Vec<ReadFile>, String> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = match open(folder, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(rustix::io::Errno::NOENT) => return Ok(Vec::new()),
        Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
            return Err("is not a folder (a symbolic link is not taken)".to_owned());
        }
        Err(error) => return Err(unreadable(error.into())),
    };
    check_owner(&fstat(&opened).map_err(|error| unreadable(error.into()))?)?;
    let mut names = names(&opened).map_err(unreadable)?;
    if names.len() > MAX_FILES {
        return Err(format!("holds more than {MAX_FILES} manifests"));
    }
    names.sort_unstable();
    let read_one = |name: Vec<u8>| {
        let path = folder.join(OsStr::from_bytes(&name));
        let text = file(&opened, OsStr::from_bytes(&name));
        (path, text)
    };
    Ok(names.into_iter().map(read_one).collect())
}

/// Up to one more than there may be.
fn names(folder: &OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    let is_manifest = |name: &CStr| {
        let name = name.to_bytes();
        name.ends_with(b".toml") && !name.starts_with(b".")
    };
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if names.len() > MAX_FILES {
            break;
        }
        if is_manifest(entry.file_name()) {
            names.push(entry.file_name().to_bytes().to_vec());
        }
    }
    Ok(names)
}

fn file(folder: impl AsFd, name: &OsStr) -> Result<String, String> {
    // Without NONBLOCK, opening a FIFO would wait for somebody to write to it.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = openat(folder, name, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::LOOP => "is a symbolic link; put the file itself here".to_owned(),
        other => unreadable(other.into()),
    })?;
    let stat = fstat(&opened).map_err(|error| unreadable(error.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err("is not a regular file".to_owned());
    }
    check_owner(&stat)?;
    let mut bytes = Vec::new();
    let mut limited = std::fs::File::from(opened).take(MAX_FILE_BYTES + 1);
    limited.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err("is over 64 KiB long".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())
}

/// A manifest says what is run, so nobody else may be able to write it.
fn check_owner(stat: &Stat) -> Result<(), String> {
    if stat.st_uid != geteuid().as_raw() {
        return Err("belongs to another user".to_owned());
    }
    if stat.st_mode & 0o022 != 0 {
        return Err("can be written by others; take that away with chmod go-w".to_owned());
    }
    Ok(())
}

#[allow(clippy::needless_pass_by_value)] // as `map_err` hands it over
fn unreadable(error: io::Error) -> String {
    format!("cannot be read: {error}")
}
