//! Where the tests run, and whether they can.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::clis::{self, Agent};

/// Runs a binary in the namespaces; see its header.
pub(crate) const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/in-namespace");

/// Whether this process was started by [`SCRIPT`].
pub(crate) fn inside() -> bool {
    std::env::var_os("COVEN_REAL_INSIDE").is_some()
}

/// What stands between this machine and the tests, each as a clause; empty when nothing does.
pub(crate) fn blockers() -> Vec<String> {
    let mut blockers = Vec::new();
    if cfg!(not(target_os = "linux")) {
        blockers.push("they need Linux namespaces".to_owned());
        return blockers;
    }
    for agent in Agent::ALL {
        let harnesses = clis::installed_in();
        if let Err(reason) = clis::program_folder(&harnesses, agent) {
            blockers.push(reason);
        }
    }
    // The script runs any binary, so it can be asked whether it can make the namespaces at all.
    if blockers.is_empty() && !runs_in_namespace(Path::new("/bin/true")) {
        blockers.push(format!(
            "no namespace can be made here (try {SCRIPT} /bin/true)"
        ));
    }
    blockers
}

fn runs_in_namespace(binary: &Path) -> bool {
    Command::new(SCRIPT)
        .arg(binary)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[test]
#[ignore = "runs in the namespace"]
fn only_loopback_can_be_reached_and_nothing_of_the_machine_is_seen() {
    let devices = std::fs::read_to_string("/proc/net/dev").expect("proc is mounted");
    let names: Vec<&str> = devices
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0.trim()))
        .collect();
    assert_eq!(names, ["lo"]);
    let homes: Vec<_> = std::fs::read_dir("/home")
        .expect("the root has a /home")
        .map(|entry| entry.expect("it can be read").file_name())
        .collect();
    assert_eq!(homes, ["lab"]);
    assert!(!Path::new("/root").exists());
    let allowed = [
        "PATH",
        "HOME",
        "TMPDIR",
        "LANG",
        "RUST_BACKTRACE",
        "RUST_TEST_THREADS",
        "COVEN_REAL_INSIDE",
        "COVEN_REAL_HARNESSES",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
    ];
    for (name, _) in std::env::vars_os() {
        assert!(
            allowed.iter().any(|&known| name == known),
            "{name:?} came in from outside"
        );
    }
}
