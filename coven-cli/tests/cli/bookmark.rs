//! A session that wrote very much is taken over as fast as one that wrote little: from its bookmark.

use std::fs;
use std::path::PathBuf;

use crate::home::{Home, eventually};

/// It writes several times what comes between two bookmarks, and then notes the lines that it reads.
const WRITES_MUCH: &str = "stty -echo; head -c 6000000 /dev/urandom | base64; echo ready >> heard; \
                           while read line; do echo $line >> heard; done";

/// Base64, in lines that end in two bytes.
const OUTPUT_BYTES: u64 = 8_210_528;

fn bookmark(home: &Home, id: &str) -> PathBuf {
    home.dir().join("spools").join(id).join("bookmark")
}

/// Waits until the session has heard all of this, and asserts that it was no more.
fn has_heard(home: &Home, all: &str) {
    eventually("it hears", || {
        let heard = fs::read_to_string(home.project().join("heard")).unwrap_or_default();
        assert!(all.starts_with(&heard), "{heard}");
        (heard == all).then_some(())
    });
}

/// A session that has a bookmark, whose daemon is dead.
fn bookmarked(home: &Home) -> String {
    fs::create_dir_all(home.dir()).unwrap();
    fs::write(home.dir().join("config.toml"), "log = \"debug\"\n").unwrap();
    let id = home.launch(WRITES_MUCH);
    has_heard(home, "ready\n");
    home.text(["input", &id, "one"]);
    has_heard(home, "ready\none\n");
    eventually("all is on record", || {
        (home.record(&id)["output_bytes"] == OUTPUT_BYTES).then_some(())
    });
    eventually("there is a bookmark", || {
        bookmark(home, &id).exists().then_some(())
    });
    home.kill_daemon();
    id
}

/// Has the session taken over, and is heard by it. Gives the bytes of its output that were heard again.
fn taken_over(home: &Home, id: &str) -> u64 {
    home.text(["input", id, "two"]);
    has_heard(home, "ready\none\ntwo\n");
    let log = fs::read_to_string(home.dir().join("daemon.log")).unwrap();
    let line = log
        .lines()
        .rfind(|line| line.contains("its log was heard again"));
    let bytes = line.unwrap().rsplit_once("heard_bytes=").unwrap().1;
    let bytes = bytes.split_whitespace().next().unwrap();
    bytes.parse().unwrap()
}

#[test]
fn a_session_that_wrote_much_is_heard_again_from_its_bookmark_on() {
    let home = Home::new();
    let id = bookmarked(&home);
    let heard = taken_over(&home, &id);
    assert!(heard < OUTPUT_BYTES / 2, "{heard} bytes");
    home.text(["kill", &id]);
    eventually("its folder is gone", || {
        (!bookmark(&home, &id).parent().unwrap().exists()).then_some(())
    });
}

#[test]
fn one_whose_bookmark_is_not_what_was_written_is_heard_again_from_its_beginning() {
    let home = Home::new();
    let id = bookmarked(&home);
    let mut bytes = fs::read(bookmark(&home, &id)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(bookmark(&home, &id), bytes).unwrap();
    assert_eq!(taken_over(&home, &id), OUTPUT_BYTES);
}
