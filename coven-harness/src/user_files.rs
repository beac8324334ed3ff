//! Reading what users configured for their harnesses: only reading, and never too much.
//!
//! These files are not ours. Links are followed, since people keep such files elsewhere; but what
//! is not a regular file in the end is not read, and no walk goes deeper than it is told.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::environment::Environment;

/// Bytes of one configuration file. Claude Code keeps a history in its own, of some megabytes.
const MAX_CONFIG_BYTES: u64 = 16 << 20;

/// Entries of one folder.
const MAX_ENTRIES: usize = 512;

/// A file that could not be used. It is told, not an error: the rest is read all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What kind of trouble.
    pub kind: WarningKind,
    /// Which file or folder.
    pub path: PathBuf,
    /// A sentence for people. It holds nothing of the file.
    pub message: String,
}

/// What kind of trouble there was with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WarningKind {
    /// It cannot be read.
    Unreadable,
    /// It is not what it should be: its format, or its kind of file.
    Malformed,
    /// It is too large; a folder's entries were read up to the limit.
    TooLarge,
}

impl WarningKind {
    /// The word clients see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
        }
    }
}

/// Warnings, as they come up.
#[derive(Debug, Default)]
pub(crate) struct Warnings(pub(crate) Vec<Warning>);

impl Warnings {
    /// What was read; nothing, and a warning more, where it could not be.
    pub(crate) fn keep<T: Default>(&mut self, read: Result<T, Warning>) -> T {
        read.unwrap_or_else(|warning| {
            self.0.push(warning);
            T::default()
        })
    }

    /// Of what is at `path`, only a part was looked at.
    pub(crate) fn too_large(&mut self, path: &Path, message: String) {
        self.0.push(warning(WarningKind::TooLarge, path, message));
    }
}

/// The absolute path that a variable holds.
pub(crate) fn path_in(environment: &Environment, variable: &str) -> Option<PathBuf> {
    let path = PathBuf::from(environment.get(variable)?);
    path.is_absolute().then_some(path)
}

/// A TOML file; `None` where there is no such file.
pub(crate) fn toml(path: &Path) -> Result<Option<toml::Table>, Warning> {
    let Some(text) = text(path)? else {
        return Ok(None);
    };
    // What the parser says would quote the file.
    let malformed = |_| warning(WarningKind::Malformed, path, "is not TOML");
    text.parse().map(Some).map_err(malformed)
}

/// A JSON file that holds an object; `None` where there is no such file.
pub(crate) fn json(path: &Path) -> Result<Option<Object>, Warning> {
    let Some(text) = text(path)? else {
        return Ok(None);
    };
    let malformed = |_| warning(WarningKind::Malformed, path, "is not a JSON object");
    serde_json::from_str(&text).map(Some).map_err(malformed)
}

/// A JSON object.
pub(crate) type Object = serde_json::Map<String, serde_json::Value>;

/// The length of a regular file in bytes; `None` where there is no such file.
pub(crate) fn length(path: &Path) -> Result<Option<u64>, Warning> {
    Ok(open(path)?.map(|(_, length)| length))
}

/// The first bytes of a file as text; `None` where there is no such file.
pub(crate) fn head(path: &Path, limit_bytes: u64) -> Result<Option<String>, Warning> {
    let Some((file, _)) = open(path)? else {
        return Ok(None);
    };
    let bytes = read(file, limit_bytes, path)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// What a folder holds, by name, without what starts with a dot; nothing where there is no such
/// folder. Of a very large one, some entries only, and a warning.
pub(crate) fn entries(folder: &Path, warnings: &mut Warnings) -> Vec<PathBuf> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if is_missing(&error) => return Vec::new(),
        Err(error) => {
            warnings.0.push(unreadable(folder, &error));
            return Vec::new();
        }
    };
    let mut listed: Vec<_> = listed.take(MAX_ENTRIES + 1).collect();
    if listed.len() > MAX_ENTRIES {
        let message = format!("holds over {MAX_ENTRIES} entries; only some are looked at");
        warnings.too_large(folder, message);
        listed.truncate(MAX_ENTRIES);
    }
    let mut entries: Vec<_> = listed
        .into_iter()
        .flatten()
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .map(|entry| entry.path())
        .collect();
    entries.sort_unstable();
    entries
}

fn text(path: &Path) -> Result<Option<String>, Warning> {
    let Some((file, length)) = open(path)? else {
        return Ok(None);
    };
    if length > MAX_CONFIG_BYTES {
        return Err(warning(WarningKind::TooLarge, path, "is over 16 MiB"));
    }
    let bytes = read(file, MAX_CONFIG_BYTES, path)?;
    let malformed = |_| warning(WarningKind::Malformed, path, "is not UTF-8 text");
    String::from_utf8(bytes).map(Some).map_err(malformed)
}

/// Opens a regular file; `None` where there is no such file.
fn open(path: &Path) -> Result<Option<(File, u64)>, Warning> {
    // Without NONBLOCK, opening a FIFO would wait for somebody to write to it.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).expect("open's flags are an int");
    let opened = File::options().read(true).custom_flags(flags).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    };
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    if metadata.is_file() {
        Ok(Some((file, metadata.len())))
    } else {
        Err(warning(
            WarningKind::Malformed,
            path,
            "is not a regular file",
        ))
    }
}

fn read(file: File, limit_bytes: u64, path: &Path) -> Result<Vec<u8>, Warning> {
    let mut bytes = Vec::new();
    file.take(limit_bytes)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, &error))?;
    Ok(bytes)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn unreadable(path: &Path, error: &io::Error) -> Warning {
    let message = format!("cannot be read: {error}");
    warning(WarningKind::Unreadable, path, message)
}

fn warning(kind: WarningKind, path: &Path, message: impl Into<String>) -> Warning {
    Warning {
        kind,
        path: path.to_owned(),
        message: message.into(),
    }
}
