//! The daemon process, and what happens around it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::fake_daemon::FakeDaemon;
use crate::home::{Home, PATIENCE, Running, eventually};

fn pid(home: &Home) -> Pid {
    let pid = i32::try_from(home.daemon_pid().unwrap()).unwrap();
    Pid::from_raw(pid).unwrap()
}

#[test]
fn ten_at_once_on_an_empty_home_make_one_daemon() {
    let home = Home::new();
    let running: Vec<Running> = (0..10)
        .map(|_| Running::start(home.coven(["daemon", "start"])))
        .collect();
    let mut said = Vec::new();
    for mut run in running {
        run.wait_for("the daemon runs (process ");
        said.push(run.end());
    }
    assert!(said.iter().all(|(status, _)| *status == 0), "{said:?}");
    let log = fs::read_to_string(home.dir().join("daemon.log")).unwrap();
    assert_eq!(log.matches("the daemon is ready").count(), 1, "{log}");
}

#[test]
fn it_belongs_to_nobody_and_holds_nothing_of_who_started_it() {
    let home = Home::new();
    let lock = home.project().join("lock");
    fs::write(&lock, "").unwrap();
    // A shell that holds a lock by a descriptor, as scripts do.
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "exec 9<lock; exec \"$COVEN\" daemon start"]);
    let start = home.coven([]);
    for (name, value) in start.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    shell
        .env("COVEN", start.get_program())
        .current_dir(home.project());
    assert!(shell.stdout(Stdio::null()).status().unwrap().success());
    let process = format!("/proc/{}", pid(&home).as_raw_nonzero());
    let session = fs::read_to_string(format!("{process}/stat")).unwrap();
    let fields: Vec<&str> = session
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(
        fields[3],
        pid(&home).as_raw_nonzero().to_string(),
        "its own session"
    );
    assert_eq!(fields[4], "0", "no terminal");
    assert_eq!(
        fs::read_link(format!("{process}/cwd")).unwrap().to_str(),
        Some("/")
    );
    let lock = fs::metadata(&lock).unwrap().ino();
    for fd in fs::read_dir(format!("{process}/fd")).unwrap() {
        let held = fs::metadata(fd.unwrap().path());
        assert!(
            held.is_ok_and(|held| held.ino() != lock),
            "it holds the lock"
        );
    }
}

#[test]
fn status_start_stop_and_restart_tell_the_truth() {
    let home = Home::new();
    let none = home.output(["daemon", "status", "--json"]);
    assert_eq!(none.status.code(), Some(122));
    let none: serde_json::Value = serde_json::from_slice(&none.stdout).unwrap();
    assert_eq!(none["running"], false);
    assert_eq!(home.text(["daemon", "stop"]), "no daemon runs\n");
    home.text(["daemon", "start"]);
    let first = home.json(["daemon", "status", "--json"]);
    assert_eq!(first["health"]["daemon"]["pid"], home.daemon_pid().unwrap());
    assert!(home.text(["daemon", "status"]).contains("healthy"));
    // Starting what runs is no mistake.
    home.text(["daemon", "start"]);
    assert_eq!(
        Some(first["health"]["daemon"]["pid"].as_u64().unwrap()),
        home.daemon_pid()
    );
    home.text(["daemon", "restart"]);
    assert_ne!(first["health"]["daemon"]["pid"], home.daemon_pid().unwrap());
    let logs = home.text(["daemon", "logs"]);
    assert_eq!(logs.matches("the daemon is ready").count(), 2, "{logs}");
    let last = home.text(["daemon", "logs", "-n", "1", "--json"]);
    serde_json::from_str::<serde_json::Value>(&last).unwrap();
    assert_eq!(home.text(["daemon", "stop"]), "the daemon has stopped\n");
    assert!(home.daemon_pid().is_none() && !home.dir().join("coven.sock").exists());
}

#[test]
fn started_by_an_agent_it_outlives_that_agents_session() {
    let (outer, inner) = (Home::new(), Home::new());
    let script = format!(
        "COVEN_HOME={} {} run sh 'echo deep; tail -f /dev/null'",
        inner.dir().display(),
        env!("CARGO_BIN_EXE_coven")
    );
    let id = outer.launch(&script);
    outer.wait_for_output(&id, "deep");
    outer.text(["kill", &id]);
    assert_eq!(inner.record("@last")["status"], "running");
}

