//! A spool that somebody empties, cuts short, overwrites or makes unreadable while its session lives: the
//! session is told to be out of reach, with the word for it, until it is mended; and it can be killed.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::amiss::{is_told_everywhere, is_told_nowhere};
use crate::home::{Home, eventually};
use crate::permissions::coven_bound_by_modes;

/// It says each line that it is typed.
const ECHOES: &str = "echo begun; while read line; do echo got $line; done";

/// A session that runs, and all that there is of its spool.
fn launch(home: &Home) -> (String, PathBuf) {
    let id = home.launch(ECHOES);
    home.wait_for_output(&id, "begun");
    let folder = home.dir().join("spools").join(&id);
    let part = folder.join(format!("{:020}.spool", 1));
    (id, part)
}

#[track_caller]
fn comes_to_be(home: &Home, id: &str, wanted: Option<&str>) {
    eventually("what is amiss", || {
        (home.record(id)["out_of_reach_reason"].as_str() == wanted).then_some(())
    });
}

/// Puts other bytes in the place of a part's: behind the shim's back, and in the same file.
fn replace(part: &Path, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(part).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
}

/// Puts them back, and leaves what was written behind them meanwhile.
fn mend(part: &Path, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(part).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

/// Where the frame begins that comes after the part's head: the first record.
fn first_record(part: &[u8]) -> usize {
    let length = u32::from_le_bytes(*part.first_chunk().unwrap());
    10 + usize::try_from(length).unwrap()
}

/// What a daemon answers to this, as JSON.
fn post(home: &Home, path: &str, body: &Value) -> Value {
    let mut daemon = UnixStream::connect(home.dir().join("coven.sock")).unwrap();
    let body = body.to_string();
    let len_bytes = body.len();
    write!(
        daemon,
        "POST /api/v1/{path} HTTP/1.1\r\nhost: coven\r\ncontent-length: {len_bytes}\r\n\
         connection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    daemon.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[test]
fn a_spool_that_was_emptied_is_told_everywhere_with_its_word_until_it_is_mended() {
    let home = Home::new();
    let (id, part) = launch(&home);
    is_told_nowhere(&home, &id);
    home.kill_daemon();
    let whole = fs::read(&part).unwrap();
    replace(&part, b"");
    let first = home.record(&id);
    assert_eq!(first["out_of_reach_reason"], "spool_damaged", "{first}");
    is_told_everywhere(&home, &id, "is empty");
    let shown = home.text(["show", &id]);
    assert!(shown.contains("(spool_damaged)"), "{shown}");
    let said = home.refused(122, ["input", &id, "lost"]);
    assert!(said.contains(part.to_str().unwrap()), "{said}");
    assert!(said.contains("is empty"), "{said}");
    let typed = json!({"data": "lost\n"});
    let error = post(&home, &format!("sessions/{id}/input"), &typed);
    assert_eq!(error["error"]["code"], "runtime_unavailable", "{error}");
    let details = json!({"reason": "shim_silent", "outOfReach": "spool_damaged"});
    assert_eq!(error["error"]["details"], details, "{error}");
    mend(&part, &whole);
    comes_to_be(&home, &id, None);
    is_told_nowhere(&home, &id);
    home.text(["input", &id, "hello"]);
    home.wait_for_output(&id, "got hello");
    assert!(!home.text(["log", &id]).contains("got lost"));
}

#[test]
fn a_spool_that_was_cut_short_or_overwritten_is_told_until_it_is_mended() {
    let home = Home::new();
    let (id, part) = launch(&home);
    let changes: [fn(&mut Vec<u8>); 5] = [
        // A record without its end.
        |bytes| bytes.truncate(bytes.len() - 3),
        // The first two bytes of one.
        |bytes| bytes.truncate(first_record(bytes) + 2),
        // What is no record, where one begins.
        |bytes| {
            let first = first_record(bytes);
            bytes[first..].fill(0xff);
        },
        // As if something else had been written behind the start.
        |bytes| bytes.fill(0),
        // A bit.
        |bytes| *bytes.last_mut().unwrap() ^= 1,
    ];
    for (change, number) in changes.into_iter().zip(1..) {
        home.kill_daemon();
        let whole = fs::read(&part).unwrap();
        let mut changed = whole.clone();
        change(&mut changed);
        replace(&part, &changed);
        comes_to_be(&home, &id, Some("spool_damaged"));
        let shown = home.text(["show", &id]);
        let folder = part.parent().unwrap().to_str().unwrap();
        assert!(shown.contains("(spool_damaged)"), "{shown}");
        assert!(shown.contains(folder), "{shown}");
        mend(&part, &whole);
        comes_to_be(&home, &id, None);
        home.text(["input", &id, &number.to_string()]);
        home.wait_for_output(&id, &format!("got {number}"));
    }
}

#[test]
fn a_spool_that_may_not_be_read_is_told_until_it_may() {
    let Some((_directory, program)) = coven_bound_by_modes() else {
        return;
    };
    let home = Home::of(program);
    let (id, part) = launch(&home);
    let mode = |mode| fs::set_permissions(&part, Permissions::from_mode(mode)).unwrap();
    home.kill_daemon();
    mode(0o000);
    comes_to_be(&home, &id, Some("spool_unreadable"));
    is_told_everywhere(&home, &id, part.to_str().unwrap());
    let said = home.refused(122, ["input", &id, "lost"]);
    assert!(said.contains("cannot be read"), "{said}");
    mode(0o600);
    comes_to_be(&home, &id, None);
    is_told_nowhere(&home, &id);
    home.text(["input", &id, "hello"]);
    home.wait_for_output(&id, "got hello");
}

#[test]
fn a_kill_ends_a_session_whose_spool_was_emptied_and_nothing_is_told_of_that_any_more() {
    let home = Home::new();
    let (id, part) = launch(&home);
    home.kill_daemon();
    replace(&part, b"");
    comes_to_be(&home, &id, Some("spool_damaged"));
    home.text(["kill", &id]);
    let record = home.record(&id);
    assert_eq!(record["status"], "killed");
    assert!(!record["ended_at"].is_null(), "{record}");
    is_told_nowhere(&home, &id);
}
