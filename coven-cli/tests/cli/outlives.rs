//! Sessions outlive the daemon: killed, stopped or restarted.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::fake_daemon::FakeDaemon;
use crate::home::{ENDLESS, Home, PATIENCE, Running, eventually};
use crate::terminal::Terminal;

/// A script that numbers what it is given.
const COUNTING: &str = "n=0; while read -r line; do n=$((n+1)); echo \"$n: $line\"; \
                        [ \"$line\" = end ] && exit 7; done";

fn process(home: &Home, id: &str) -> OwnedFd {
    let pid = home.record(id)["pid"].as_i64().expect("it runs");
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    pidfd_open(pid, PidfdFlags::empty()).unwrap()
}

fn runs(process: &OwnedFd) -> bool {
    let now = Timespec::try_from(std::time::Duration::ZERO).unwrap();
    poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&now)) == Ok(0)
}

fn spools(home: &Home) -> usize {
    std::fs::read_dir(home.dir().join("spools")).map_or(0, Iterator::count)
}

#[test]
fn a_session_whose_daemon_is_killed_goes_on_and_loses_nothing() {
    let home = Home::new();
    let id = home.launch(COUNTING);
    home.text(["input", "--raw", &id, "one\r"]);
    home.wait_for_output(&id, "1: one");
    let agent = process(&home, &id);
    home.kill_daemon();
    assert!(runs(&agent));
    // The next daemon, which this starts, has it.
    home.text(["input", "--raw", &id, "two\r"]);
    home.wait_for_output(&id, "2: two");
    home.kill_daemon();
    home.text(["input", "--raw", &id, "end\r"]);
    home.wait_for_end(&id);
    let record = home.record(&id);
    assert_eq!(record["status"], "failed");
    assert_eq!(record["exit_code"], 7);
    let log = home.text(["log", "--raw", &id]);
    let told: Vec<&str> = log.lines().filter(|line| line.contains(": ")).collect();
    assert_eq!(told, ["1: one", "2: two", "3: end"]);
    eventually("its spool gone", || (spools(&home) == 0).then_some(()));
}

#[test]
fn an_input_whose_daemon_dies_before_it_answers_is_typed_once() {
    let (home, before) = (Home::new(), Home::new());
    let id = home.launch(COUNTING);
    for (option, path, text) in [
        (Some("--raw"), "/input", "raw\r"),
        (None, "/submit", "submitted"),
    ] {
        let dying = FakeDaemon::losing_the_answer(&before.dir(), &home.dir(), path);
        before.text(["input"].into_iter().chain(option).chain([&*id, text]));
        dying.wait();
        std::fs::remove_file(before.dir().join("coven.sock")).unwrap();
    }
    home.text(["input", "--raw", &id, "end\r"]);
    home.wait_for_end(&id);
    let log = home.text(["log", "--raw", &id]);
    let told: Vec<&str> = log.lines().filter(|line| line.contains(": ")).collect();
    assert_eq!(told, ["1: raw", "2: submitted", "3: end"]);
}

#[test]
fn what_a_session_does_and_how_it_ends_without_a_daemon_is_on_record_with_the_next() {
    let home = Home::new();
    let id = home.launch("read -r go; seq 1 20000; exit 5");
    home.text(["input", "--raw", &id, "go"]);
    let agent = process(&home, &id);
    // The end of the line is typed by nobody else: it is in the terminal when the daemon dies.
    home.text(["input", "--raw", &id, "\r"]);
    home.kill_daemon();
    let patience = Timespec::try_from(PATIENCE).unwrap();
    poll(&mut [PollFd::new(&agent, PollFlags::IN)], Some(&patience)).unwrap();
    home.text(["daemon", "start"]);
    home.wait_for_end(&id);
    assert_eq!(home.record(&id)["exit_code"], 5);
    let log = home.text(["log", "--raw", &id]);
    let numbers: Vec<u32> = log.lines().filter_map(|line| line.parse().ok()).collect();
    assert!(numbers.into_iter().eq(1..=20_000));
    eventually("its spool gone", || (spools(&home) == 0).then_some(()));
}

