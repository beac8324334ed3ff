//! `LogFile`: the daemon's log, of bounded size, and what is written to stderr with it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Bytes of one file: enough for weeks of an owner's reading.
const MAX_BYTES: u64 = 10 << 20;

/// How many old files are kept beside the current one: `daemon.log.1` and `daemon.log.2`.
const OLD_FILES: usize = 2;

/// Whether stderr goes to the log too. What the runtime itself has to say (a panic, an abort) is
/// written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stderr {
    /// It does.
    Joins,
    /// It stays what it is.
    Stays,
}

/// A log that begins a new file when one is full, and keeps the last few. Opened for appending:
/// another writer of the same file loses nothing.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    len_bytes: u64,
    max_bytes: u64,
    stderr: Stderr,
}

impl LogFile {
    /// Opens the log at `path`, readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn open(path: &Path, stderr: Stderr) -> io::Result<Self> {
        Self::bounded(path, stderr, MAX_BYTES)
    }

    fn bounded(path: &Path, stderr: Stderr, max_bytes: u64) -> io::Result<Self> {
        let file = open(path, stderr)?;
        let len_bytes = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            len_bytes,
            max_bytes,
            stderr,
        })
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..OLD_FILES).rev() {
            move_over(&self.old(number), &self.old(number + 1))?;
        }
        move_over(&self.path, &self.old(1))?;
        self.file = open(&self.path, self.stderr)?;
        self.len_bytes = 0;
        Ok(())
    }

    fn old(&self, number: usize) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }
}

impl Write for LogFile {
    /// Writes whole lines: a file never ends within one.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let len_bytes = line.len() as u64;
        if self.len_bytes > 0 && self.len_bytes + len_bytes > self.max_bytes {
            // A full disk, say: better a file too long than nothing written.
            let _ = self.rotate();
        }
        self.file.write_all(line)?;
        self.len_bytes += len_bytes;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Opens a home's log to read it.
///
/// # Errors
/// When there is none, or it is no regular file.
pub(crate) fn open_log(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().read(true), path)
}

fn open(path: &Path, stderr: Stderr) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = regular(options.append(true).create(true).mode(0o600), path)?;
    match stderr {
        Stderr::Joins => rustix::stdio::dup2_stderr(&file)?,
        Stderr::Stays => {}
    }
    Ok(file)
}

/// What is logged goes into the home and nowhere else: not through a symbolic link, and not to whoever
/// has the other end of a FIFO, for whom opening one would wait.
fn regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = options.custom_flags(flags.bits().cast_signed()).open(path);
    let is_something_else = match &opened {
        Ok(file) => !file.metadata()?.is_file(),
        Err(_) => path
            .symlink_metadata()
            .is_ok_and(|found| !found.is_file() && !found.is_symlink()),
    };
    if is_something_else {
        return Err(io::Error::other("it is not a regular file"));
    }
    opened
}

fn move_over(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_keeps_its_last_three_files_whole_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.log");
        let mut log = LogFile::bounded(&path, Stderr::Stays, 100).unwrap();
        for number in 0..20 {
            let line = format!("line {number:03} {}\n", "x".repeat(20));
            log.write_all(line.as_bytes()).unwrap();
        }
        let mut kept = String::new();
        for name in ["daemon.log.2", "daemon.log.1", "daemon.log"] {
            let file = std::fs::read_to_string(dir.path().join(name)).unwrap();
            assert!(file.len() <= 100 && file.ends_with('\n'), "{name}");
            kept += &file;
        }
        assert!(kept.starts_with("line 012"), "{kept}");
        assert!(kept.contains("line 019"), "{kept}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_log_opened_again_goes_on_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.log");
        for _ in 0..2 {
            let mut log = LogFile::bounded(&path, Stderr::Stays, 100).unwrap();
            log.write_all(format!("{}\n", "x".repeat(59)).as_bytes())
                .unwrap();
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 60);
        assert_eq!(
            std::fs::metadata(dir.path().join("daemon.log.1"))
                .unwrap()
                .len(),
            60
        );
    }
}
