//! The end of the machine, as far as one Coven home can tell. Included by path: tests of several
//! crates lose sessions.

use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

/// Ends the daemon of a home and all that came of it at once: nobody is left to record how anything
/// ended.
pub(crate) fn end_all_of(home: &Path) {
    // All stand still before the first dies: else its end would be on record.
    for signal in [Signal::STOP, Signal::KILL] {
        let mut known = Vec::new();
        loop {
            let new: Vec<Pid> = processes_of(home)
                .into_iter()
                .filter(|pid| !known.contains(pid))
                .collect();
            if new.is_empty() {
                break;
            }
            for pid in &new {
                // One that is gone by now is gone.
                let _ = kill_process(*pid, signal);
            }
            known.extend(new);
        }
    }
    while !processes_of(home).is_empty() {
        std::thread::yield_now();
    }
}

/// The processes that know of a home by their arguments, their environment or what they have open
/// (a shim has neither of the others), the daemon first.
pub(crate) fn processes_of(home: &Path) -> Vec<Pid> {
    let name = home.as_os_str().as_encoded_bytes();
    let says = |process: &Path, file: &str| {
        let text = std::fs::read(process.join(file)).unwrap_or_default();
        text.windows(name.len()).any(|part| part == name)
    };
    let has_open = |process: &Path| {
        let files = std::fs::read_dir(process.join("fd")).into_iter().flatten();
        files.flatten().any(|file| {
            std::fs::read_link(file.path()).is_ok_and(|target| target.starts_with(home))
        })
    };
    let ourselves = Path::new("/proc").join(std::process::id().to_string());
    let mut processes: Vec<PathBuf> = std::fs::read_dir("/proc")
        .expect("proc is mounted")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|process| *process != ourselves)
        .filter(|process| says(process, "environ") || says(process, "cmdline") || has_open(process))
        .collect();
    let serves = |process: &PathBuf| {
        let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
        line.windows(5).any(|part| part == b"serve")
    };
    processes.sort_by_key(|process| !serves(process));
    processes
        .iter()
        .filter_map(|process| Pid::from_raw(process.file_name()?.to_str()?.parse().ok()?))
        .collect()
}