#[test]
fn a_daemon_that_is_stopped_or_restarted_leaves_its_sessions_running() {
    let home = Home::new();
    let id = home.launch(COUNTING);
    let agent = process(&home, &id);
    assert_eq!(home.text(["daemon", "stop"]), "the daemon has stopped\n");
    assert!(runs(&agent));
    home.text(["daemon", "restart"]);
    assert_eq!(home.record(&id)["status"], "running");
    home.text(["daemon", "restart"]);
    home.text(["input", "--raw", &id, "end\r"]);
    home.wait_for_end(&id);
    assert!(home.text(["log", "--raw", &id]).contains("1: end"));
}

#[test]
fn a_stop_that_kills_ends_its_sessions_and_proves_it() {
    let home = Home::new();
    let ids = [home.launch(ENDLESS), home.launch(ENDLESS)];
    let agents = ids.each_ref().map(|id| process(&home, id));
    home.text(["daemon", "stop", "--kill"]);
    assert!(agents.iter().all(|agent| !runs(agent)));
    for id in &ids {
        let record = home.json(["show", "--json", "--offline", id]);
        assert_eq!(record["status"], "killed");
        assert!(!record["ended_at"].is_null());
    }
    assert_eq!(spools(&home), 0);
}

#[test]
fn a_stop_that_kills_ends_sessions_whose_daemon_is_dead() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    let agent = process(&home, &id);
    home.kill_daemon();
    home.text(["daemon", "stop", "--kill"]);
    assert!(!runs(&agent));
    assert_eq!(home.record(&id)["status"], "killed");
}

#[test]
fn a_stop_that_kills_ends_sessions_whose_daemon_cannot_be_asked() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    let agent = process(&home, &id);
    std::fs::remove_file(home.dir().join("coven.sock")).unwrap();
    home.text(["daemon", "stop", "--kill"]);
    assert!(!runs(&agent));
    assert_eq!(home.record(&id)["status"], "killed");
}

#[test]
fn on_a_terminal_it_asks_what_to_do_with_the_sessions_that_run() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    for cancels in [&b"c\n"[..], b"\x04"] {
        let mut terminal = Terminal::run(&home.coven(["daemon", "stop"]));
        terminal.wait_for("[L/e/c]");
        terminal.press(cancels);
        terminal.wait_for("nothing was ended: the daemon and its sessions go on");
        assert_eq!(terminal.end(), 1);
        assert!(home.output(["daemon", "status"]).status.success());
        assert_eq!(home.record(&id)["status"], "running");
    }
    let mut terminal = Terminal::run(&home.coven(["daemon", "stop"]));
    terminal.wait_for("[L/e/c]");
    terminal.press(b"e\n");
    terminal.wait_for("the daemon has stopped");
    assert_eq!(terminal.end(), 0);
    assert_eq!(home.record(&id)["status"], "killed");
}

#[test]
fn a_session_that_is_taken_over_can_be_killed_and_archived() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    let agent = process(&home, &id);
    home.kill_daemon();
    home.text(["kill", &id]);
    home.wait_for_end(&id);
    assert!(!runs(&agent));
    assert_eq!(home.record(&id)["status"], "killed");
    home.text(["archive", &id]);
}

#[test]
fn a_follow_goes_on_with_a_session_that_was_taken_over() {
    let home = Home::new();
    let id = home.launch(COUNTING);
    home.kill_daemon();
    home.text(["daemon", "start"]);
    let mut follow = Running::start(home.coven(["log", "--follow", &id]));
    home.text(["input", "--raw", &id, "seen\r"]);
    follow.wait_for("1: seen");
}

#[test]
fn a_session_whose_shim_is_killed_is_lost_and_all_it_wrote_is_kept() {
    let home = Home::new();
    let id = home.launch("seq 1 500; tail -f /dev/null");
    home.wait_for_output(&id, "500");
    home.lose(&id);
    let record = home.record(&id);
    assert_eq!(record["orphan_reason"], "shim_died");
    assert!(home.text(["log", "--raw", &id]).contains("500"));
    eventually("its spool gone", || (spools(&home) == 0).then_some(()));
}

#[test]
fn a_session_whose_shim_and_daemon_are_killed_is_lost_with_the_next_daemon() {
    let home = Home::new();
    let id = home.launch("echo begun; read -r go; seq 1 500; tail -f /dev/null");
    home.wait_for_output(&id, "begun");
    let (agent, shim) = (process(&home, &id), home.shim_of(&id));
    home.kill_daemon();
    crate::home::end_at_once(shim);
    home.text(["daemon", "start"]);
    home.wait_for_end(&id);
    assert_eq!(home.record(&id)["orphan_reason"], "shim_died");
    assert!(!runs(&agent));
}