#[test]
fn its_log_can_be_followed_over_a_restart() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    let mut follow = Running::start(home.coven(["daemon", "logs", "--follow"]));
    follow.wait_for(&format!("pid={}", home.daemon_pid().unwrap()));
    home.text(["daemon", "restart"]);
    follow.wait_for(&format!("pid={}", home.daemon_pid().unwrap()));
    follow.signal(Signal::INT);
    assert_eq!(follow.end().0, 0);
}

#[test]
fn hup_is_ignored_and_term_stops_it() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    kill_process(pid(&home), Signal::HUP).unwrap();
    home.text(["daemon", "status"]);
    let process = pidfd_open(pid(&home), PidfdFlags::empty()).unwrap();
    kill_process(pid(&home), Signal::TERM).unwrap();
    let patience = Timespec::try_from(PATIENCE).unwrap();
    let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience));
    assert_eq!(ended, Ok(1));
    assert!(!home.dir().join("coven.sock").exists());
}

#[test]
fn in_the_foreground_it_serves_until_int_and_logs_to_stderr() {
    let home = Home::new();
    let serve = Running::start(home.coven(["daemon", "serve"]));
    eventually("the daemon", || {
        home.output(["daemon", "status"])
            .status
            .success()
            .then_some(())
    });
    serve.signal(Signal::INT);
    let (status, said) = serve.end();
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("the daemon is ready"), "{said}");
}

#[test]
fn a_second_daemon_on_a_home_is_refused() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    let output = home.output(["daemon", "serve"]);
    assert_eq!(output.status.code(), Some(122), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("in use"), "{said}");
    home.text(["daemon", "status"]);
}

#[test]
fn a_daemon_that_died_is_replaced_with_its_socket() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    let process = pid(&home);
    kill_process(process, Signal::KILL).unwrap();
    eventually("its death", || {
        home.output(["daemon", "status"])
            .status
            .code()
            .filter(|code| *code == 122)
    });
    assert!(
        home.dir().join("coven.sock").exists(),
        "the socket is stale"
    );
    assert_eq!(home.text(["run", "sh", "echo again"]), "again\n");
    assert_ne!(pid(&home), process);
}

#[test]
fn a_daemon_file_that_is_not_so_is_mended_or_cleared() {
    let home = Home::new();
    let file = home.dir().join("daemon.json");
    home.text(["daemon", "start"]);
    let told = fs::read(&file).unwrap();
    let stale = "{\"pid\":1,\"startedAt\":\"x\",\"socket\":\"y\"}\n";
    for (wrong, command) in [
        (stale, &["sessions"][..]),
        ("{ half", &["daemon", "start"]),
        ("", &["daemon", "status"]),
    ] {
        fs::write(&file, wrong).unwrap();
        home.text(command.iter().copied());
        assert_eq!(fs::read(&file).unwrap(), told, "{command:?}");
    }
    fs::write(&file, "rubbish").unwrap();
    let process = pidfd_open(told_pid(&told), PidfdFlags::empty()).unwrap();
    kill_process(told_pid(&told), Signal::TERM).unwrap();
    let patience = Timespec::try_from(PATIENCE).unwrap();
    poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience)).unwrap();
    assert!(!file.exists(), "its daemon left it");
    for (command, status) in [("status", 122), ("stop", 0)] {
        fs::write(&file, stale).unwrap();
        let output = home.output(["daemon", command]);
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        assert!(!file.exists(), "{command}");
    }
}

fn told_pid(daemon_file: &[u8]) -> Pid {
    let told: serde_json::Value = serde_json::from_slice(daemon_file).unwrap();
    Pid::from_raw(i32::try_from(told["pid"].as_i64().unwrap()).unwrap()).unwrap()
}

#[test]
fn a_path_too_long_for_a_socket_is_told_before_anything_is_made() {
    let home = Home::new();
    let long = home.dir().join("x".repeat(120));
    let long = long.display().to_string();
    let said = home.refused(2, ["--home", &long, "run", "sh", "true"]);
    assert!(said.contains("COVEN_HOME"), "{said}");
    assert!(!std::path::Path::new(&long).exists());
}

#[test]
fn a_daemon_that_cannot_start_says_why() {
    let home = Home::new();
    fs::write(home.dir().join("config.toml"), "log = \"loud\"\n").unwrap();
    let said = home.refused(2, ["daemon", "start"]);
    assert!(said.contains("loud"), "{said}");
    fs::remove_file(home.dir().join("config.toml")).unwrap();
    fs::write(home.dir().join("format"), "1\n").unwrap();
    fs::write(home.dir().join("coven.redb"), "not a log").unwrap();
    let said = home.refused(122, ["daemon", "start"]);
    assert!(said.contains("could not be started"), "{said}");
    assert_eq!(
        fs::read(home.dir().join("coven.redb")).unwrap(),
        b"not a log"
    );
    fs::remove_file(home.dir().join("coven.redb")).unwrap();
}

