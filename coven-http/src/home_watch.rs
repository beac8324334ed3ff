//! `HomeWatch`: being told when something in a home comes or goes, or is written to.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Wakes when a file of a home is made, moved or removed, or the home itself is. A wake-up says
/// only that: whoever is woken looks for itself. It costs nothing while nothing happens.
#[derive(Debug)]
pub struct HomeWatch {
    inotify: AsyncFd<OwnedFd>,
}

impl HomeWatch {
    /// Watches the home from now on. Call it within a tokio runtime.
    ///
    /// # Errors
    /// When there is no such home, or the user has too many watches already.
    pub fn open(home: &Path) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let what = WatchFlags::CREATE
            | WatchFlags::MOVE
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW;
        inotify::add_watch(&inotify, home, what)?;
        Ok(Self {
            inotify: register(inotify)?,
        })
    }

    /// Wakes for what is written to a file from now on too, under whatever name it goes.
    ///
    /// # Errors
    /// When there is no such file, or it is a symbolic link.
    pub fn also_writes_to(&self, file: &Path) -> io::Result<()> {
        let what = WatchFlags::MODIFY | WatchFlags::DONT_FOLLOW;
        inotify::add_watch(self.inotify.get_ref(), file, what)?;
        Ok(())
    }

    /// Waits until something has changed since the last call. Cancel-safe.
    ///
    /// # Errors
    /// When the system no longer tells.
    pub async fn changed(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.inotify.readable().await?;
            if let Ok(read) = ready.try_io(|inotify| drain(inotify.get_ref())) {
                return read;
            }
        }
    }
}

/// `AsyncFd`'s safe constructor is deprecated, since a type may change the descriptor it owns. An
/// `OwnedFd` does not, which is what `AsyncFd::register_with_interest` asks for, and this crate has
/// no unsafe code.
#[allow(deprecated)]
fn register(inotify: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(inotify, Interest::READABLE)
}

/// Reads all that there is to read, at least one event.
fn drain(inotify: &OwnedFd) -> io::Result<()> {
    let mut room = [MaybeUninit::uninit(); 4096];
    let mut events = Reader::new(inotify, &mut room);
    events.next()?;
    loop {
        match events.next() {
            Ok(_) => {}
            Err(Errno::AGAIN) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_wakes_for_what_comes_and_goes_and_for_writes_only_where_it_was_asked_to() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        fs::create_dir(&home).unwrap();
        let file = home.join("file");
        let mut watch = HomeWatch::open(&home).unwrap();
        fs::write(&file, "made").unwrap();
        watch.changed().await.unwrap();
        fs::write(&file, "written").unwrap();
        let woken = tokio::time::timeout(Duration::from_millis(50), watch.changed());
        assert!(woken.await.is_err());
        watch.also_writes_to(&file).unwrap();
        fs::write(&file, "written again").unwrap();
        watch.changed().await.unwrap();
        fs::remove_file(&file).unwrap();
        watch.changed().await.unwrap();
        fs::remove_dir(&home).unwrap();
        watch.changed().await.unwrap();
    }

    #[tokio::test]
    async fn what_is_no_home_cannot_be_watched() {
        let dir = tempfile::tempdir().unwrap();
        assert!(HomeWatch::open(&dir.path().join("home")).is_err());
    }
}
