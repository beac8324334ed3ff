//! All processes of this machine, at one time.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::environment::SESSION_VARIABLE;
use crate::platform::{self, Stat};

/// How often processes are listed again because one listed last was gone when it was read.
const MAX_PASSES: usize = 10;

/// All processes that were there to be seen.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By their ids.
    pub(super) processes: HashMap<u32, Seen>,
    /// Whether nobody can have slipped through.
    pub(super) is_whole: bool,
}

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
    /// None, or it is hidden from us.
    None,
    /// It cannot be told now: in the midst of an exec, or on the way out, there is no environment.
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

/// One that forks and ends between being listed and being read slips through, if its child came too
/// late for the list. So who is gone when read, or a zombie, asks for another pass, which reads
/// those that are new in it. There are two at least: the list itself takes its time.
fn read_all() -> io::Result<Table> {
    let mut listed = HashSet::new();
    let mut table = Table::default();
    for pass in 1..=MAX_PASSES {
        let mut all_were_there = true;
        for pid in platform::pids()? {
            if !listed.insert(pid) {
                continue;
            }
            let Some(seen) = read_one(pid)? else {
                all_were_there = false;
                continue;
            };
            all_were_there &= seen.stat.is_running();
            table.processes.insert(pid, seen);
        }
        table.is_whole = all_were_there && pass > 1;
        if table.is_whole {
            break;
        }
    }
    Ok(table)
}

/// One process as it is now; nothing where it is gone.
pub(super) fn read_one(pid: u32) -> io::Result<Option<Seen>> {
    let Some(stat) = unless_short(Stat::read(pid))? else {
        return Ok(None);
    };
    if !stat.is_running() || stat.is_kernel_thread() {
        let mark = Mark::None;
        return Ok(Some(Seen { stat, mark }));
    }
    let mark = match platform::environment(pid) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Mark::None,
        environment => mark_in(&unless_short(environment)?.unwrap_or_default()),
    };
    if mark != Mark::Blank {
        return Ok(Some(Seen { stat, mark }));
    }
    // There is none now; or the process has ended since, which must not pass unseen.
    let Some(now) = unless_short(Stat::read(pid))? else {
        return Ok(None);
    };
    let mark = if now.runs_on_since(&stat) {
        Mark::None
    } else {
        Mark::Blank
    };
    Ok(Some(Seen { stat: now, mark }))
}

/// What was read of one process; nothing where it is gone or hidden. A shortage of files or memory
/// says nothing of a process, so it is an error: who is not seen would be taken for dead.
pub(super) fn unless_short<T>(read: io::Result<T>) -> io::Result<Option<T>> {
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
    use std::process::Command;

    use super::*;

    /// Enough to meet a process between two reads of its environment, as a rule.
    const LOOKS: usize = 400;

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
        assert!(table.processes[&std::process::id()].stat.is_running());
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        assert!(
            read().unwrap().processes.contains_key(&child.id()),
            "a kept one was shown"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(
            !read().unwrap().processes.contains_key(&child.id()),
            "a kept one was shown"
        );
        drop(table);
    }

    /// Each process of the chain begins the next and ends, after some milliseconds; beside others, so that one has to
    /// wait for a processor wherever it is.
    #[test]
    fn of_who_hops_from_process_to_process_somebody_is_in_every_whole_table() {
        let goes_on = tempfile::NamedTempFile::new().unwrap();
        let begin = |script: &str| {
            let mut sh = Command::new("sh");
            sh.args(["-c", script, script]).arg(goes_on.path());
            sh.env(SESSION_VARIABLE, "who hops").spawn().unwrap()
        };
        let mut busy = [(); 3].map(|()| {
            begin(r#"unset COVEN_SESSION_ID; exec sh -c 'while [ -e "$0" ]; do :; done' "$1""#)
        });
        let mut first =
            begin(r#"[ -e "$1" ] || exit; sleep 0.004; setsid sh -c "$0" "$0" "$1" & exit"#);
        first.wait().unwrap();
        let mark = Mark::Session(Box::from(*b"who hops"));
        let is_there = |table: &Table| {
            let mut all = table.processes.values();
            // What the chain is made of, in the midst of an exec.
            let may_be = |seen: &Seen| ["sh", "setsid", "sleep"].contains(&&*seen.stat.name);
            all.any(|seen| seen.mark == mark || seen.mark == Mark::Blank && may_be(seen))
        };
        let mut whole = 0;
        for _ in 0..LOOKS {
            let table = read_all().unwrap();
            assert!(is_there(&table) || !table.is_whole);
            whole += usize::from(table.is_whole);
        }
        assert!(whole > LOOKS / 2, "{whole}");
        goes_on.close().unwrap();
        while is_there(&read_all().unwrap()) {
            std::thread::yield_now();
        }
        for other in &mut busy {
            other.wait().unwrap();
        }
    }
}
