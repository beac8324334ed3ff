//! All processes of this machine, at one time.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::environment::SESSION_VARIABLE;
use crate::platform::{self, Stat};

/// Processes that start while others are read are read too, this many times over.
const MAX_PASSES: usize = 50;

/// All processes that were there to be seen, by their ids.
pub(super) type Table = HashMap<u32, Seen>;

/// A process as it was when it was read.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) stat: Stat,
    pub(super) mark: Mark,
}

/// Which session a process's environment says it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// The one with this id.
    Session(Box<[u8]>),
    /// None, or it cannot be seen.
    None,
    /// There is no environment at all: cleared, or not there yet, in the midst of an exec.
    Blank,
}

/// The newest table and when its reading began; kept while somebody waits for one.
static NEWEST: Mutex<Option<(Instant, Arc<Table>)>> = Mutex::new(None);
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// The table of some time after the call. Blocks for a read of all of `/proc`; calls that wait
/// for each other share one, so that many sessions are killed for the price of a few.
pub(super) fn read() -> io::Result<Arc<Table>> {
    let asked_at = Instant::now();
    WAITING.fetch_add(1, Ordering::Relaxed);
    let mut newest = NEWEST.lock().unwrap_or_else(PoisonError::into_inner);
    WAITING.fetch_sub(1, Ordering::Relaxed);
    let table = match newest.take() {
        Some((begun_at, table)) if begun_at >= asked_at => Ok((begun_at, table)),
        Some(_) | None => {
            let begun_at = Instant::now();
            read_all().map(|table| (begun_at, Arc::new(table)))
        }
    }?;
    if WAITING.load(Ordering::Relaxed) > 0 {
        *newest = Some(table.clone());
    }
    Ok(table.1)
}

/// One that forks and ends while the others are read would slip through a single pass: its child
/// is listed too late, and itself read too late. So passes follow until one lists nobody new: then
/// all that were alive at its beginning have been read.
fn read_all() -> io::Result<Table> {
    let mut listed = HashSet::new();
    let mut table = Table::new();
    for _ in 0..MAX_PASSES {
        let new: Vec<u32> = platform::pids()?
            .into_iter()
            .filter(|pid| listed.insert(*pid))
            .collect();
        if new.is_empty() {
            break;
        }
        for pid in new {
            // One that has ended meanwhile is nobody to signal.
            if let Some(stat) = unless_short(Stat::read(pid))? {
                let mark = mark(pid, &stat)?;
                table.insert(pid, Seen { stat, mark });
            }
        }
    }
    Ok(table)
}

fn mark(pid: u32, stat: &Stat) -> io::Result<Mark> {
    if !stat.is_running() || stat.is_kernel_thread() {
        return Ok(Mark::None);
    }
    let environment = unless_short(platform::environment(pid))?;
    Ok(environment.map_or(Mark::None, |environment| mark_in(&environment)))
}

/// What was read of one process; nothing where it is gone or hidden. A shortage of files or memory
/// says nothing of a process, so it is an error: who is not seen would be taken for dead.
fn unless_short<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) => match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM) => Err(error),
            _ => Ok(None),
        },
    }
}

fn mark_in(environment: &[u8]) -> Mark {
    if environment.is_empty() {
        return Mark::Blank;
    }
    let value = |variable: &'_ [u8]| -> Option<Box<[u8]>> {
        let value = variable.strip_prefix(SESSION_VARIABLE.as_bytes())?;
        value.strip_prefix(b"=").map(Box::from)
    };
    let id = environment.split(|&byte| byte == 0).find_map(value);
    id.map_or(Mark::None, Mark::Session)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_variable_is_a_mark() {
        let session = Mark::Session(Box::from(*b"a"));
        assert_eq!(mark_in(b"X=1\0COVEN_SESSION_ID=a\0"), session);
        assert_ne!(mark_in(b"COVEN_SESSION_ID=ab\0"), session);
        for other in [
            &b"X=COVEN_SESSION_ID=a\0"[..],
            b"COVEN_SESSION_IDS=a",
            b"\0\0",
        ] {
            assert_eq!(mark_in(other), Mark::None);
        }
        assert_eq!(mark_in(b""), Mark::Blank);
    }

    #[test]
    fn a_table_holds_this_process_and_is_never_older_than_the_question() {
        let table = read().unwrap();
        assert!(table[&std::process::id()].stat.is_running());
        let mut child = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        assert!(
            read().unwrap().contains_key(&child.id()),
            "a kept one was shown"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(
            !read().unwrap().contains_key(&child.id()),
            "a kept one was shown"
        );
        drop(table);
    }
}
