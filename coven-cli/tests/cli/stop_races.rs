//! `coven daemon stop` and `restart` beside others who stop or start the daemon, and beside its death.

use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

use crate::fake_daemon::FakeDaemon;
use crate::home::{ENDLESS, Home, Running, end_at_once, eventually};

/// A script that only the signal ends which nobody can ignore.
const UNMOVED: &str = "trap '' HUP TERM; echo begun; while :; do sleep 60; done";

/// How a daemon whose sessions are asked to end waits for those of [`UNMOVED`]: for ever, for a test.
const FOR_EVER: &str = "kill_grace_ms = 600000\n";

const AT_ONCE: &str = "kill_grace_ms = 100\n";

fn configure(home: &Home, config: &str) {
    fs::write(home.dir().join("config.toml"), config).unwrap();
}

fn signal_daemon(home: &Home, signal: Signal) {
    let pid = i32::try_from(home.daemon_pid().unwrap()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// The connections that clients have to the home's daemon, and its listening socket: the system knows them
/// by the name that it was bound under.
fn ends_at(home: &Home) -> usize {
    let socket = home.dir().join("coven.snew").display().to_string();
    let all = fs::read_to_string("/proc/net/unix").unwrap();
    all.lines().filter(|line| line.ends_with(&socket)).count()
}

/// Starts a command that waits for an answer of the daemon, which stands still.
fn start_asking(home: &Home, args: &[&str]) -> Running {
    let before = ends_at(home);
    let asking = Running::start(home.coven(args.iter().copied()));
    eventually("its question", || (ends_at(home) > before).then_some(()));
    asking
}

fn wait_until_it_stops(home: &Home) {
    eventually("its stop", || {
        let log = fs::read_to_string(home.dir().join("daemon.log")).unwrap();
        log.contains("stopping").then_some(())
    });
}

#[track_caller]
fn succeeded(running: Running) {
    let (status, said) = running.end();
    assert_eq!((status, said.as_str()), (0, ""));
}

/// What a daemon has in its home only as long as it runs.
fn of_a_daemon(home: &Home) -> Vec<PathBuf> {
    let names = ["coven.sock", "coven.snew", "daemon.json"].map(|name| home.dir().join(name));
    names.into_iter().filter(|path| path.exists()).collect()
}

#[track_caller]
fn was_killed(home: &Home, id: &str) {
    let record = home.json(["show", "--json", "--offline", id]);
    assert_eq!(record["status"], "killed");
    assert!(!record["ended_at"].is_null(), "{record}");
    assert_eq!(of_a_daemon(home), [""; 0].map(PathBuf::from));
}

#[test]
fn a_daemon_that_dies_of_a_kill_9_while_it_is_asked_is_no_daemon() {
    for (args, status) in [
        (&["daemon", "stop"][..], 0),
        (&["daemon", "restart"], 0),
        (&["daemon", "status"], 122),
        (&["sessions"], 0),
        (&["daemon", "stop", "--kill"], 0),
    ] {
        let home = Home::new();
        let id = home.launch(ENDLESS);
        home.wait_for_output(&id, "begun");
        let daemon = home.daemon_pid().unwrap();
        signal_daemon(&home, Signal::STOP);
        let asking = start_asking(&home, args);
        end_at_once(daemon);
        let (ended, said) = asking.end();
        assert_eq!(ended, status, "{args:?}: {said}");
        assert!(!said.contains("broke"), "{args:?}: {said}");
        if args.contains(&"--kill") {
            was_killed(&home, &id);
        } else {
            assert_eq!(home.record(&id)["status"], "running");
        }
    }
}

#[test]
fn who_stops_a_daemon_whose_connections_break_off_looks_again_who_is_there() {
    for args in [
        &["daemon", "stop"][..],
        &["daemon", "restart"],
        &["daemon", "stop", "--kill"],
    ] {
        let home = Home::new();
        let id = home.launch(ENDLESS);
        home.kill_daemon();
        fs::remove_file(home.dir().join("coven.sock")).unwrap();
        let breaking = FakeDaemon::breaking_off(&home.dir());
        assert!(
            home.output(args.iter().copied()).status.success(),
            "{args:?}"
        );
        breaking.wait();
        if args.contains(&"--kill") {
            was_killed(&home, &id);
        }
    }
}

#[test]
fn what_a_dead_daemon_left_in_its_home_goes_with_a_stop() {
    for args in [&["daemon", "stop"][..], &["daemon", "stop", "--kill"]] {
        let home = Home::new();
        home.text(["run", "sh", "true"]);
        home.kill_daemon();
        assert_eq!(of_a_daemon(&home).len(), 2);
        assert_eq!(home.text(args.iter().copied()), "no daemon runs\n");
        assert_eq!(of_a_daemon(&home), [""; 0].map(PathBuf::from), "{args:?}");
    }
}

#[test]
fn a_status_says_that_a_dead_daemon_left_its_socket_and_what_removes_it() {
    let home = Home::new();
    home.text(["run", "sh", "true"]);
    home.kill_daemon();
    let status = || {
        let status = home.output(["daemon", "status"]);
        assert_eq!(status.status.code(), Some(122), "{status:?}");
        String::from_utf8(status.stdout).unwrap()
    };
    let (left, again) = (status(), status());
    assert!(left.contains("left its socket"), "{left}");
    assert!(left.contains("`coven daemon stop` removes"), "{left}");
    assert_eq!(left, again);
    // It only looks; what says who serves, and is not so, is put right.
    assert_eq!(of_a_daemon(&home), [home.dir().join("coven.sock")]);
    home.text(["daemon", "stop"]);
    assert!(!status().contains("socket"));
}

#[test]
fn a_stop_that_kills_ends_the_sessions_that_another_stop_leaves_running() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    home.wait_for_output(&id, "begun");
    signal_daemon(&home, Signal::STOP);
    let kill = start_asking(&home, &["daemon", "stop", "--kill"]);
    signal_daemon(&home, Signal::TERM);
    signal_daemon(&home, Signal::CONT);
    succeeded(kill);
    was_killed(&home, &id);
}

#[test]
fn a_stop_that_kills_ends_the_sessions_of_a_daemon_that_dies_of_it() {
    let home = Home::new();
    configure(&home, FOR_EVER);
    let ids = [home.launch(UNMOVED), home.launch(UNMOVED)];
    ids.iter().for_each(|id| home.wait_for_output(id, "begun"));
    let daemon = home.daemon_pid().unwrap();
    let kill = Running::start(home.coven(["daemon", "stop", "--kill"]));
    wait_until_it_stops(&home);
    configure(&home, AT_ONCE);
    end_at_once(daemon);
    succeeded(kill);
    ids.iter().for_each(|id| was_killed(&home, id));
}

#[test]
fn who_stops_or_restarts_a_daemon_that_is_about_to_end_waits_for_that() {
    for args in [
        &["daemon", "stop"][..],
        &["daemon", "stop", "--keep"],
        &["daemon", "stop", "--kill"],
        &["daemon", "restart"],
    ] {
        let home = Home::new();
        configure(&home, "kill_grace_ms = 1000\n");
        let id = home.launch(UNMOVED);
        home.wait_for_output(&id, "begun");
        let kill = Running::start(home.coven(["daemon", "stop", "--kill"]));
        wait_until_it_stops(&home);
        succeeded(Running::start(home.coven(args.iter().copied())));
        succeeded(kill);
        let record = home.json(["show", "--json", &id]);
        assert!(!record["ended_at"].is_null(), "{args:?}: {record}");
    }
}

#[test]
fn whoever_else_ends_the_sessions_of_a_dead_daemon_is_waited_for() {
    for args in [&["daemon", "stop"][..], &["daemon", "stop", "--kill"]] {
        let home = Home::new();
        configure(&home, "kill_grace_ms = 1000\n");
        let id = home.launch(UNMOVED);
        home.wait_for_output(&id, "begun");
        home.kill_daemon();
        let kill = Running::start(home.coven(["daemon", "stop", "--kill"]));
        let is_at_it = format!("{}\n", kill.pid());
        eventually("it has the home", || {
            let holder = fs::read_to_string(home.dir().join("lock")).unwrap();
            (holder == is_at_it).then_some(())
        });
        succeeded(Running::start(home.coven(args.iter().copied())));
        succeeded(kill);
        was_killed(&home, &id);
    }
}

#[test]
fn four_who_restart_at_once_beside_one_who_stops_all_succeed_and_no_session_ends() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    for stops in [0, 1] {
        let restart = || Running::start(home.coven(["daemon", "restart"]));
        let stop = || Running::start(home.coven(["daemon", "stop"]));
        let restarts = (0..4).map(|_| restart());
        let all: Vec<Running> = restarts.chain((0..stops).map(|_| stop())).collect();
        all.into_iter().for_each(succeeded);
        if stops == 0 {
            assert!(home.output(["daemon", "status"]).status.success());
        }
    }
    assert_eq!(home.record(&id)["status"], "running");
}

#[test]
fn a_daemon_that_stands_still_is_left_with_its_sessions_and_it_is_said_how_to_wake_or_end_it() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    home.wait_for_output(&id, "begun");
    let daemon = home.daemon_pid().unwrap();
    signal_daemon(&home, Signal::STOP);
    for option in ["--keep", "--kill"] {
        let said = home.refused(122, ["daemon", "stop", option, "--timeout", "1"]);
        assert!(said.contains(&format!("kill -CONT {daemon}")), "{said}");
        assert!(said.contains(&format!("kill -KILL {daemon}")), "{said}");
    }
    end_at_once(daemon);
    assert_eq!(home.record(&id)["status"], "running");
}
