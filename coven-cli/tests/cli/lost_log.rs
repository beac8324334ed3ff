//! A home whose log is gone, both files of it: it is said, and no other is made in its place.

use std::fs;
use std::path::PathBuf;

use crate::home::{ENDLESS, Home};

/// Puts both files of a home's log away, or back.
fn rename(home: &Home, from: &str, to: &str) {
    for file in log(home) {
        let named = |end: &str| file.with_extension(format!("x{end}"));
        let [from, to] = [from, to].map(|end| match end {
            "" => file.clone(),
            end => named(end),
        });
        fs::rename(from, to).unwrap();
    }
}

fn log(home: &Home) -> [PathBuf; 2] {
    ["coven.redb", "coven.redb.journal"].map(|name| home.dir().join(name))
}

/// Whoever needs the log says that it is gone, each of these words, and makes none.
#[track_caller]
fn is_refused(home: &Home, words: &[&str]) {
    for (status, args) in [
        (122, &["sessions"][..]),
        (122, &["run", "--detach", "sh", "echo one"]),
        (122, &["daemon", "start"]),
        (122, &["log", "@last"]),
        (1, &["sessions", "--offline"]),
        (1, &["log", "@last", "--offline"]),
        (1, &["doctor", "--store"]),
        (1, &["daemon", "stop", "--kill"]),
    ] {
        let said = home.refused(status, args.iter().copied());
        for word in ["event log of", "is gone", "back from one copy"]
            .iter()
            .chain(words)
        {
            assert!(said.contains(word), "{args:?}: {word} is not in {said}");
        }
    }
    let looked = home.output(["doctor"]);
    assert_eq!(looked.status.code(), Some(1));
    let told = String::from_utf8(looked.stdout).unwrap();
    for word in ["BAD", "event log", "is gone"].iter().chain(words) {
        assert!(told.contains(word), "{word} is not in {told}");
    }
    for file in log(home) {
        assert!(!file.exists(), "{}", file.display());
    }
}

#[test]
fn a_log_that_is_gone_while_a_session_runs_is_told_with_it_by_all_and_once_it_is_back_it_is_taken_over()
 {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    home.wait_for_output(&id, "begun");
    let shim = home.shim_of(&id);
    home.kill_daemon();
    rename(&home, "", "away");
    let end = format!("`kill -KILL {shim}`");
    is_refused(&home, &[&id, &end, "spools away"]);
    // Whatever else is left beside it.
    fs::remove_file(home.dir().join("coven.redb.reserve")).unwrap();
    is_refused(&home, &[&id, &end, "spools away"]);
    rename(&home, "away", "");
    assert_eq!(home.record(&id)["status"], "running");
    assert_eq!(home.shim_of(&id), shim);
}

#[test]
fn where_a_log_was_and_nothing_runs_none_is_made_before_its_reserve_is_removed() {
    let home = Home::new();
    home.text(["run", "sh", "echo something"]);
    home.text(["daemon", "stop"]);
    rename(&home, "", "away");
    is_refused(&home, &["remove coven.redb.reserve"]);
    fs::remove_file(home.dir().join("coven.redb.reserve")).unwrap();
    let said = home.output(["sessions"]).stderr;
    assert!(String::from_utf8(said).unwrap().contains("no sessions yet"));
    home.text(["daemon", "start"]);
}
