//! Something that takes a daemon in where a session's shim should, and says nothing: the session is told to be
//! out of reach until the shim's socket is back, and can be killed.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use crate::amiss::{is_told_everywhere, is_told_nowhere};
use crate::home::{Home, eventually};

/// A session, the socket of its shim and where that was moved; and who listens in its place by the time that
/// a daemon comes.
fn listened_for(home: &Home) -> (String, PathBuf, PathBuf, UnixListener) {
    let id = home.launch("echo begun; while read line; do echo got $line; done");
    home.wait_for_output(&id, "begun");
    let folder = home.dir().join("spools").join(&id);
    let (socket, real) = (folder.join("socket"), folder.join("real"));
    home.kill_daemon();
    fs::rename(&socket, &real).unwrap();
    let silent = UnixListener::bind(&socket).unwrap();
    home.text(["daemon", "start"]);
    (id, socket, real, silent)
}

/// The lines of a daemon's log that tell of it.
fn logged(home: &Home) -> usize {
    let log = fs::read_to_string(home.dir().join("daemon.log")).unwrap();
    log.lines()
        .filter(|line| line.contains("says nothing"))
        .count()
}

#[test]
fn a_session_at_whose_socket_something_silent_listens_is_told_to_be_out_of_reach_until_it_is_mended()
 {
    let home = Home::new();
    let (id, socket, real, silent) = listened_for(&home);
    let _taken = silent.accept().unwrap();
    eventually("it is told", || {
        (home.record(&id)["out_of_reach_reason"] == "socket_silent").then_some(())
    });
    is_told_everywhere(&home, &id, "says nothing");
    assert_eq!(logged(&home), 1);
    let said = home.refused(122, ["input", &id, "hello\n"]);
    assert!(said.contains("says nothing"), "{said}");
    // It listens on.
    fs::rename(&real, &socket).unwrap();
    eventually("it is reached", || {
        home.record(&id)["out_of_reach"].is_null().then_some(())
    });
    is_told_nowhere(&home, &id);
    home.text(["input", &id, "again\n"]);
    home.wait_for_output(&id, "got again");
}

#[test]
fn a_kill_ends_a_session_at_whose_socket_something_silent_listens() {
    let home = Home::new();
    let (id, _, _, _silent) = listened_for(&home);
    home.text(["kill", &id]);
    let record = home.record(&id);
    assert_eq!(record["status"], "killed");
    assert!(!record["ended_at"].is_null());
}
