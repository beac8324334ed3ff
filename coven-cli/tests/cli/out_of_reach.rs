//! Shims that are stopped, make no sense or cannot be reached, and what somebody put in the place of
//! their folders.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::{Value, json};

use crate::home::{ENDLESS, Home, Running, eventually};

/// A process that is to end without our help.
struct Process {
    pid: u64,
    handle: OwnedFd,
}

impl Process {
    fn of(pid: u64) -> Self {
        let raw = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        let handle = pidfd_open(raw, PidfdFlags::empty()).unwrap();
        Self { pid, handle }
    }

    fn shim_of(home: &Home, id: &str) -> Self {
        Self::of(home.shim_of(id))
    }

    fn stop(&self) {
        pidfd_send_signal(&self.handle, Signal::STOP).unwrap();
        let stat = format!("/proc/{}/stat", self.pid);
        eventually("it stands still", || {
            let stat = fs::read_to_string(&stat).unwrap();
            stat.contains(") T ").then_some(())
        });
    }

    fn ends(&self) {
        poll(&mut [PollFd::new(&self.handle, PollFlags::IN)], None).unwrap();
    }
}

fn folder(home: &Home, id: &str) -> PathBuf {
    home.dir().join("spools").join(id)
}

/// How often the daemon has logged this.
fn logged(home: &Home, what: &str) -> usize {
    let log = fs::read_to_string(home.dir().join("daemon.log")).unwrap();
    log.matches(what).count()
}

/// Asserts that a session is over as one that was killed, of which nobody saw how it ended.
fn assert_was_killed_unseen(home: &Home, id: &str) {
    let record = home.record(id);
    assert_eq!(record["status"], "killed");
    assert!(!record["ended_at"].is_null());
    for unknown in ["exit_code", "exit_signal", "orphan_reason"] {
        assert!(record[unknown].is_null(), "{record}");
    }
    let events = home.text(["events", "--json", id]);
    let last: Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
    assert_eq!(last["kind"], "exit");
    let exit: Value = serde_json::from_str(last["payload_json"].as_str().unwrap()).unwrap();
    let unseen = json!({"status": "failed", "exitCode": null, "output": "cut"});
    assert_eq!(exit, unseen);
}

#[test]
fn what_is_typed_for_a_shim_that_is_stopped_is_refused_and_a_kill_has_it_go_on() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    home.wait_for_output(&id, "begun");
    Process::shim_of(&home, &id).stop();
    let said = home.refused(122, ["input", &id, "hello"]);
    assert!(said.contains("coven shim"), "{said}");
    home.text(["kill", &id]);
    let record = home.record(&id);
    assert_eq!(record["status"], "killed");
    assert!(!record["ended_at"].is_null());
}

#[test]
fn a_kill_ends_a_session_whose_shim_cannot_be_reached_and_has_its_end_of_the_spool() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    let shim = Process::shim_of(&home, &id);
    home.kill_daemon();
    fs::remove_file(folder(&home, &id).join("socket")).unwrap();
    home.text(["kill", &id]);
    shim.ends();
    let record = home.record(&id);
    assert_eq!(record["status"], "killed");
    assert!(!record["ended_at"].is_null());
    eventually("its folder is gone", || {
        (!folder(&home, &id).exists()).then_some(())
    });
}

#[test]
fn a_kill_ends_a_session_whose_folder_cannot_be_looked_into() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    let shim = home.shim_of(&id);
    home.kill_daemon();
    crate::home::end_at_once(shim);
    fs::remove_dir_all(folder(&home, &id)).unwrap();
    fs::write(folder(&home, &id), "").unwrap();
    home.text(["kill", &id]);
    assert_was_killed_unseen(&home, &id);
    // It is told once, however often it is looked for.
    assert_eq!(logged(&home, "a shim cannot be reached"), 1);
}

#[test]
fn a_shim_whose_spool_somebody_changed_is_not_asked_again_and_again_without_a_break() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    home.wait_for_output(&id, "begun");
    home.kill_daemon();
    let part = folder(&home, &id).join(format!("{:020}.spool", 1));
    let mut bytes = fs::read(&part).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&part, bytes).unwrap();
    fs::write(home.dir().join("config.toml"), "log = \"debug\"\n").unwrap();
    home.text(["kill", &id]);
    assert_was_killed_unseen(&home, &id);
    // The pauses double, from 5 ms on, in the five seconds that the kill takes.
    let times = logged(&home, "a shim is looked for again");
    assert!((2..20).contains(&times), "{times}");
}

