//! Commands where no daemon runs: after a reboot, and before the first session.

use std::fs;

use crate::home::Home;

/// A home with a session in it, as a restart of the machine leaves it: no daemon runs.
fn after_a_restart() -> Home {
    let home = Home::new();
    home.text(["run", "sh", "echo before"]);
    home.text(["daemon", "stop"]);
    home
}

#[test]
fn what_happened_can_be_read_without_starting_a_daemon_first() {
    for args in [
        &["sessions"][..],
        &["show", "@last"],
        &["log", "@last"],
        &["events", "@last"],
    ] {
        let home = after_a_restart();
        let text = home.text(args.iter().copied());
        assert!(text.contains("before"), "{args:?}: {text}");
        assert!(home.daemon_pid().is_some(), "{args:?}");
    }
}

#[test]
fn a_command_about_a_session_reaches_a_daemon_that_it_starts() {
    for (args, status) in [
        (&["kill", "@last"][..], 124),
        (&["input", "@last", "x"], 124),
        (&["archive", "@last"], 0),
        (&["summon", "@last"], 0),
        (&["sacrifice", "@last", "--yes"], 0),
        (&["kill", "nobody"], 123),
    ] {
        let home = after_a_restart();
        let output = home.output(args.iter().copied());
        assert_eq!(output.status.code(), Some(status), "{args:?}: {output:?}");
        assert!(home.daemon_pid().is_some(), "{args:?}");
    }
}

#[test]
fn where_nothing_ever_ran_there_are_no_sessions_and_nothing_is_made() {
    let home = Home::new();
    fs::remove_dir_all(home.dir()).unwrap();
    let none = home.output(["sessions"]);
    assert!(none.status.success() && none.stdout.is_empty(), "{none:?}");
    assert_eq!(
        String::from_utf8(none.stderr).unwrap(),
        "coven: no sessions yet; start one with `coven run`\n"
    );
    let json = home.output(["sessions", "--all", "--json"]);
    assert_eq!(json.stdout, b"[]\n");
    assert!(json.stderr.is_empty(), "{json:?}");
    assert!(home.text(["harnesses"]).contains("codex"));
    for args in [
        &["show", "@last"][..],
        &["log", "x"],
        &["events", "@last"],
        &["kill", "x"],
        &["archive", "x"],
    ] {
        let said = home.refused(123, args.iter().copied());
        assert!(said.contains("no sessions yet"), "{args:?}: {said}");
    }
    assert!(!home.dir().exists());
}

#[test]
fn a_stopped_daemon_stays_stopped_for_who_asks_about_it() {
    let home = after_a_restart();
    for args in [
        &["daemon", "status"][..],
        &["daemon", "logs"],
        &["daemon", "stop"],
        &["harnesses"],
        &["config", "show"],
        &["doctor"],
    ] {
        home.output(args.iter().copied());
        assert!(home.daemon_pid().is_none(), "{args:?}");
    }
}
