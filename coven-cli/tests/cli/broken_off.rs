//! `doctor --store --salvage` that does not come to its end: there is no log then, and everybody says so.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::home::{Home, Running, eventually};

/// So many lines that a salvage does not come to its end while it is killed.
const MANY: &str = "seq 1 500000";

/// A home with a session of some MB and another, as a daemon leaves it that is stopped; and their ids.
fn stopped() -> (Home, Vec<String>) {
    let home = Home::new();
    home.text(["run", "sh", MANY]);
    home.text(["run", "sh", "echo another"]);
    home.text(["daemon", "stop"]);
    let ids = ids(&home, &home.dir());
    assert_eq!(ids.len(), 2);
    (home, ids)
}

fn ids(home: &Home, of: &Path) -> Vec<String> {
    let of = of.to_str().unwrap();
    let sessions = home.json(["--home", of, "sessions", "--all", "--json", "--offline"]);
    let sessions = sessions.as_array().unwrap().iter();
    sessions
        .map(|it| it["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Whether there is anything of a log that is not whole, under whichever name.
fn is_begun(new: &Path) -> bool {
    let left = fs::read_dir(new).into_iter().flatten();
    let mut names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.any(|name| name.starts_with("coven.redb.salvage"))
}

/// Ends a salvage into `new` once it, or one before it, has begun to write; says how it ended, and what it said.
fn broken_off(home: &Home, new: &Path, signal: Signal) -> (i32, String) {
    let args = ["doctor", "--store", "--salvage", new.to_str().unwrap()];
    let mut salvage = Running::start(home.coven(args));
    salvage.wait_for_stderr("writing everything that is whole");
    eventually("the new log is begun", || is_begun(new).then_some(()));
    salvage.signal(signal);
    let ended = salvage.end();
    assert!(is_begun(new), "{ended:?}");
    assert!(!new.join("coven.redb").exists(), "{ended:?}");
    ended
}

fn is_refused(home: &Home, new: &str) {
    for (status, args) in [
        (122, ["sessions", "--all"].as_slice()),
        (122, &["run", "--detach", "sh", "echo one"]),
        (122, &["daemon", "start"]),
        (1, &["sessions", "--all", "--offline"]),
        (1, &["doctor", "--store"]),
    ] {
        let all = ["--home", new].into_iter().chain(args.iter().copied());
        let said = home.refused(status, all);
        assert!(said.contains("did not come to its end"), "{args:?}: {said}");
    }
    let looked = home.output(["--home", new, "doctor"]);
    let said = String::from_utf8(looked.stdout).unwrap();
    assert_eq!(looked.status.code(), Some(1), "{said}");
    assert!(said.contains("did not come to its end"), "{said}");
}

#[test]
fn a_salvage_that_is_broken_off_leaves_no_log_and_is_done_again_in_the_same_place() {
    let (home, all) = stopped();
    let new = home.project().join("new");
    let named = new.to_str().unwrap();
    let (code, said) = broken_off(&home, &new, Signal::KILL);
    assert_eq!(code, 137, "{said}");
    is_refused(&home, named);
    for (signal, ends_with) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (code, said) = broken_off(&home, &new, signal);
        assert_eq!(code, ends_with, "{said}");
        assert!(said.contains("salvage into it again"), "{said}");
        is_refused(&home, named);
    }
    home.text(["doctor", "--store", "--salvage", named]);
    assert_eq!(ids(&home, &new), all);
    home.text(["--home", named, "doctor", "--store"]);
    assert!(!is_begun(&new));
    let again = home.output(["doctor", "--store", "--salvage", named]);
    let said = String::from_utf8(again.stderr).unwrap();
    assert_eq!(again.status.code(), Some(1), "{said}");
    assert!(said.contains("exists and is not empty"), "{said}");
}
