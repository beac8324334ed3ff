//! The format of a home.

use std::fs::OpenOptions;
use std::io::{self, Write};
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

pub(super) fn found(home: &Path) -> Result<Format, OpenError> {
    let path = home.join(FORMAT_FILE);
    let found =
        match open_regular(&path, OpenOptions::new().read(true)).and_then(io::read_to_string) {
            Ok(found) => found.trim().to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Format::None),
            Err(source) => return Err(io_error(&path, source)),
        };
    match found.parse::<u32>() {
        Ok(FORMAT) => Ok(Format::Ours),
        Ok(newer) if newer > FORMAT => Err(OpenError::Newer {
            home: home.to_owned(),
            found,
        }),
        Ok(_) | Err(_) => Err(OpenError::Home {
            home: home.to_owned(),
            problem: format!("has a {FORMAT_FILE} file that no Coven wrote"),
        }),
    }
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
