//! The systemd user unit that keeps a home's daemon running: its text, and the file it is in.
//!
//! There is no socket unit: clients compare the process that serves with the one that listens, and
//! a socket that systemd made would be listened on by systemd.

mod quote;
mod settings;

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

pub(crate) use settings::kill_mode;

/// What systemd calls it.
pub(crate) const NAME: &str = "coven.service";

/// How every one of ours begins.
const MARK: &str = "# Written by `coven daemon install`";

/// No unit of anybody is this long; more is not read.
const MOST_BYTES: u64 = 1 << 20;

/// The unit of a home.
///
/// `program` is this program's absolute path; `home` is what `COVEN_HOME` must say, unless it is
/// the default.
///
/// # Errors
/// When one of them cannot be written down in a unit.
pub(crate) fn text(program: &Path, home: Option<&Path>) -> Result<String, Failure> {
    let exec = quote::exec(utf8(program)?, &["daemon", "serve"]);
    let environment = match home {
        Some(home) => {
            let variable = format!("COVEN_HOME={}", utf8(home)?);
            format!("Environment={}\n", quote::word(&variable))
        }
        None => String::new(),
    };
    Ok(format!(
        "{MARK}; `coven daemon uninstall` removes it.
# What you want otherwise goes into drop-ins: systemctl --user edit coven

[Unit]
Description=Coven: runs coding agents, and keeps what they do

[Service]
Type=exec
ExecStart={exec}
{environment}# Only the daemon is told to end when the service stops or restarts. What holds a session goes on,
# and the next daemon finds it.
KillMode=process
# Nor is it the daemon's end when an agent runs out of memory.
OOMPolicy=continue
Restart=on-failure
# Wrong settings do not become right by trying again.
RestartPreventExitStatus=2

[Install]
WantedBy=default.target
"
    ))
}

fn utf8(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| {
        Failure::usage(format!(
            "{} is not UTF-8, and a path in a systemd unit must be",
            path.display()
        ))
    })
}

/// Where the user's unit is: below `$XDG_CONFIG_HOME`, else `~/.config`.
///
/// # Errors
/// When neither that nor HOME says anything.
pub(crate) fn file() -> Result<PathBuf, Failure> {
    let absolute = |name| {
        let path = PathBuf::from(std::env::var_os(name)?);
        // The rule for such variables: one that is relative is as none.
        path.is_absolute().then_some(path)
    };
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    let config = config.ok_or_else(|| {
        Failure::usage("neither XDG_CONFIG_HOME nor HOME is set, so there is no place for a unit")
    })?;
    Ok(config.join("systemd/user").join(NAME))
}

/// What is in the unit's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing.
    None,
    /// One that `coven daemon install` wrote.
    Ours {
        /// What it says.
        text: String,
    },
    /// What somebody else put there.
    Foreign {
        /// What that is, in a clause.
        what: &'static str,
    },
}

/// Looks what is in the unit's place. Links are not followed.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn find(file: &Path) -> io::Result<Found> {
    match fs::symlink_metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::None),
        Err(error) => return Err(error),
        Ok(metadata) if metadata.is_symlink() => {
            let what = "is a symbolic link";
            return Ok(Found::Foreign { what });
        }
        Ok(metadata) if !metadata.is_file() => {
            let what = "is no regular file";
            return Ok(Found::Foreign { what });
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    fs::File::open(file)?
        .take(MOST_BYTES)
        .read_to_end(&mut bytes)?;
    match String::from_utf8(bytes) {
        Ok(text) if text.starts_with(MARK) => Ok(Found::Ours { text }),
        Ok(_) | Err(_) => {
            let what = "was not written by `coven daemon install`";
            Ok(Found::Foreign { what })
        }
    }
}

/// What becomes of one that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It is put away.
    Replaced,
    /// It is kept, and the new one is not written.
    Kept,
}

/// Writes a unit, whole or not at all, and makes the folders that it is in.
///
/// # Errors
/// When it cannot be written, or one came to be there meanwhile that is to be kept.
pub(crate) fn write(file: &Path, text: &str, existing: Existing) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let new = folder.join(format!(".{NAME}.{}", std::process::id()));
    let written = || -> io::Result<()> {
        let mut made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&new)?;
        made.write_all(text.as_bytes())?;
        made.sync_all()?;
        match existing {
            Existing::Replaced => fs::rename(&new, file),
            Existing::Kept => fs::hard_link(&new, file),
        }
    };
    let written = written();
    // Gone already, where it was renamed.
    let _ = fs::remove_file(&new);
    written
}

/// Removes a unit, and the link by which it was enabled.
///
/// # Errors
/// When the unit cannot be removed.
pub(crate) fn remove(file: &Path) -> io::Result<()> {
    fs::remove_file(file)?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let link = folder.join("default.target.wants").join(NAME);
    let relative = Path::new("..").join(NAME);
    if fs::read_link(&link).is_ok_and(|target| target == file || target == relative) {
        // A link to nothing does no harm.
        let _ = fs::remove_file(&link);
    }
    Ok(())
}

/// Whether a process is the service's.
pub(crate) fn runs(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|groups| {
        groups
            .lines()
            .any(|group| group.ends_with(&format!("/{NAME}")))
    })
}
