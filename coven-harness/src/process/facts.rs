//! Which process it is: a process id alone is soon somebody else's.

use std::io;

use coven_core::ProcessFacts;

use crate::platform::{self, Stat};

/// The facts of the running or not yet reaped process `pid`.
pub(crate) fn of(pid: u32) -> io::Result<ProcessFacts> {
    let stat = Stat::read(pid)?;
    Ok(ProcessFacts {
        pid,
        start_time: stat.start_time,
        boot_id: boot_id()?.to_owned(),
        shim_pid: None,
    })
}

/// This boot's id, which tells one boot of this machine from another. Blocks for a small read, the
/// first time.
///
/// # Errors
/// Those of reading it: `/proc` is not mounted.
pub fn boot_id() -> io::Result<&'static str> {
    platform::boot_id()
}

/// Whether the very process of `facts` still runs: this boot, its pid, its start time, and not
/// merely waiting to be reaped. Blocks for a small read or two.
pub fn is_running(facts: &ProcessFacts) -> bool {
    boot_id().is_ok_and(|id| id == facts.boot_id)
        && Stat::read(facts.pid).is_ok_and(|s| s.start_time == facts.start_time && s.is_running())
}
