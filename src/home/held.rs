//! `Held`: the sessions whose shims run, as the folders of a home tell without its log.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use coven_core::SessionId;
use coven_harness::process::shims;
use coven_harness::shim;

use super::holder::has_locked;
use crate::spools::Spools;

/// A session that a shim holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its id, which is its folder's name.
    pub session: SessionId,
    /// The process of its shim. Where that is ended by SIGKILL, its agent is hung up.
    pub shim_pid: u32,
}

/// The sessions of the home at `path` that a shim holds, by their ids, but for those that are `known`: of each the
/// kernel says that its shim has the lock of its folder. Whether they are on record is for the log to say: a launch
/// is, before its shim is there. Takes no lock, and changes nothing. Blocks for a look at all processes, where there is
/// any other folder.
///
/// # Errors
/// Those of listing the folders, and of reading `/proc`.
pub fn held(path: &Path, known: impl Fn(&SessionId) -> bool) -> io::Result<Vec<Held>> {
    let spools = Spools::of(path);
    let mut sessions: BTreeSet<SessionId> = spools.sessions()?.into_iter().collect();
    sessions.retain(|session| !known(session));
    if sessions.is_empty() {
        return Ok(Vec::new());
    }
    let mut held = BTreeMap::new();
    for (shim_pid, session) in shims()? {
        let lock = fs::symlink_metadata(spools.folder(&session).join(shim::LOCK));
        if sessions.contains(&session) && lock.is_ok_and(|lock| has_locked(shim_pid, &lock)) {
            held.insert(session, shim_pid);
        }
    }
    let held = held.into_iter();
    let held = held.map(|(session, shim_pid)| Held { session, shim_pid });
    Ok(held.collect())
}
