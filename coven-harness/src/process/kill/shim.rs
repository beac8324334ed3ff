//! A session's shim: the parent of its first process, or, where that is not on record, who says so by its
//! arguments.

use std::io;

use coven_core::{ProcessFacts, SessionId};
use rustix::process::Signal;

use super::search::Searcher;
use super::table::{self, Mark, Table};
use crate::environment::NO_SESSION;
use crate::platform;
use crate::shim::WORD;

/// Ends the shim of a session, whose first process was `leader`, by SIGKILL: of use where all that
/// the shim held is dead, and nobody can be told so because it makes no sense. What it wrote down
/// stays. True if there was one.
///
/// Without a `leader`, the shim is who was started to hold this session: by an engine that gives the
/// session's id as the last of its [`Program`](crate::shim::Program)'s arguments.
///
/// # Errors
/// Those of reading `/proc` and of signalling it.
pub fn kill_shim(leader: Option<&ProcessFacts>, session: &SessionId) -> io::Result<bool> {
    match searcher(leader, session)?.shim() {
        Some(shim) => shim.signal(Signal::KILL).map(|()| true),
        None => Ok(false),
    }
}

/// Whether the shim of a session lives, wherever its folder is by now; told as by [`kill_shim`].
/// `false` where it was held by none.
///
/// # Errors
/// As [`kill_shim`].
pub fn is_shim_running(leader: Option<&ProcessFacts>, session: &SessionId) -> io::Result<bool> {
    Ok(searcher(leader, session)?.shim().is_some())
}

/// The first process of a session as it is known in this boot: `leader` itself, if it is of this boot. What another
/// boot says of it names nobody here, but for one thing: where its shim lives, the machine did not go down, whatever
/// its boot is called (a container may have a boot id of its own, and one that was frozen may go on elsewhere). Then
/// it is the oldest child of the shim, or, without any, no process that started when the shim did. The shim is told
/// as by [`kill_shim`] without a leader.
///
/// `None`: it is of another boot, and its shim does not live. Blocks for a look at all processes, where the boot is
/// another one.
///
/// # Errors
/// Those of reading `/proc`.
pub fn in_this_boot(
    leader: &ProcessFacts,
    session: &SessionId,
) -> io::Result<Option<ProcessFacts>> {
    if platform::boot_id()? == leader.boot_id {
        return Ok(Some(leader.clone()));
    }
    let table = table::read()?;
    let Some(shim) = find(&table, session)? else {
        return Ok(None);
    };
    let nobody = stand_in(Some(shim))?;
    Ok(Some(match oldest_child(&table, shim.0, session) {
        Some((pid, start_time)) => ProcessFacts {
            pid,
            start_time,
            ..nobody
        },
        None => nobody,
    }))
}

/// The process that a shim made, as long as that is there: who else is given to it started later.
fn oldest_child(table: &Table, shim: u32, session: &SessionId) -> Option<(u32, u64)> {
    let own = Mark::Session(session.as_str().as_bytes().into());
    let processes = table.processes.iter();
    let children = processes.filter(|(_, seen)| {
        let is_elsewhere = matches!(&seen.mark, Mark::Session(_)) && seen.mark != own;
        seen.stat.parent == shim && !is_elsewhere
    });
    children
        .map(|(&pid, seen)| (pid, seen.stat.start_time))
        .min_by_key(|&(pid, started)| (started, pid))
}

/// The shims that run, of whatever home: the process of each, and the session that it was started to hold. Some may
/// be listed twice, as each is as long as it makes a process. Blocks for a look at all processes.
///
/// # Errors
/// Those of reading `/proc`.
pub fn shims() -> io::Result<Vec<(u32, SessionId)>> {
    let of_none = Mark::Session(NO_SESSION.as_bytes().into());
    let mut shims = Vec::new();
    for (&pid, seen) in &table::read()?.processes {
        if seen.mark == of_none
            && let Some(arguments) = table::unless_short(platform::arguments(pid))?
        {
            shims.extend(held_by(&arguments).map(|session| (pid, session)));
        }
    }
    Ok(shims)
}

fn searcher(leader: Option<&ProcessFacts>, session: &SessionId) -> io::Result<Searcher> {
    match leader {
        Some(leader) => Searcher::new(leader, session, &[]),
        None => Searcher::new(&leader_of(session)?, session, &[]),
    }
}

/// Stands in for the first process of a session of which none is on record: no process, which
/// started when the session's shim did, if there is one, as nobody of the session did before.
pub(super) fn leader_of(session: &SessionId) -> io::Result<ProcessFacts> {
    stand_in(find(&*table::read()?, session)?)
}

fn stand_in(shim: Option<(u32, u64)>) -> io::Result<ProcessFacts> {
    Ok(ProcessFacts {
        // Over any id that the kernel gives.
        pid: u32::MAX,
        start_time: shim.map_or(0, |(_, start_time)| start_time),
        boot_id: platform::boot_id()?.to_owned(),
        shim_pid: shim.map(|(pid, _)| pid),
    })
}

/// The shim and its start time: who was started as the session's. A child of it looks the same until
/// its exec.
fn find(table: &Table, session: &SessionId) -> io::Result<Option<(u32, u64)>> {
    let of_none = Mark::Session(NO_SESSION.as_bytes().into());
    let mut found = None;
    for (&pid, seen) in &table.processes {
        if seen.mark != of_none || !seen.stat.is_running() {
            continue;
        }
        let arguments = table::unless_short(platform::arguments(pid))?;
        let is_it = arguments.is_some_and(|arguments| is_of(&arguments, session));
        let started = seen.stat.start_time;
        let is_older = found.is_none_or(|(_, other, _)| started < other);
        let is_parent = found.is_some_and(|(_, _, parent)| parent == pid);
        if is_it && (is_older || is_parent) {
            found = Some((pid, started, seen.stat.parent));
        }
    }
    Ok(found.map(|(pid, started, _)| (pid, started)))
}

/// Whether this process was started as the session's shim.
pub(crate) fn is_shim_of(pid: u32, session: &SessionId) -> bool {
    platform::arguments(pid).is_ok_and(|arguments| is_of(&arguments, session))
}

/// Whether these are the arguments of the session's shim.
fn is_of(arguments: &[u8], session: &SessionId) -> bool {
    named_by(arguments) == Some(session.as_str().as_bytes())
}

/// Whose shim's arguments these are, if they are a shim's.
fn held_by(arguments: &[u8]) -> Option<SessionId> {
    let name = std::str::from_utf8(named_by(arguments)?).ok()?;
    SessionId::parse(name).ok()
}

/// What a shim's arguments end with.
fn named_by(arguments: &[u8]) -> Option<&[u8]> {
    let arguments = arguments.strip_suffix(b"\0").unwrap_or(arguments);
    let mut arguments = arguments.split(|&byte| byte == 0).skip(1);
    let is_shim = arguments.next() == Some(WORD.as_bytes());
    arguments.last().filter(|_| is_shim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shim_is_told_by_its_word_and_the_id_that_its_arguments_end_with() {
        let session = SessionId::parse("a").unwrap();
        for yes in [&b"coven\0shim\0a\0"[..], b"/x/coven\0shim\0--home\0a\0"] {
            assert!(is_of(yes, &session));
        }
        for no in [
            &b""[..],
            b"shim\0a\0",
            b"coven\0shim\0",
            b"coven\0shim\0a\0b\0",
            b"coven\0shim\0ab\0",
            b"grep\0-r\0shim\0a\0",
            b"coven\0a\0shim\0",
        ] {
            assert!(!is_of(no, &session), "{}", String::from_utf8_lossy(no));
        }
    }
}
