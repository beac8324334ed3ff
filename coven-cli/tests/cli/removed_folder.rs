//! A session whose folder somebody removes, `rm -rf spools/ID`, while its daemon lives.

use std::fs;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::home::{Home, PATIENCE};

fn agent(home: &Home, id: &str) -> OwnedFd {
    let pid = home.record(id)["pid"].as_i64().unwrap();
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    pidfd_open(pid, PidfdFlags::empty()).unwrap()
}

fn ends(process: &OwnedFd) {
    let limit = Timespec::try_from(PATIENCE).unwrap();
    assert_eq!(
        poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&limit)),
        Ok(1)
    );
}

/// A session that does as it is told, a line at a time, and has no folder any more.
fn removed(home: &Home) -> String {
    let id = home.launch("echo begun; while read -r line; do eval \"$line\"; done");
    home.wait_for_output(&id, "begun");
    fs::remove_dir_all(home.dir().join("spools").join(&id)).unwrap();
    home.text(["input", "--raw", &id, "echo one; echo more\r"]);
    home.wait_for_output(&id, "one\nmore\n");
    id
}

#[test]
fn it_goes_on_and_is_recorded_and_ends_with_its_daemon() {
    for stop in [true, false] {
        let home = Home::new();
        let id = removed(&home);
        let agent = agent(&home, &id);
        if stop {
            home.text(["daemon", "stop"]);
        } else {
            home.kill_daemon();
        }
        ends(&agent);
        home.wait_for_end(&id);
        let record = home.record(&id);
        assert_eq!(record["status"], "orphaned", "{record}");
        assert!(home.text(["log", &id]).contains("one\nmore"));
    }
}

#[test]
fn it_ends_with_its_agent_once_what_it_writes_to_is_full() {
    let home = Home::new();
    let id = removed(&home);
    let agent = agent(&home, &id);
    let write = |bytes: u32, then: &str| {
        let line = format!("head -c {bytes} /dev/zero | tr '\\0' x; echo; {then}\r");
        home.text(["input", "--raw", &id, &line]);
    };
    write(1_000_000, "echo written");
    home.wait_for_output(&id, "x\nwritten\n");
    write(8_000_000, "");
    ends(&agent);
    home.wait_for_end(&id);
    let record = home.record(&id);
    assert_eq!(record["status"], "orphaned", "{record}");
    let recorded = record["output_bytes"].as_u64().unwrap();
    assert!((1_000_000..5 << 20).contains(&recorded), "{record}");
}
