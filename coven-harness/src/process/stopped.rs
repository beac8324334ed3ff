//! Whether a shim stands still: nothing is heard of it, and nothing typed, until somebody wakes it.

use coven_core::{ProcessFacts, SessionId};

use super::facts::is_running;
use super::kill::is_shim_of;
use crate::platform::Stat;

/// The shim that holds this process, if it is stopped, by a signal or a debugger: its id. `None`, too, where
/// it cannot be told, as of a process that has ended.
pub fn stopped_shim(leader: &ProcessFacts) -> Option<u32> {
    let shim = leader.shim_pid.filter(|_| is_running(leader))?;
    // As long as it is the parent, its id is nobody else's.
    let is_parent = || Stat::read(leader.pid).is_ok_and(|leader| leader.parent == shim);
    let is_stopped = Stat::read(shim).is_ok_and(|shim| shim.is_stopped());
    (is_stopped && is_parent()).then_some(shim)
}

/// Whether this process is the shim that was started to hold this session, and is stopped.
pub(crate) fn is_stopped_shim(pid: u32, session: &SessionId) -> bool {
    Stat::read(pid).is_ok_and(|stat| stat.is_stopped()) && is_shim_of(pid, session)
}
