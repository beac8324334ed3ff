//! Homes that a process has open, and nobody answers for.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::fake_daemon::FakeDaemon;
use crate::home::{ENDLESS, Home, PATIENCE, Running, eventually};

/// Puts something in the socket's place, so that its daemon cannot bind it again.
fn take_the_sockets_place(home: &Home) {
    let socket = home.dir().join("coven.sock");
    fs::remove_file(&socket).unwrap();
    symlink("/nowhere", &socket).unwrap();
}

#[test]
fn a_daemon_whose_socket_was_removed_can_be_reached_again() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    let pid = home.daemon_pid();
    fs::remove_file(home.dir().join("coven.sock")).unwrap();
    assert_eq!(home.text(["run", "sh", "echo again"]), "again\n");
    assert_eq!(home.daemon_pid(), pid);
    assert_eq!(home.record(&id)["status"], "running");
}

#[test]
fn a_daemon_that_nobody_reaches_is_told_and_can_be_stopped() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    let pid = home.daemon_pid().unwrap();
    take_the_sockets_place(&home);
    let status = home.output(["daemon", "status", "--json"]);
    assert_eq!(status.status.code(), Some(122));
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(
        (&status["running"], &status["pid"]),
        (&false.into(), &pid.into())
    );
    let status = String::from_utf8(home.output(["daemon", "status"]).stdout).unwrap();
    assert!(status.contains(&format!("process {pid}")), "{status}");
    assert!(status.contains("coven daemon stop"), "{status}");
    let doctor = home.output(["doctor"]);
    assert_eq!(doctor.status.code(), Some(1), "{doctor:?}");
    assert_eq!(home.text(["daemon", "stop"]), "the daemon has stopped\n");
    fs::remove_file(home.dir().join("coven.sock")).unwrap();
    // Its sessions go on.
    assert_eq!(home.record(&id)["status"], "running");
}

#[test]
fn a_process_that_is_no_daemon_is_not_stopped() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    let daemon = home.daemon_pid().unwrap();
    take_the_sockets_place(&home);
    fs::remove_file(home.dir().join("daemon.json")).unwrap();
    let said = home.refused(122, ["daemon", "stop", "--timeout", "1"]);
    assert!(said.contains(&format!("process {daemon}")), "{said}");
    // Nor is one that only has the id which a dead daemon left.
    let pid = Pid::from_raw(i32::try_from(daemon).unwrap()).unwrap();
    let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let patience = Timespec::try_from(PATIENCE).unwrap();
    poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience)).unwrap();
    let stranger = Running::start({
        let mut command = std::process::Command::new("tail");
        command.args(["-f", "/dev/null"]);
        command
    });
    let recycled = stranger.pid();
    fs::write(home.dir().join("lock"), format!("{recycled}\n")).unwrap();
    let file = format!("{{\"pid\":{recycled},\"startedAt\":\"x\",\"socket\":\"y\"}}\n");
    fs::write(home.dir().join("daemon.json"), file).unwrap();
    assert_eq!(home.text(["daemon", "stop"]), "no daemon runs\n");
    assert!(stranger.is_alive());
    fs::remove_file(home.dir().join("coven.sock")).unwrap();
}

#[test]
fn a_home_that_is_being_left_is_waited_for() {
    let home = Home::new();
    // It takes as long as a program that heeds no signal.
    let id = home.launch("trap '' HUP TERM; echo up; until test -e go; do sleep 0.02; done");
    home.wait_for_output(&id, "up");
    let daemon = home.daemon_pid();
    let stop = Running::start(home.coven(["daemon", "stop"]));
    eventually("its stop", || {
        let log = fs::read_to_string(home.dir().join("daemon.log")).unwrap();
        log.contains("stopping").then_some(())
    });
    let run = Running::start(home.coven(["run", "sh", "echo after"]));
    let list = Running::start(home.coven(["sessions"]));
    fs::write(home.project().join("go"), "").unwrap();
    for waiting in [run, list] {
        let (status, said) = waiting.end();
        assert_eq!(status, 0, "{said}");
    }
    assert_eq!(stop.end().0, 0);
    assert_ne!(home.daemon_pid(), daemon);
    assert_ne!(home.record(&id)["status"], "running");
    assert_eq!(home.record("@last")["title"], "echo after");
}

