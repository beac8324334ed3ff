//! A small disk for one test: a tmpfs in a namespace of its own, where the test runs itself once
//! more. Included by path: the log and the engine are both tested on one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::not_run::not_run;

/// Set for the second run: the mounted directory.
const DISK: &str = "SMALL_DISK_OF_A_TEST";

/// What the script exits with where it cannot mount.
const CANNOT_MOUNT: i32 = 77;

/// The disk, in the run that has one. In the other: makes that run, of the test of this name, and
/// gives `None`.
pub(crate) fn of_its_own(test: &str, size_bytes: usize) -> Option<PathBuf> {
    if let Some(disk) = std::env::var_os(DISK) {
        return Some(disk.into());
    }
    let mount = tempfile::tempdir().expect("a directory");
    let script = format!(
        "mount -t tmpfs -o size={size_bytes} tmpfs \"$0\" || exit {CANNOT_MOUNT}; exec \"$@\""
    );
    let run = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "--"])
        .args(["sh", "-c", &script])
        .arg(mount.path())
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture"])
        .env(DISK, mount.path())
        .output();
    let run = match run {
        Ok(run) => run,
        Err(error) => {
            not_run(format_args!("unshare cannot be run: {error}"));
            return None;
        }
    };
    let told = String::from_utf8_lossy(&run.stderr);
    if run.status.code() == Some(CANNOT_MOUNT) || told.starts_with("unshare:") {
        not_run(format_args!("no tmpfs can be mounted here: {told}"));
        return None;
    }
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}{told}");
    assert!(said.contains("1 passed"), "{said}");
    None
}

/// Mounts a disk anew, with other options.
///
/// It is busy as long as a thread that has ended is still closing its files, and nothing tells of
/// that but another try.
pub(crate) fn remount(disk: &Path, options: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut mount = Command::new("mount");
    mount.args(["-o", &format!("remount,{options}")]).arg(disk);
    while !mount.status().expect("mount runs").success() {
        assert!(Instant::now() < deadline, "the disk stays busy");
        thread::sleep(Duration::from_millis(20));
    }
}
