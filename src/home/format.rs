//! The format of a home.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::renameat;

use super::{denied_or, io_error, open_regular};
use crate::OpenError;

/// The format of the home that this version reads and writes.
const FORMAT: u32 = 1;

pub(super) const FORMAT_FILE: &str = "format";

/// A home says in which format it is, so that an older version refuses it rather than misread it.
pub(super) fn check(home: &Path, directory: &OwnedFd) -> Result<(), OpenError> {
    match found(home)? {
        Format::Ours => Ok(()),
        Format::None => write(home, directory),
    }
}

/// What a home says of its format.
pub(super) enum Format {
    /// That it is this version's.
    Ours,
    /// Nothing, yet.
    None,
}

/// More than any number of a format has.
const LONGEST: u64 = 64;

/// A file with nothing in it, or zeros alone, says nothing: that is what some file systems leave of one that was
/// being written as the power went.
pub(super) fn found(home: &Path) -> Result<Format, OpenError> {
    let path = home.join(FORMAT_FILE);
    let mut found = Vec::new();
    match open_regular(&path, OpenOptions::new().read(true))
        .and_then(|file| file.take(LONGEST).read_to_end(&mut found))
    {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Format::None),
        Err(source) => return Err(io_error(&path, source)),
    }
    let found = String::from_utf8_lossy(&found);
    let found = found.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    match found.parse::<u32>() {
        _ if found.is_empty() => Ok(Format::None),
        Ok(FORMAT) => Ok(Format::Ours),
        Ok(newer) if newer > FORMAT => Err(OpenError::Newer {
            home: home.to_owned(),
            found: found.to_owned(),
        }),
        Ok(_) | Err(_) => Err(OpenError::Format {
            home: home.to_owned(),
            found: found.escape_debug().to_string(),
        }),
    }
}

/// Whether a home says anything of its format, or it is for whoever opens it to complain of.
pub(super) fn is_said(home: &Path) -> bool {
    !matches!(found(home), Ok(Format::None))
}

/// Written beside and moved into place, so that it is never seen half.
fn write(home: &Path, directory: &OwnedFd) -> Result<(), OpenError> {
    let beside = home.join("format.new");
    let put = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(format!("{FORMAT}\n").as_bytes())?;
        file.sync_all()?;
        renameat(directory, "format.new", directory, FORMAT_FILE)?;
        Ok(rustix::fs::fsync(directory)?)
    };
    put().map_err(|source| denied_or(home, source))
}