#[test]
fn a_session_whose_folder_was_moved_away_lives_on_and_is_reached_once_that_is_back() {
    let home = Home::new();
    let id = home.launch("echo begun; while read line; do echo got $line; done");
    home.wait_for_output(&id, "begun");
    home.kill_daemon();
    let spools = home.dir().join("spools");
    let away = home.dir().join("away");
    fs::rename(&spools, &away).unwrap();
    assert_eq!(home.record(&id)["status"], "running");
    eventually("it is told", || {
        (logged(&home, "a shim cannot be reached") == 1).then_some(())
    });
    let said = fs::read_to_string(home.dir().join("daemon.log")).unwrap();
    assert!(said.contains("put it back"), "{said}");
    fs::create_dir_all(&spools).unwrap();
    fs::rename(away.join(&id), folder(&home, &id)).unwrap();
    home.text(["input", &id, "hello\n"]);
    home.wait_for_output(&id, "got hello");
    fs::remove_dir(away).unwrap();
}

#[test]
fn a_session_whose_folder_somebody_removed_lives_until_it_is_killed_and_its_shim_ends_with_it() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    let shim = Process::shim_of(&home, &id);
    home.kill_daemon();
    fs::remove_dir_all(folder(&home, &id)).unwrap();
    assert_eq!(home.record(&id)["status"], "running");
    home.text(["kill", &id]);
    assert_was_killed_unseen(&home, &id);
    shim.ends();
}

#[test]
fn who_shows_a_session_is_told_that_it_was_killed_though_its_shim_was_out_of_reach() {
    let home = Home::new();
    let mut run = Running::start(home.coven(["run", "sh", ENDLESS]));
    run.wait_for("begun");
    let id = home.record("@last")["id"].as_str().unwrap().to_owned();
    home.kill_daemon();
    fs::rename(folder(&home, &id), home.dir().join("away")).unwrap();
    home.text(["kill", &id]);
    let (status, said) = run.end();
    assert_eq!(status, 128 + 15);
    assert!(
        said.contains(&format!("session {id} was killed\n")),
        "{said}"
    );
    let shown = home.text(["show", &id]);
    assert!(
        shown.contains("killed") && !shown.contains("lost"),
        "{shown}"
    );
    assert_was_killed_unseen(&home, &id);
}

#[test]
fn a_session_whose_folder_is_gone_is_lost_once_its_agent_has_ended_and_its_shim_is_ended() {
    let home = Home::new();
    let id = home.launch("echo begun; while [ ! -e go ]; do sleep .05; done; exit 3");
    home.wait_for_output(&id, "begun");
    let shim = Process::shim_of(&home, &id);
    home.kill_daemon();
    fs::remove_dir_all(folder(&home, &id)).unwrap();
    assert_eq!(home.record(&id)["status"], "running");
    fs::write(home.project().join("go"), "").unwrap();
    home.wait_for_end(&id);
    assert_eq!(home.record(&id)["orphan_reason"], "shim_died");
    shim.ends();
}

#[test]
fn a_session_whose_folder_somebody_removed_under_its_daemon_is_lost_with_its_shim() {
    let home = Home::new();
    let floods = "echo begun; while [ ! -e go ]; do sleep .05; done; \
                  head -c 9000000 /dev/zero | tr '\\0' x; tail -f /dev/null";
    let ids = [home.launch(floods), home.launch(ENDLESS)];
    for id in &ids {
        home.wait_for_output(id, "begun");
        fs::remove_dir_all(folder(&home, id)).unwrap();
    }
    // The one has no room for more of what it is told; the other nobody to tell it to.
    fs::write(home.project().join("go"), "").unwrap();
    home.wait_for_end(&ids[0]);
    home.text(["daemon", "restart"]);
    home.wait_for_end(&ids[1]);
    for id in &ids {
        assert_eq!(home.record(id)["orphan_reason"], "shim_died");
    }
}

