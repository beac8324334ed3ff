//! Whether a shim stands still: nothing is heard of it, and nothing typed, until somebody wakes it.

use coven_core::ProcessFacts;

use super::facts::is_running;
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
