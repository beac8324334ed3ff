//! Which process it is: a process id alone is soon somebody else's.

use std::fs;
use std::io;
use std::sync::OnceLock;

use coven_core::ProcessFacts;

use super::stat::Stat;

/// The facts of the running or not yet reaped process `pid`. Reads `/proc`.
pub(super) fn of(pid: u32) -> io::Result<ProcessFacts> {
    let stat = Stat::read(pid)?;
    Ok(ProcessFacts {
        pid,
        start_time: stat.start_time,
        boot_id: boot_id()?.to_owned(),
        shim_pid: None,
    })
}

/// This boot's id (`/proc/sys/kernel/random/boot_id`), read once.
///
/// # Errors
/// Those of reading it: `/proc` is not mounted.
pub fn boot_id() -> io::Result<&'static str> {
    static BOOT_ID: OnceLock<String> = OnceLock::new();
    if let Some(id) = BOOT_ID.get() {
        return Ok(id);
    }
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(BOOT_ID.get_or_init(|| id.trim().to_owned()))
}

/// Whether the very process of `facts` still runs: this boot, its pid, its start time, and not
/// merely waiting to be reaped. Blocks for two small reads of `/proc`.
pub fn is_running(facts: &ProcessFacts) -> bool {
    boot_id().is_ok_and(|id| id == facts.boot_id)
        && Stat::read(facts.pid).is_ok_and(|s| s.start_time == facts.start_time && s.is_running())
}
