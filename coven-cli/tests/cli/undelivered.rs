//! What was typed and accepted, and did not reach its agent, is told: once, before the session's end,
//! whoever died meanwhile.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::home::{Home, Running, end_at_once, eventually};

/// More than a terminal holds for an agent that does not read.
const LARGE_BYTES: usize = 100_000;

/// It reads five bytes, and no more.
const READS_FIVE: &str =
    "stty raw -echo; echo begun; head -c 5 >/dev/null; echo read; exec tail -f /dev/null";

/// An agent that has read one input, whole, and was typed two that it does not read.
fn that_reads_the_first_of_three(home: &Home) -> String {
    let id = home.launch(READS_FIVE);
    home.wait_for_output(&id, "begun");
    home.text(["input", "--raw", &id, "first"]);
    home.wait_for_output(&id, "read");
    for byte in ["x", "y"] {
        home.text(["input", "--raw", &id, &byte.repeat(LARGE_BYTES)]);
    }
    id
}

/// A session's events: of each its kind, and what it carries.
fn events(home: &Home, id: &str) -> Vec<(String, Value)> {
    let events = home.text(["events", "--json", id]);
    let events = events.lines().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        let payload = serde_json::from_str(event["payload_json"].as_str().unwrap()).unwrap();
        (event["kind"].as_str().unwrap().to_owned(), payload)
    });
    events.collect()
}

/// What is told of the inputs of a session: of each that is undelivered, its place among all of them, its
/// bytes, and how many were written. Asserts that it is told between the last of them and the end.
fn undelivered(home: &Home, id: &str) -> Vec<(usize, Value, Value)> {
    let events = events(home, id);
    let place = |kind: &str| events.iter().rposition(|event| event.0 == kind);
    let inputs = events.iter().filter(|event| event.0 == "input");
    let inputs: Vec<&Value> = inputs.map(|(_, input)| &input["id"]).collect();
    assert!(inputs.iter().all(|id| id.is_string()), "{inputs:?}");
    if let Some(last) = place("undelivered") {
        assert!(place("input") < Some(last));
        assert!(Some(last) < place("exit").or(place("status")), "{events:?}");
    }
    let told = events.iter().filter(|event| event.0 == "undelivered");
    let told = told.map(|(_, told)| {
        let input = inputs.iter().position(|input| **input == told["id"]);
        (
            input.expect("it is one of them"),
            told["bytes"].clone(),
            told["written"].clone(),
        )
    });
    let told: Vec<_> = told.collect();
    assert_eq!(home.record(id)["undelivered_inputs"], told.len());
    told
}

/// The second of three inputs was begun, and the third was not.
#[track_caller]
fn two_of_three_are_told(home: &Home, id: &str) {
    let told = undelivered(home, id);
    let [(1, bytes, written), third] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(*bytes, LARGE_BYTES);
    let written = written.as_u64().unwrap();
    assert!(
        (1..u64::try_from(LARGE_BYTES).unwrap()).contains(&written),
        "{written}"
    );
    assert_eq!(*third, (2, json!(LARGE_BYTES), json!(0)));
}

#[test]
fn what_an_agent_ended_without_having_been_typed_is_told_once_before_its_end_and_in_words() {
    let home = Home::new();
    let id = that_reads_the_first_of_three(&home);
    home.text(["kill", &id]);
    two_of_three_are_told(&home, &id);
    let shown = home.text(["show", &id]);
    assert!(shown.contains("2 inputs that did not reach it"), "{shown}");
    let events = home.text(["events", &id]);
    let not_typed = format!("an input of {LARGE_BYTES} bytes was not typed");
    assert!(events.contains(&not_typed), "{events}");
    assert!(events.contains("bytes only"), "{events}");
    let exported = home.text(["export", &id]);
    assert_eq!(exported.matches("\"undelivered\"").count(), 2);
}

#[test]
fn what_was_typed_before_a_takeover_is_not_told_and_what_was_not_is_told_once() {
    let home = Home::new();
    let id = that_reads_the_first_of_three(&home);
    for _ in 0..2 {
        home.kill_daemon();
        home.text(["daemon", "start"]);
    }
    home.text(["kill", &id]);
    two_of_three_are_told(&home, &id);
}

