//! Linux: `/proc`, pidfds, and a terminal's other end without its path.

mod handle;
mod memory;
mod stat;

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};

pub(crate) use handle::{Handle, NoHandle, until_one_ended};
pub use memory::{give_back_free_memory, keep_few_arenas};
pub(crate) use stat::Stat;

/// Bytes of an environment that are read at first: more than most have.
const ENVIRONMENT_BYTES: usize = 16 << 10;

/// This boot's id, read once: process ids and start times mean nothing in another.
pub(crate) fn boot_id() -> io::Result<&'static str> {
    static BOOT_ID: OnceLock<String> = OnceLock::new();
    if let Some(id) = BOOT_ID.get() {
        return Ok(id);
    }
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(BOOT_ID.get_or_init(|| id.trim().to_owned()))
}

/// The ids of all processes that are there to be seen.
pub(crate) fn pids() -> io::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        pids.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(pids)
}

/// A process's environment as its program was given it: variables that each end in a NUL. It is
/// empty in the midst of an exec and on the way out, too.
///
/// # Errors
/// Those of reading it; `PermissionDenied` where it is hidden from us.
pub(crate) fn environment(pid: u32) -> io::Result<Vec<u8>> {
    let environment = unless_without_memory(read_at_once(format!("/proc/{pid}/environ")))?;
    if !environment.is_empty() {
        return Ok(environment);
    }
    // The first thread may have ended, and the memory is told of the living only.
    let threads = fs::read_dir(format!("/proc/{pid}/task"))?;
    let mut others =
        threads.filter_map(|thread| read_at_once(thread.ok()?.path().join("environ")).ok());
    Ok(others.find(|found| !found.is_empty()).unwrap_or_default())
}

/// Nothing, of a thread that has no memory any more: some kernels open its file and give nothing, and others refuse to.
fn unless_without_memory(read: io::Result<Vec<u8>>) -> io::Result<Vec<u8>> {
    match read {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::SRCH) => Ok(Vec::new()),
        read => read,
    }
}

/// A file of a process's memory, as it is in one moment: between two reads an exec or the end may take that memory
/// away, and what the first gave would look like all.
fn read_at_once(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = vec![0; ENVIRONMENT_BYTES];
    loop {
        let len = file.read_at(&mut bytes, 0)?;
        if len < bytes.len() {
            bytes.truncate(len);
            return Ok(bytes);
        }
        bytes.resize(2 * len, 0);
    }
}

/// The arguments a process was started with, its name first; each ends in a NUL.
pub(crate) fn arguments(pid: u32) -> io::Result<Vec<u8>> {
    fs::read(format!("/proc/{pid}/cmdline"))
}

/// The files a process holds open, as their paths or what stands for them; of a process that is
/// gone or somebody else's, none.
pub(crate) fn open_files(pid: u32) -> impl Iterator<Item = PathBuf> {
    let links = fs::read_dir(format!("/proc/{pid}/fd"));
    links
        .into_iter()
        .flatten()
        .filter_map(|link| fs::read_link(link.ok()?.path()).ok())
}

/// The children of a process, of all of its threads.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let lists = threads
        .into_iter()
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    lists
        .flat_map(|list| {
            let pids = list.split_ascii_whitespace();
            pids.filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// Opens a new pseudoterminal: its master, and its other end. Both are close-on-exec from the
/// moment they exist, and the other end is the master's own whatever is mounted at `/dev/pts`.
pub(crate) fn open_terminal() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    Ok((master, slave))
}
