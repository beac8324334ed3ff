//! `Holder`: the process that has a home open, proved by the kernel.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{LOCK_FILE, LOG_FILE};

/// The process that has a home open. It is held: however long this is kept, a signal reaches that
/// very process or none.
#[derive(Debug)]
pub struct Holder {
    pid: u32,
    process: OwnedFd,
}

impl Holder {
    /// Who has `home` open; `None` where no process can be proved to.
    ///
    /// The lock's file says which process it was. That alone proves nothing, since ids are used
    /// again: the kernel must say that this process has the file open, and locked.
    pub fn of(home: &Path) -> Option<Self> {
        let path = home.join(LOCK_FILE);
        let lock = fs::symlink_metadata(&path).ok()?;
        let pid = written_in(&path)?;
        // Held before it is looked at, so that what is found is of no later process.
        let raw = Pid::from_raw(i32::try_from(pid).ok()?)?;
        let process = pidfd_open(raw, PidfdFlags::empty()).ok()?;
        has_locked(pid, &lock).then_some(Self { pid, process })
    }

    /// The process whose lock of `home` somebody removed, and that has the home's log open to write to it,
    /// unless it is this one; `None` where none can be proved to. One that has let go of the home, and is closing
    /// the log, is none. Blocks for a look at what all processes have open.
    ///
    /// A daemon makes its lock again, and the next moment is [`of`](Self::of) the home.
    pub fn without_lock(home: &Path) -> Option<Self> {
        let file = fs::symlink_metadata(home.join(LOG_FILE)).ok()?;
        let lock = removed(&fs::canonicalize(home).ok()?.join(LOCK_FILE));
        let processes = fs::read_dir("/proc").ok()?;
        let mut ids = processes.flatten().filter_map(|process| {
            let pid: u32 = process.file_name().to_str()?.parse().ok()?;
            (pid != std::process::id()).then_some(pid)
        });
        ids.find_map(|pid| {
            let raw = Pid::from_raw(i32::try_from(pid).ok()?)?;
            let process = pidfd_open(raw, PidfdFlags::empty()).ok()?;
            let has_both = has_locked(pid, &file) && has_open(pid, &lock);
            has_both.then_some(Self { pid, process })
        })
    }

    /// Its process id.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Asks it to end, with SIGTERM.
    ///
    /// # Errors
    /// When it has ended, or may not be signalled.
    pub fn terminate(&self) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.process, Signal::TERM)?)
    }
}

/// The process's descriptor: it can be read from once the process has ended.
impl AsFd for Holder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.process.as_fd()
    }
}

/// The process that a lock's file names.
fn written_in(path: &Path) -> Option<u32> {
    let mut text = String::new();
    super::open_regular(path, OpenOptions::new().read(true))
        .ok()?
        .take(16)
        .read_to_string(&mut text)
        .ok()?;
    text.trim().parse().ok()
}

/// How the kernel shows a file that was at `path`.
fn removed(path: &Path) -> PathBuf {
    let mut shown = path.as_os_str().to_owned();
    shown.push(" (deleted)");
    shown.into()
}

/// Whether a process has a file open that the kernel shows so.
fn has_open(pid: u32, shown: &Path) -> bool {
    let descriptors = Path::new("/proc").join(pid.to_string()).join("fd");
    fs::read_dir(descriptors).is_ok_and(|descriptors| {
        let mut targets = descriptors.flatten().map(|it| fs::read_link(it.path()));
        targets.any(|target| target.is_ok_and(|target| target == shown))
    })
}

/// Whether a process has a file open, and locked.
pub(super) fn has_locked(pid: u32, lock: &Metadata) -> bool {
    let process = Path::new("/proc").join(pid.to_string());
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    descriptors.flatten().any(|descriptor| {
        let is_it = fs::metadata(descriptor.path())
            .is_ok_and(|open| (open.dev(), open.ino()) == (lock.dev(), lock.ino()));
        let locks = || fs::read_to_string(process.join("fdinfo").join(descriptor.file_name()));
        is_it && locks().is_ok_and(|info| info.contains("FLOCK") && info.contains("WRITE"))
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::process::{Child, Command, Stdio};

    use rustix::fs::{FlockOperation, flock};

    use super::super::Home;
    use super::*;

    #[test]
    fn the_holder_of_a_home_is_proved() {
        let outer = tempfile::tempdir().unwrap();
        assert!(Holder::of(outer.path()).is_none(), "there is no lock");
        let home = Home::open(outer.path()).unwrap();
        let holder = Holder::of(outer.path()).unwrap();
        assert_eq!(holder.pid(), std::process::id());
        drop(home);
        // The file still says so.
        assert!(Holder::of(outer.path()).is_none());
    }

    #[test]
    fn a_process_that_only_has_the_id_or_only_looks_at_the_lock_is_not_the_holder() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join(LOCK_FILE);
        fs::write(&path, format!("{}\n", std::process::id())).unwrap();
        assert!(Holder::of(outer.path()).is_none());
        let _looking = File::open(&path).unwrap();
        assert!(Holder::of(outer.path()).is_none());
    }

    /// Another process, which has these open until it is dropped.
    fn having_open(files: [&File; 2]) -> Child {
        let [one, other] = files.map(|file| Stdio::from(file.try_clone().unwrap()));
        let mut waits = Command::new("cat");
        let waits = waits.stdin(Stdio::piped()).stdout(one).stderr(other);
        waits.spawn().unwrap()
    }

    #[test]
    fn who_has_the_log_is_the_holder_only_where_its_lock_of_the_home_was_removed() {
        let outer = tempfile::tempdir().unwrap();
        let path = |name| outer.path().join(name);
        let make = |name| File::create(path(name)).unwrap();
        let found = || Holder::without_lock(outer.path()).map(|holder| holder.pid());
        let (log, lock) = (make(LOG_FILE), make(LOCK_FILE));
        flock(&log, FlockOperation::LockExclusive).unwrap();
        let closes_the_log = having_open([&log, &log]);
        let has_both = having_open([&log, &lock]);
        let has_let_go = having_open([&lock, &lock]);
        assert_eq!(found(), None, "whose lock is there is found by that");
        fs::remove_file(path(LOCK_FILE)).unwrap();
        assert_eq!(found(), Some(has_both.id()));
        // The next one makes it again.
        make(LOCK_FILE);
        assert_eq!(found(), Some(has_both.id()));
        end(has_both);
        assert_eq!(found(), None, "nobody is left that has both");
        end(closes_the_log);
        end(has_let_go);
    }

    fn end(mut waits: Child) {
        drop(waits.stdin.take());
        waits.wait().unwrap();
    }
}
