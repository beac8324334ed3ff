//! Launches whose daemon dies before it has answered, wherever it is with them.

use std::fs;

use serde_json::{Value, json};

use crate::dying_daemon::DyingDaemon;
use crate::fake_daemon::FakeDaemon;
use crate::home::Home;
use crate::resume;

/// Where it is proven that nothing ran.
const NEVER_RAN: [&str; 3] = ["LaunchRecorded", "BeforeSpawn", "ShimStarted"];

/// An agent that can be counted.
const COUNTED: &str = "echo ran >> ../ran; echo up";

fn runs(home: &Home) -> usize {
    let ran = fs::read_to_string(home.project().join("../ran"));
    ran.unwrap_or_default().lines().count()
}

/// Runs it to its end: what it printed, what it said, and its status.
fn run(home: &Home, args: &[&str]) -> (String, String, Option<i32>) {
    let output = home.output(args.iter().copied());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    (stdout, stderr, output.status.code())
}

/// All sessions there are but this one.
fn others(home: &Home, id: &str) -> Vec<Value> {
    let mut sessions = home.json(["sessions", "--json"]);
    let mut sessions = std::mem::take(sessions.as_array_mut().unwrap());
    sessions.retain(|session| session["id"] != json!(id));
    sessions
}

#[test]
fn a_launch_whose_daemon_died_before_anything_ran_is_made_again_and_said_to_be() {
    for point in NEVER_RAN {
        let home = Home::new();
        let dying = DyingDaemon::at(&home, point);
        let (id, said, status) = run(&home, &["run", "--detach", "sh", COUNTED]);
        dying.has_died();
        let id = id.trim_end();
        assert_eq!(status, Some(0), "{point}: {said}");
        let [vain] = &others(&home, id)[..] else {
            panic!("{point}: {said}");
        };
        assert_eq!(vain["status"], "failed", "{point}");
        let vain = vain["id"].as_str().unwrap();
        assert_eq!(
            said,
            format!(
                "coven: session {vain} never ran: it was being started when its daemon ended; it is \
                 launched again\n"
            )
        );
        home.wait_for_output(id, "up");
        assert_eq!(runs(&home), 1, "{point}");
    }
}

#[test]
fn a_launch_whose_daemon_died_before_that_was_on_record_is_made_and_nothing_said() {
    for point in ["PlaceChecked", "FolderMade"] {
        let home = Home::new();
        let dying = DyingDaemon::at(&home, point);
        let (id, said, status) = run(&home, &["run", "--detach", "sh", COUNTED]);
        dying.has_died();
        assert_eq!((said.as_str(), status), ("", Some(0)), "{point}");
        let id = id.trim_end();
        assert!(others(&home, id).is_empty(), "{point}");
        home.wait_for_output(id, "up");
        assert_eq!(runs(&home), 1, "{point}");
    }
}

#[test]
fn a_launch_that_is_followed_is_made_again_like_one_that_is_not() {
    let home = Home::new();
    let dying = DyingDaemon::at(&home, "ShimStarted");
    let (shown, said, status) = run(&home, &["run", "sh", "echo once; exit 7"]);
    dying.has_died();
    assert_eq!((shown.as_str(), status), ("once\n", Some(7)), "{said}");
    assert!(said.contains("it is launched again"), "{said}");
}

#[test]
fn a_launch_that_may_have_run_when_its_daemon_died_is_not_made_again_and_fails() {
    for args in [
        &["run", "--detach", "sh", COUNTED][..],
        &["run", "sh", COUNTED],
    ] {
        let home = Home::new();
        let dying = DyingDaemon::without_shims_at(&home, "LaunchRecorded");
        let (shown, said, status) = run(&home, args);
        dying.has_died();
        assert_eq!((shown.as_str(), status), ("", Some(121)), "{said}");
        let [lost] = &others(&home, "")[..] else {
            panic!("{said}");
        };
        assert_eq!(lost["orphan_reason"], "launch_interrupted");
        let lost = lost["id"].as_str().unwrap();
        assert_eq!(
            said,
            format!(
                "coven: session {lost} was lost: its daemon died while it was being started; it may \
                 have run, so it was not launched again\n"
            )
        );
        assert_eq!(runs(&home), 0);
    }
}