#[test]
fn what_neither_log_nor_shim_has_is_said_to_be_missing_and_the_rest_keeps_its_place() {
    let home = Home::new();
    let id = home.launch(
        "echo begun; while [ ! -e go ]; do sleep .05; done; seq 1 1200000; \
         while [ ! -e on ]; do sleep .05; done; echo after; tail -f /dev/null",
    );
    let numbers: String = (1..=1_200_000).map(|n| format!("{n}\r\n")).collect();
    let before = format!("begun\r\n{numbers}");
    let is_recorded = |len_bytes: usize| {
        eventually("it is on record", || {
            (home.record(&id)["output_bytes"] == len_bytes).then_some(())
        });
    };
    is_recorded("begun\r\n".len());
    home.text(["daemon", "stop"]);
    let log = ["coven.redb", "coven.redb.journal"].map(|name| home.dir().join(name));
    let older = log
        .each_ref()
        .map(|file| std::fs::read(file).expect("it is closed"));
    home.text(["daemon", "start"]);
    std::fs::write(home.project().join("go"), "").unwrap();
    is_recorded(before.len());
    home.text(["daemon", "stop"]);
    // Somebody takes an older copy of the log, which knows of the first line alone.
    for (file, bytes) in log.iter().zip(older) {
        std::fs::write(file, bytes).unwrap();
    }
    std::fs::write(home.project().join("on"), "").unwrap();
    home.text(["daemon", "start"]);
    let written = format!("{before}after\r\n");
    is_recorded(written.len());
    let recorded = || home.output(["log", "--raw", &id]).stdout;
    let first = recorded();
    assert_eq!(first.len(), written.len());
    let shown = String::from_utf8_lossy(&first);
    assert_eq!(shown.matches("bytes of output are missing here").count(), 1);
    let tail = first.iter().rposition(|byte| *byte == 0x7f).unwrap() + 1;
    assert!(tail > 1 << 20);
    assert!(first[tail..] == written.as_bytes()[tail..]);
    // The next one records nothing of it again.
    home.text(["daemon", "restart"]);
    assert!(recorded() == first);
    is_recorded(written.len());
}

#[test]
fn a_kill_goes_on_though_its_daemon_is_killed_and_ends_as_it_would_have() {
    let home = Home::new();
    let config = home.dir().join("config.toml");
    // With this daemon it does not end.
    std::fs::write(&config, "kill_grace_ms = 86400000\n").unwrap();
    let ids = [(); 2].map(|()| home.launch("trap '' TERM HUP; echo up; while :; do read x; done"));
    for id in &ids {
        home.wait_for_output(id, "up");
    }
    let agents = ids.each_ref().map(|id| process(&home, id));
    let kill = Running::start(home.coven(["kill", &ids[0], &ids[1]]));
    for id in &ids {
        eventually("its kill", || {
            (home.record(id)["status"] == "killed").then_some(())
        });
    }
    assert!(agents.iter().all(runs));
    std::fs::write(&config, "kill_grace_ms = 10\n").unwrap();
    home.kill_daemon();
    let (status, said) = kill.end();
    assert_eq!(status, 0, "{said}");
    assert_eq!(said, "coven: the daemon is gone; starting it again\n");
    assert!(!agents.iter().any(runs));
    for id in &ids {
        assert_eq!(home.record(id)["status"], "killed");
    }
}

#[test]
fn a_kill_whose_daemon_dies_before_it_answers_is_a_kill() {
    let (home, before) = (Home::new(), Home::new());
    for options in [&[][..], &["--no-wait"]] {
        let id = home.launch(ENDLESS);
        let dying = FakeDaemon::losing_the_answer(&before.dir(), &home.dir(), "/kill");
        before.text(["kill"].iter().chain(options).copied().chain([&*id]));
        dying.wait();
        std::fs::remove_file(before.dir().join("coven.sock")).unwrap();
        home.wait_for_end(&id);
        assert_eq!(home.record(&id)["status"], "killed");
    }
}