#[test]
fn what_an_agent_that_ended_while_no_daemon_ran_was_not_typed_is_told_by_the_next() {
    let home = Home::new();
    let id = that_reads_the_first_of_three(&home);
    let agent = home.record(&id)["pid"].as_u64().unwrap();
    home.kill_daemon();
    end_at_once(agent);
    home.wait_for_end(&id);
    two_of_three_are_told(&home, &id);
}

#[test]
fn of_what_a_shim_that_died_had_taken_it_is_told_that_nobody_knows() {
    for is_daemon_dead in [false, true] {
        let home = Home::new();
        let id = that_reads_the_first_of_three(&home);
        let shim = home.shim_of(&id);
        if is_daemon_dead {
            home.kill_daemon();
        }
        end_at_once(shim);
        home.wait_for_end(&id);
        assert_eq!(home.record(&id)["status"], "orphaned");
        let of = |input: usize| (input, json!(LARGE_BYTES), Value::Null);
        assert_eq!(undelivered(&home, &id), [of(1), of(2)]);
        let events = home.text(["events", &id]);
        assert!(events.contains("nobody knows"), "{events}");
    }
}

#[test]
fn what_is_on_record_and_was_not_given_to_a_shim_that_died_is_told_to_be_untyped() {
    let home = Home::new();
    // Who types into a pipe asks no shim whether that is shown, before it is on record.
    let agent = home.project().join("claude");
    fs::write(
        &agent,
        "#!/bin/sh\nread line; echo begun; exec tail -f /dev/null\n",
    )
    .unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o700)).unwrap();
    let mut launch = home.coven(["run", "--mode", "stream", "--detach", "claude", "hi"]);
    let path = std::env::var("PATH").unwrap();
    launch.env("PATH", format!("{}:{path}", home.project().display()));
    let launched = launch.output().unwrap();
    assert!(launched.status.success(), "{launched:?}");
    let id = String::from_utf8(launched.stdout).unwrap();
    let id = id.trim_end();
    home.wait_for_output(id, "begun");
    let shim = home.shim_of(id);
    let pid = Pid::from_raw(i32::try_from(shim).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let typing = Running::start(home.coven(["input", id, "hello"]));
    eventually("it is on record", || {
        let events = events(&home, id);
        events.iter().any(|event| event.0 == "input").then_some(())
    });
    end_at_once(shim);
    home.wait_for_end(id);
    let (code, _) = typing.end();
    assert_ne!(code, 0);
    let told = undelivered(&home, id);
    assert!(
        matches!(&told[..], [(0, _, written)] if *written == 0),
        "{told:?}"
    );
}

/// Asks for an input by its key; gives the status, and the body.
fn input(home: &Home, id: &str, key: &str, data: &str) -> (u16, Value) {
    let body = json!({ "data": data }).to_string();
    let request = format!(
        "POST /api/v1/sessions/{id}/input HTTP/1.1\r\nhost: x\r\nidempotency-key: {key}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = UnixStream::connect(home.dir().join("coven.sock")).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

#[test]
fn an_input_that_is_asked_for_again_after_the_end_is_refused_if_it_is_undelivered_and_else_is_not()
{
    let home = Home::new();
    let id = home.launch(READS_FIVE);
    home.wait_for_output(&id, "begun");
    let large = "x".repeat(LARGE_BYTES);
    let inputs = [("one", "first"), ("two", &large), ("three", "y")];
    for (key, data) in inputs {
        assert_eq!(input(&home, &id, key, data).0, 202);
    }
    home.wait_for_output(&id, "read");
    home.text(["kill", &id]);
    // The next daemon says the same.
    for _ in 0..2 {
        assert_eq!(input(&home, &id, "one", "first").0, 202);
        let (status, body) = input(&home, &id, "three", "y");
        assert_eq!(
            (status, &body["error"]["code"]),
            (409, &json!("input_undelivered"))
        );
        let details = json!({"sessionId": id, "bytes": 1, "written": 0});
        assert_eq!(body["error"]["details"], details);
        let (status, body) = input(&home, &id, "four", "z");
        assert_eq!(
            (status, &body["error"]["code"]),
            (409, &json!("session_not_live"))
        );
        home.text(["daemon", "restart"]);
    }
}
