//! An agent that runs in a home and is of no session on record there, as after a log was put in place that is
//! older than the session.

use std::fs;

use rustix::process::{Pid, test_kill_process};

use crate::home::{ENDLESS, Home, end_at_once, eventually};

/// A home whose log does not know a session that runs: its id, its agent and its shim.
fn forgotten(home: &Home) -> (String, u64, u64) {
    home.text(["run", "sh", "echo something"]);
    home.text(["daemon", "stop"]);
    let log = ["coven.redb", "coven.redb.journal"].map(|name| home.dir().join(name));
    let older = log.each_ref().map(|file| fs::read(file).unwrap());
    let id = home.launch(ENDLESS);
    home.wait_for_output(&id, "begun");
    let agent = home.record(&id)["pid"].as_u64().unwrap();
    let shim = home.shim_of(&id);
    home.kill_daemon();
    for (file, bytes) in log.iter().zip(older) {
        fs::write(file, bytes).unwrap();
    }
    (id, agent, shim)
}

fn said(home: &Home, args: &[&str]) -> String {
    let output = home.output(args.iter().copied());
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    text.concat()
}

fn lives(pid: u64) -> bool {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    test_kill_process(pid).is_ok()
}

#[test]
fn an_agent_of_no_session_on_record_is_told_with_its_shim_and_how_to_end_it_until_it_is() {
    let home = Home::new();
    let (id, agent, shim) = forgotten(&home);
    home.text(["daemon", "start"]);
    let (named, end) = (
        format!("{id} (process {shim})"),
        format!("`kill -KILL {shim}`"),
    );
    let told = said(&home, &["sessions"]);
    assert!(told.contains(&named), "{told}");
    let told = said(&home, &["daemon", "status"]);
    assert!(told.contains(&named), "{told}");
    let told = home.json(["daemon", "status", "--json"]);
    let unrecorded = serde_json::json!([{"session": id, "pid": shim}]);
    assert_eq!(told["unrecorded"], unrecorded, "{told}");
    let told = said(&home, &["doctor"]);
    assert!(told.contains(&named) && told.contains(&end), "{told}");
    for daemon in ["the daemon has stopped", "no daemon runs"] {
        let told = home.refused(1, ["daemon", "stop", "--kill"]);
        assert!(told.contains(daemon), "{told}");
        assert!(told.contains(&named) && told.contains(&end), "{told}");
        assert!(lives(agent), "nobody knows what it is");
    }
    end_at_once(shim);
    eventually("it is hung up", || (!lives(agent)).then_some(()));
    assert_eq!(home.text(["daemon", "stop", "--kill"]), "no daemon runs\n");
    home.text(["daemon", "start"]);
    for args in [&["sessions"][..], &["daemon", "status"], &["doctor"]] {
        let told = said(&home, args);
        assert!(!told.contains(&id), "{told}");
    }
}

#[test]
fn sessions_on_record_are_not_told_to_be_unrecorded_nor_are_those_of_another_home() {
    let (home, other) = (Home::new(), Home::new());
    let id = home.launch(ENDLESS);
    let elsewhere = other.launch(ENDLESS);
    // As a copy of the other home has it.
    let folder = home.dir().join("spools").join(&elsewhere);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("lock"), "").unwrap();
    for args in [&["sessions"][..], &["daemon", "status"], &["doctor"]] {
        let told = said(&home, args);
        assert!(!told.contains("on record"), "{told}");
        assert!(!told.contains(&elsewhere), "{told}");
    }
    for (home, id) in [(&home, &id), (&other, &elsewhere)] {
        home.text(["kill", id]);
    }
}
