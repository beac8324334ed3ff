//! Commands whose daemon ends while they talk to it: they ask the next one, or do as without any.

use std::fs;

use crate::fake_daemon::FakeDaemon;
use crate::home::{ENDLESS, Home};
use crate::terminal::Terminal;

/// Commands about a session that has ended, and what they end with.
const COMMANDS: [(&[&str], i32); 17] = [
    (&["sessions"], 0),
    (&["sessions", "--json"], 0),
    (&["show", "ID"], 0),
    (&["log", "ID"], 0),
    (&["log", "--follow", "ID"], 0),
    (&["events", "ID"], 0),
    (&["events", "--follow", "ID"], 0),
    (&["export", "ID"], 0),
    (&["export", "ID", "-o", "exported"], 0),
    (&["resume", "--all", "--json"], 0),
    (&["prune", "--total-bytes", "1GB"], 0),
    (&["harnesses"], 0),
    (&["kill", "ID"], 124),
    (&["input", "ID", "x"], 124),
    (&["archive", "ID"], 0),
    (&["summon", "ID"], 0),
    (&["sacrifice", "ID", "--yes"], 0),
];

/// A home with a session that has ended, and no daemon.
fn home() -> (Home, String) {
    let home = Home::new();
    home.text(["run", "sh", "echo before"]);
    let id = home.record("@last")["id"].as_str().unwrap().to_owned();
    home.text(["daemon", "stop"]);
    (home, id)
}

/// What each command does on a home where `daemon` serves, which ends of the first question, is what it
/// does without.
fn each_does_as_without_a_daemon(daemon: impl Fn(&Home) -> FakeDaemon) {
    let (home, id) = home();
    for (args, status) in COMMANDS {
        let ending = daemon(&home);
        let named = |word| if word == "ID" { &*id } else { word };
        let output = home.output(args.iter().copied().map(named));
        assert_eq!(output.status.code(), Some(status), "{args:?}: {output:?}");
        ending.wait();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains("shutting down"), "{args:?}: {said}");
        assert!(!said.contains("broke"), "{args:?}: {said}");
        home.text(["daemon", "stop"]);
    }
}

#[test]
fn each_command_that_meets_a_daemon_which_begins_to_end_does_as_without_it() {
    each_does_as_without_a_daemon(|home| FakeDaemon::leaving(&home.dir()));
}

#[test]
fn each_command_whose_daemon_dies_of_the_first_question_does_as_without_it() {
    each_does_as_without_a_daemon(|home| FakeDaemon::dying_of_a_question(&home.dir()));
}

#[test]
fn a_live_session_whose_daemon_begins_to_end_is_attached_to_and_killed_by_the_next() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    home.text(["daemon", "stop"]);
    let leaving = FakeDaemon::leaving(&home.dir());
    let mut terminal = Terminal::run(&home.coven(["attach", &id]));
    terminal.wait_for("begun");
    leaving.wait();
    terminal.press(b"\x1cd");
    assert_eq!(terminal.end(), 120);
    home.text(["daemon", "stop"]);
    let leaving = FakeDaemon::leaving(&home.dir());
    assert_eq!(home.text(["kill", &id]), format!("{id} killed\n"));
    leaving.wait();
}

#[test]
fn what_was_done_by_a_daemon_that_dies_before_it_answers_is_told_as_done() {
    let (home, before) = (Home::new(), Home::new());
    home.text(["run", "sh", "echo before"]);
    let id = home.record("@last")["id"].as_str().unwrap().to_owned();
    for (args, path, told) in [
        (
            &["archive", &id][..],
            "/archive",
            format!("{id} archived\n"),
        ),
        (&["summon", &id], "/summon", format!("{id} summoned\n")),
        (
            &["sacrifice", &id, "--yes"],
            &id,
            format!("{id} sacrificed\n"),
        ),
    ] {
        let dying = FakeDaemon::losing_the_answer(&before.dir(), &home.dir(), path);
        assert_eq!(before.text(args.iter().copied()), told);
        dying.wait();
        fs::remove_file(before.dir().join("coven.sock")).unwrap();
    }
    home.refused(123, ["show", &id]);
}

#[test]
fn a_prune_whose_daemon_dies_before_it_answers_is_done_and_says_what_is_not_counted() {
    let (home, before) = (Home::new(), Home::new());
    home.text(["run", "sh", "seq 1 2000"]);
    let dying = FakeDaemon::losing_the_answer(&before.dir(), &home.dir(), "/prune");
    let output = before.output(["prune", "--total-bytes", "1"]);
    assert!(output.status.success(), "{output:?}");
    dying.wait();
    fs::remove_file(before.dir().join("coven.sock")).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("not counted here"), "{said}");
    let record = home.record("@last");
    assert!(record["trimmed_bytes"].as_u64().unwrap() > 0, "{record}");
}

#[test]
fn an_answer_that_breaks_off_is_told_whole_by_the_next_daemon_or_is_said_to_be_cut() {
    let (home, before) = (Home::new(), Home::new());
    home.text(["run", "sh", "seq 1 50000"]);
    let id = home.record("@last")["id"].as_str().unwrap().to_owned();
    let dying = |path| FakeDaemon::cutting_the_answer(&before.dir(), &home.dir(), path);
    let is_over = |dying: FakeDaemon| {
        dying.wait();
        fs::remove_file(before.dir().join("coven.sock")).unwrap();
    };
    let cut = dying("/output");
    assert!(before.text(["log", "--raw", &id]) == home.text(["log", "--raw", &id]));
    is_over(cut);
    let exported = home.text(["export", &id]);
    let cut = dying("/export");
    before.text(["export", &id, "-o", "exported"]);
    is_over(cut);
    let written = fs::read_to_string(before.project().join("exported")).unwrap();
    // The header says when it was exported.
    let all_but_header = |export: &str| export.split_once('\n').unwrap().1.to_owned();
    assert!(all_but_header(&written) == all_but_header(&exported));
    let cut = dying("/export");
    let output = before.output(["export", &id]);
    is_over(cut);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(122), "{said}");
    assert!(said.contains("not a whole export"), "{said}");
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(all_but_header(&exported).starts_with(&all_but_header(&told)));
    assert!(told.len() < exported.len());
}
