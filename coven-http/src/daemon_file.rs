//! `daemon.json`: which process serves a home, for those who do not ask it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};

use crate::client::{Client, Error};
use crate::wire::Daemon;

const NAME: &str = "daemon.json";

/// Bytes of it that are read: many times what one has.
const MOST_BYTES: u64 = 64 << 10;

/// The file, as this process wrote it.
#[derive(Debug)]
pub(crate) struct DaemonFile {
    home: PathBuf,
    content: Vec<u8>,
}

/// Where the file of a home is.
pub(crate) fn path(home: &Path) -> PathBuf {
    home.join(NAME)
}

/// Which process serves `home`, as `daemon.json` tells; it may be long gone.
pub fn told(home: &Path) -> Option<Daemon> {
    serde_json::from_slice(&read(&path(home))?).ok()
}

/// Makes `daemon.json` say what is so: asks the home's socket who serves, and writes that, or
/// removes the file when nobody does. Returns who serves.
///
/// # Errors
/// Whatever the client says, but for a socket that is not there or that nobody serves: somebody
/// may be there, and the file is left alone. A home that cannot be written to is not an error: the
/// file is only a convenience.
pub async fn repair(home: &Path) -> Result<Option<Daemon>, Error> {
    let before = read(&path(home));
    match Client::at_home(home).health().await {
        Ok(health) => {
            let content = content(&health.daemon);
            if before.as_ref() != Some(&content) {
                let _ = write(home, &content);
            }
            Ok(Some(health.daemon))
        }
        Err(Error::Unreachable { source, .. }) if is_nobody(&source) => {
            // A daemon that has come meanwhile has written its own.
            remove_if(home, |found| before.as_deref() == Some(found));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl DaemonFile {
    /// Writes the file whole, with mode 0600, in place of whatever was there, and removes what
    /// others left who came to their end while they wrote theirs. On a full disk it may go without: then
    /// what is there of another is removed, and the next client mends it. For the one that holds the home.
    pub(crate) fn write(home: &Path, daemon: &Daemon) -> io::Result<Self> {
        let content = content(daemon);
        remove_unfinished(home);
        match write(home, &content) {
            Err(error) if is_full(&error) => {
                clear(home);
                // That made room for it, as a rule.
                if let Err(error) = write(home, &content) {
                    tracing::warn!(%error, "daemon.json cannot be written: it is done without");
                }
            }
            written => written?,
        }
        Ok(Self {
            home: home.to_owned(),
            content,
        })
    }

    /// Removes the file, unless another process has written its own. What names no process is
    /// nobody's.
    pub(crate) fn remove(self) {
        remove_if(&self.home, |found| {
            found == self.content || serde_json::from_slice::<Daemon>(found).is_err()
        });
    }
}

/// Whether the file is there.
pub(crate) fn is_left(home: &Path) -> bool {
    read(&path(home)).is_some()
}

/// Removes the file, whatever it says, and those that were never finished. For the one that holds the
/// home, which no daemon serves then.
pub(crate) fn clear(home: &Path) {
    remove_unfinished(home);
    remove_if(home, |_| true);
}

/// What is in a regular file; nothing where it is none, or cannot be read. Nobody waits for who writes to a
/// FIFO.
fn read(path: &Path) -> Option<Vec<u8>> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut content = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut content).ok()?;
    Some(content)
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

fn content(daemon: &Daemon) -> Vec<u8> {
    let mut content = serde_json::to_vec(daemon).expect("a wire type has a JSON form");
    content.push(b'\n');
    content
}

/// Written beside and moved into place, so that it is never seen half. The name beside is this
/// process's alone: others may write theirs at the same time.
fn write(home: &Path, content: &[u8]) -> io::Result<()> {
    let beside = beside(home);
    let _ = fs::remove_file(&beside);
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(&beside)?;
    if let Err(error) = file.write_all(content) {
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    fs::rename(&beside, path(home))
}

fn beside(home: &Path) -> PathBuf {
    home.join(format!("{NAME}.{}", std::process::id()))
}

/// Removes the file if its content is as wanted. It is looked at once it is out of the way, so that
/// none that is written meanwhile is removed in its stead; one that is to stay is put back.
fn remove_if(home: &Path, is_wanted: impl Fn(&[u8]) -> bool) {
    let (path, aside) = (path(home), beside(home));
    let is_wanted = |path: &Path| read(path).is_some_and(|found| is_wanted(&found));
    if !is_wanted(&path) || fs::rename(&path, &aside).is_err() {
        return;
    }
    if is_wanted(&aside) || renameat_with(CWD, &aside, CWD, &path, RenameFlags::NOREPLACE).is_err()
    {
        let _ = fs::remove_file(&aside);
    }
}

/// Whoever still writes such a file does without: a client that mends what the daemon is about to
/// write.
fn remove_unfinished(home: &Path) {
    let Ok(entries) = fs::read_dir(home) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let id = name
            .to_str()
            .and_then(|name| name.strip_prefix(NAME)?.strip_prefix('.'));
        if id.is_some_and(|id| id.parse::<u32>().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::wire::Time;

    fn daemon(pid: u32) -> Daemon {
        Daemon {
            pid,
            started_at: Time::now().to_string(),
            socket: "/home/somebody/.coven/coven.sock".to_owned(),
        }
    }

    #[test]
    fn the_file_is_for_its_owner_alone_and_goes_with_its_process() {
        let home = tempfile::tempdir().unwrap();
        fs::write(path(home.path()), "{ half").unwrap();
        let ours = daemon(7);
        let file = DaemonFile::write(home.path(), &ours).unwrap();
        let found = fs::read(path(home.path())).unwrap();
        assert_eq!(serde_json::from_slice::<Daemon>(&found).unwrap(), ours);
        let mode = fs::metadata(path(home.path())).unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o600);
        file.remove();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_file_of_another_process_is_not_removed() {
        let home = tempfile::tempdir().unwrap();
        let ours = DaemonFile::write(home.path(), &daemon(7)).unwrap();
        let _theirs = DaemonFile::write(home.path(), &daemon(8)).unwrap();
        ours.remove();
        assert!(path(home.path()).exists());
    }

    #[test]
    fn what_was_left_half_written_goes_when_the_next_is_written() {
        let home = tempfile::tempdir().unwrap();
        for left in ["daemon.json.7", "daemon.json.4000000"] {
            fs::write(home.path().join(left), "{").unwrap();
        }
        fs::write(home.path().join("daemon.json.mine"), "").unwrap();
        let ours = DaemonFile::write(home.path(), &daemon(7)).unwrap();
        ours.remove();
        let left: Vec<_> = fs::read_dir(home.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].file_name(), "daemon.json.mine");
    }

    #[test]
    fn a_file_that_another_wrote_in_the_middle_of_a_removal_is_there_after_it() {
        let home = tempfile::tempdir().unwrap();
        let file = path(home.path());
        fs::write(&file, "stale").unwrap();
        let looks = std::cell::Cell::new(false);
        remove_if(home.path(), |found| {
            // Between the first look and what follows from it.
            if !looks.replace(true) {
                write(home.path(), b"new").unwrap();
            }
            found == b"stale"
        });
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn rubbish_in_place_of_the_file_goes_with_its_process() {
        let home = tempfile::tempdir().unwrap();
        let ours = DaemonFile::write(home.path(), &daemon(7)).unwrap();
        fs::write(path(home.path()), "{ half").unwrap();
        ours.remove();
        assert!(!path(home.path()).exists());
    }

    #[tokio::test]
    async fn a_file_that_nobody_stands_behind_is_cleared() {
        let home = tempfile::tempdir().unwrap();
        let _file = DaemonFile::write(home.path(), &daemon(7)).unwrap();
        assert_eq!(repair(home.path()).await.unwrap(), None);
        assert!(!path(home.path()).exists());
    }
}