/// A session whose shim and daemon are dead, and wrote down a line that the log does not have: "late".
fn left_with_a_late_line(home: &Home) -> (String, PathBuf) {
    let id = home
        .launch("echo begun; while [ ! -e go ]; do sleep .05; done; echo late; tail -f /dev/null");
    home.wait_for_output(&id, "begun");
    let shim = home.shim_of(&id);
    home.kill_daemon();
    fs::write(home.project().join("go"), "").unwrap();
    let part = folder(home, &id).join(format!("{:020}.spool", 1));
    eventually("it is in the spool", || {
        let bytes = fs::read(&part).unwrap();
        bytes.windows(4).any(|four| four == b"late").then_some(())
    });
    crate::home::end_at_once(shim);
    (id, part)
}

#[test]
fn what_a_dead_shim_left_and_cannot_be_read_for_now_is_read_once_it_can_be() {
    let home = Home::new();
    let (id, part) = left_with_a_late_line(&home);
    let aside = home.dir().join("aside");
    fs::rename(&part, &aside).unwrap();
    fs::create_dir(&part).unwrap();
    assert_eq!(home.record(&id)["status"], "running");
    fs::remove_dir(&part).unwrap();
    fs::rename(&aside, &part).unwrap();
    home.wait_for_end(&id);
    assert_eq!(home.record(&id)["orphan_reason"], "shim_died");
    assert!(home.text(["log", &id]).contains("late"));
    eventually("its folder is gone", || {
        (!folder(&home, &id).exists()).then_some(())
    });
}

#[test]
fn a_kill_ends_a_session_whose_dead_shim_left_what_cannot_be_read_and_leaves_that() {
    let home = Home::new();
    let (id, part) = left_with_a_late_line(&home);
    let aside = home.dir().join("aside");
    fs::rename(&part, &aside).unwrap();
    fs::create_dir(&part).unwrap();
    home.text(["kill", &id]);
    assert_was_killed_unseen(&home, &id);
    assert!(part.is_dir());
    assert_eq!(logged(&home, "a shim is looked for"), 1);
}

#[test]
fn what_a_dead_shim_left_that_was_away_when_its_session_was_found_to_be_lost_is_not_removed() {
    let home = Home::new();
    let (id, part) = left_with_a_late_line(&home);
    let bytes = fs::read(&part).unwrap();
    let away = home.dir().join("away");
    fs::rename(folder(&home, &id), &away).unwrap();
    home.wait_for_end(&id);
    fs::rename(&away, folder(&home, &id)).unwrap();
    home.text(["daemon", "restart"]);
    eventually("it is told", || {
        let told = logged(&home, "output that is not on record") + logged(&home, "was let go");
        (told > 0).then_some(())
    });
    assert_eq!(fs::read(&part).unwrap(), bytes);
}

#[test]
fn a_spool_that_is_damaged_is_left_where_it_is() {
    let home = Home::new();
    let (id, part) = left_with_a_late_line(&home);
    let mut bytes = fs::read(&part).unwrap();
    let late = bytes.windows(4).position(|four| four == b"late").unwrap();
    bytes[late] ^= 1;
    fs::write(&part, &bytes).unwrap();
    home.wait_for_end(&id);
    assert_eq!(home.record(&id)["orphan_reason"], "shim_died");
    home.text(["daemon", "restart"]);
    home.record(&id);
    assert_eq!(fs::read(&part).unwrap(), bytes);
    assert!(!home.text(["log", &id]).contains("late"));
}

#[test]
fn what_is_no_directory_in_the_place_of_the_spools_is_refused() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    let spools = home.dir().join("spools");
    let elsewhere = home.project();
    symlink(&elsewhere, &spools).unwrap();
    let launch = ["run", "--mode", "interactive", "--detach", "sh", ENDLESS];
    let said = home.refused(125, launch);
    assert!(said.contains("move it away"), "{said}");
    assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 0);
    home.text(["daemon", "stop"]);
    let refused = |home: &Home| {
        let said = home.refused(122, ["daemon", "start"]);
        assert!(said.contains(spools.to_str().unwrap()), "{said}");
        assert!(said.contains("move it away"), "{said}");
        fs::remove_file(&spools).unwrap();
    };
    refused(&home);
    fs::write(&spools, "").unwrap();
    refused(&home);
    home.text(["daemon", "start"]);
}