#[test]
fn a_launch_that_meets_a_daemon_which_begins_to_end_is_taken_by_the_next() {
    let home = Home::new();
    let leaving = FakeDaemon::leaving(&home.dir());
    assert_eq!(home.text(["run", "sh", "echo taken"]), "taken\n");
    leaving.wait();
    assert_eq!(home.record("@last")["title"], "echo taken");
}

#[test]
fn a_daemon_whose_home_is_removed_ends_with_its_sessions() {
    let home = Home::new();
    let id = home.launch("echo $$ > pid; echo up; tail -f /dev/null");
    home.wait_for_output(&id, "up");
    let read = |text: &str| Pid::from_raw(text.trim().parse().unwrap()).unwrap();
    let agent = read(&fs::read_to_string(home.project().join("pid")).unwrap());
    let daemon = read(&home.daemon_pid().unwrap().to_string());
    let process = pidfd_open(daemon, PidfdFlags::empty()).unwrap();
    let begun = Instant::now();
    fs::remove_dir_all(home.dir()).unwrap();
    let patience = Timespec::try_from(PATIENCE).unwrap();
    let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience));
    assert_eq!(ended, Ok(1), "after {:?}", begun.elapsed());
    assert!(rustix::process::test_kill_process(agent).is_err());
    assert!(!home.dir().exists());
}

#[test]
fn a_daemon_whose_lock_was_removed_makes_it_again_and_keeps_its_home() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    let pid = home.daemon_pid();
    let lock = home.dir().join("lock");
    fs::remove_file(&lock).unwrap();
    eventually("its lock", || lock.exists().then_some(()));
    eventually("who has it", || {
        let said = fs::read_to_string(&lock).unwrap();
        (said == format!("{}\n", pid.unwrap())).then_some(())
    });
    let said = home.refused(122, ["sessions", "--offline"]);
    assert!(
        said.contains(&format!("process {}", pid.unwrap())),
        "{said}"
    );
    assert_eq!(home.record(&id)["status"], "running");
    assert_eq!(home.daemon_pid(), pid);
}

#[test]
fn a_daemon_whose_lock_and_socket_were_removed_just_now_is_told_and_can_be_stopped() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    let pid = home.daemon_pid().unwrap();
    let daemon = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // So it does not make them again yet.
    kill_process(daemon, Signal::STOP).unwrap();
    for name in ["lock", "coven.sock", "daemon.json"] {
        fs::remove_file(home.dir().join(name)).unwrap();
    }
    let status = home.output(["daemon", "status", "--json"]);
    assert_eq!(status.status.code(), Some(122));
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(
        (&status["running"], &status["pid"]),
        (&false.into(), &pid.into())
    );
    for command in [&["daemon", "status"][..], &["doctor"]] {
        let said = String::from_utf8(home.output(command.iter().copied()).stdout).unwrap();
        assert!(said.contains(&format!("process {pid} has")), "{said}");
    }
    let said = home.refused(122, ["daemon", "stop", "--timeout", "1"]);
    assert!(said.contains(&format!("process {pid} has")), "{said}");
    let stop = Running::start(home.coven(["daemon", "stop"]));
    kill_process(daemon, Signal::CONT).unwrap();
    assert_eq!(stop.end().0, 0);
    assert_eq!(home.record(&id)["status"], "running");
    assert_ne!(home.daemon_pid(), Some(pid), "it has stopped");
}

#[test]
fn a_command_that_comes_when_lock_and_socket_were_removed_finds_the_daemon_soon() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    let pid = home.daemon_pid();
    for name in ["lock", "coven.sock"] {
        fs::remove_file(home.dir().join(name)).unwrap();
    }
    let begun = Instant::now();
    assert!(home.text(["sessions"]).contains(&id[..8]));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(home.daemon_pid(), pid);
}