#[test]
fn a_launch_that_ran_though_its_daemon_died_is_the_one_that_is_told() {
    let home = Home::new();
    let dying = DyingDaemon::at(&home, "ProcessMade");
    let (id, said, status) = run(&home, &["run", "--detach", "sh", COUNTED]);
    dying.has_died();
    assert_eq!((said.as_str(), status), ("", Some(0)));
    let id = id.trim_end();
    assert!(others(&home, id).is_empty());
    home.wait_for_output(id, "up");
    assert_eq!(runs(&home), 1);
}

#[test]
fn a_conversation_is_gone_on_with_though_a_daemon_died_of_that_before_anything_ran() {
    let home = resume::home();
    home.text(["run", "memory", "first"]);
    let id = home.record("@last")["id"].as_str().unwrap().to_owned();
    home.text(["daemon", "stop"]);
    let dying = DyingDaemon::at(&home, "ShimStarted");
    let (next, said, status) = run(&home, &["resume", "--detach", &id, "second"]);
    dying.has_died();
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("it is launched again"), "{said}");
    let next = next.trim_end();
    home.wait_for_end(next);
    let log = home.text(["log", next]);
    assert_eq!(log, "again, model none: first;second;\n");
    assert_eq!(home.record(next)["continues"], json!(id));
}

#[test]
fn a_launch_that_never_runs_is_asked_for_three_times_under_three_keys() {
    let (home, before) = (Home::new(), Home::new());
    let dying = DyingDaemon::at(&home, "ShimStarted");
    let (id, said, _) = run(&home, &["run", "--detach", "sh", "true"]);
    dying.has_died();
    let [vain] = &others(&home, id.trim_end())[..] else {
        panic!("{said}");
    };
    let vain = vain["id"].as_str().unwrap().to_owned();
    let fake = FakeDaemon::launching_in_vain(&before.dir(), &home.dir(), &vain);
    let (shown, said, status) = run(&before, &["run", "--detach", "sh", "true"]);
    let mut keys = fake.stop_and_tell();
    assert_eq!((shown.as_str(), status), ("", Some(125)), "{said}");
    assert_eq!(said.lines().count(), 3, "{said}");
    let last = said.lines().next_back().unwrap();
    let told = format!("coven: session {vain} could not be started: ");
    assert!(last.starts_with(&told), "{said}");
    assert_eq!(keys.len(), 3);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3);
}

#[test]
fn a_launch_that_failed_and_whose_answer_was_lost_is_told_to_have_failed_and_not_made_again() {
    let (home, before) = (Home::new(), Home::new());
    home.declare("absent", "[\"{prompt}\"]", "/nonexistent/agent");
    home.text(["daemon", "start"]);
    let fake = FakeDaemon::losing_the_answer(&before.dir(), &home.dir(), "/sessions");
    let (shown, said, status) = run(&before, &["run", "--detach", "absent", "x"]);
    fake.wait();
    assert_eq!((shown.as_str(), status), ("", Some(125)), "{said}");
    let [failed] = &others(&home, "")[..] else {
        panic!("{said}");
    };
    assert_eq!(failed["status"], "failed");
    let told = format!(
        "coven: session {} could not be started: ",
        failed["id"].as_str().unwrap()
    );
    assert!(
        said.starts_with(&told) && said.contains("/nonexistent/agent"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_launch_whose_daemon_dies_of_a_question_before_it_is_asked_of_the_next() {
    let home = resume::home();
    home.text(["run", "memory", "first"]);
    let id = home.record("@last")["id"].as_str().unwrap().to_owned();
    for more in [&["more"][..], &["--detach", "more"]] {
        home.text(["daemon", "stop"]);
        let dying = FakeDaemon::dying_of_a_question(&home.dir());
        home.text(["run", "--continue", &id].iter().chain(more).copied());
        dying.wait();
        assert_eq!(home.record("@last")["continues"], json!(id));
    }
    assert_eq!(others(&home, &id).len(), 2);
}

#[test]
fn a_resume_whose_daemon_dies_of_a_question_before_it_is_asked_of_the_next() {
    let home = resume::home();
    let id = resume::begin(&home, "first");
    for args in [
        &["resume", "--all", "--yes"][..],
        &["resume", "--detach", &id],
    ] {
        home.power_cut();
        let dying = FakeDaemon::dying_of_a_question(&home.dir());
        home.text(args.iter().copied());
        dying.wait();
        assert_eq!(home.record("@last")["continues"], json!(id));
    }
    assert_eq!(others(&home, &id).len(), 2);
}