#[test]
fn another_version_is_told_in_one_line() {
    let home = Home::new();
    let fake = FakeDaemon::start(&home.dir(), "99.0.0");
    for args in [&["sessions", "--json"][..], &["daemon", "status"]] {
        let output = home.output(args.iter().copied());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{args:?}: {said}");
        assert!(
            said.contains("99.0.0") && said.contains("coven daemon restart"),
            "{args:?}: {said}"
        );
    }
    fake.stop();
}

#[test]
fn a_log_that_cannot_be_folded_is_told_with_the_reason_and_not_as_load() {
    let home = Home::new();
    let stuck = "what is written cannot be moved out of the journal: the log is damaged: a page";
    let fake = FakeDaemon::writing(&home.dir(), "pressured", stuck);
    let status = home.text(["daemon", "status"]);
    assert!(status.contains(stuck), "{status}");
    let doctor = home.output(["doctor"]);
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert_eq!(doctor.status.code(), Some(1), "{said}");
    for what in [stuck, "coven doctor --store"] {
        assert!(said.contains(what), "{said}");
    }
    fake.stop();

    let fake = FakeDaemon::writing(&home.dir(), "pressured", "the disk is full");
    let said = String::from_utf8(home.output(["doctor"]).stdout).unwrap();
    assert!(said.contains("faster than the disk"), "{said}");
    fake.stop();
}

#[test]
fn what_is_no_daemon_is_told_as_such() {
    let home = Home::new();
    let socket = home.dir().join("coven.sock");
    // It takes connections and closes them.
    let listener = UnixListener::bind(&socket).unwrap();
    let closing = std::thread::spawn(move || {
        // Asked how it is, and twice more: it may have ended meanwhile.
        for connection in listener.incoming().take(3) {
            drop(connection);
        }
    });
    let said = home.refused(122, ["sessions"]);
    assert!(said.contains("connection"), "{said}");
    closing.join().unwrap();
    fs::remove_file(socket).unwrap();
}

#[test]
fn a_log_that_is_a_link_is_not_followed() {
    let home = Home::new();
    let elsewhere = home.project().join("elsewhere");
    for name in ["daemon.log", "daemon.log.1"] {
        fs::write(&elsewhere, "mine\n").unwrap();
        std::os::unix::fs::symlink(&elsewhere, home.dir().join(name)).unwrap();
    }
    let said = home.refused(122, ["daemon", "start"]);
    assert!(said.contains("daemon.log"), "{said}");
    let said = home.refused(1, ["daemon", "logs"]);
    assert!(said.contains("daemon.log"), "{said}");
    assert_eq!(fs::read(&elsewhere).unwrap(), b"mine\n");
    // A full one is put aside over what is there, a link itself and not what it names.
    fs::remove_file(home.dir().join("daemon.log")).unwrap();
    fs::write(home.dir().join("daemon.log"), vec![b'x'; 10 << 20]).unwrap();
    home.text(["daemon", "start"]);
    let aside = fs::symlink_metadata(home.dir().join("daemon.log.1")).unwrap();
    assert!(aside.is_file());
    assert_eq!(fs::read(&elsewhere).unwrap(), b"mine\n");
}

#[test]
fn its_files_are_its_owners_alone() {
    let home = Home::new();
    home.text(["run", "sh", "true"]);
    for name in [
        "coven.sock",
        "daemon.json",
        "daemon.log",
        "coven.redb",
        "coven.redb.journal",
        "start.lock",
    ] {
        let mode = fs::metadata(home.dir().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}

#[test]
fn every_file_of_the_home_is_documented() {
    let document = include_str!("../../../docs/home.md");
    let home = Home::new();
    home.text(["run", "sh", "true"]);
    for entry in fs::read_dir(home.dir()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            document.contains(&format!("`{name}")),
            "docs/home.md says nothing of {name}"
        );
    }
}

#[test]
fn agents_get_the_limit_of_open_files_that_the_daemon_was_started_with() {
    let home = Home::new();
    let mut shell = Command::new("/bin/sh");
    shell.args([
        "-c",
        "ulimit -S -n 512; exec \"$COVEN\" run sh 'ulimit -S -n'",
    ]);
    let start = home.coven([]);
    for (name, value) in start.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    shell
        .env("COVEN", start.get_program())
        .current_dir(home.project());
    let output = shell.output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "512\n");
}
