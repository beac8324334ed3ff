//! Listing, finding, hiding and deleting sessions.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use unicode_width::UnicodeWidthStr;

use crate::home::{ENDLESS, Home};
use crate::terminal::Terminal;

#[test]
fn sessions_are_listed_newest_first_and_filtered() {
    let home = Home::new();
    for script in ["echo one", "echo two; exit 1"] {
        home.output(["run", "sh", script]);
    }
    let all = home.json(["sessions", "--json"]);
    let titles: Vec<&str> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["title"].as_str().unwrap())
        .collect();
    assert_eq!(titles, ["echo two; exit 1", "echo one"]);
    let failed = home.json(["sessions", "--json", "--status", "failed"]);
    assert_eq!(failed.as_array().unwrap().len(), 1);
    let other = home.json(["sessions", "--json", "--harness", "codex"]);
    assert_eq!(other.as_array().unwrap().len(), 0);
    let here = home.json(["sessions", "--json", "--project", ".", "-n", "1"]);
    assert_eq!(here.as_array().unwrap().len(), 1);
    let elsewhere = home.json(["sessions", "--json", "--project", "/"]);
    assert_eq!(elsewhere.as_array().unwrap().len(), 0);
    let table = home.text(["sessions"]);
    assert!(table.starts_with("ID "), "{table}");
    assert!(
        table.contains("completed") && table.contains("echo one"),
        "{table}"
    );
}

#[test]
fn on_a_terminal_no_line_of_a_list_is_wider_than_it_however_wide_its_characters() {
    let home = Home::new();
    let title = "修复失败的测试".repeat(9);
    home.text(["run", "--title", &title, "sh", "true"]);
    let mut terminal = Terminal::run(&home.coven(["sessions"]));
    terminal.wait_for("TITLE\r\n");
    let line = terminal.line();
    assert!(line.ends_with('…'), "{line}");
    // A wide character takes two columns: one may be left.
    assert!((79..=80).contains(&line.width()), "{line}");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_list_whose_reader_leaves_ends_quietly() {
    let home = Home::new();
    home.text(["run", "sh", "true"]);
    let mut list = home
        .coven(["sessions"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A reader that is gone before the first line.
    drop(list.stdout.take());
    let output = list.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    assert_eq!(output.status.code(), Some(141));
}

#[test]
fn a_session_is_found_by_its_id_the_start_of_it_and_as_the_last() {
    let home = Home::new();
    let first = home.launch("echo one");
    let second = home.launch("echo two");
    for word in [second.as_str(), "@last"] {
        assert_eq!(home.record(word)["id"], second.as_str());
    }
    let shared = first
        .chars()
        .zip(second.chars())
        .take_while(|(a, b)| a == b)
        .count();
    assert_eq!(home.record(&first[..=shared])["id"], first.as_str());
    if shared > 0 {
        let said = home.refused(2, ["show", &first[..shared]]);
        assert!(
            said.contains("2 sessions") && said.contains(&first),
            "{said}"
        );
    }
    home.refused(123, ["show", "nobody"]);
    home.refused(2, ["show", "../health"]);
    home.refused(2, ["show", ""]);
}

#[test]
fn an_ambiguous_start_names_the_sessions_it_could_be() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    // External ids are their owner's to choose.
    for id in ["twin-a", "twin-b", "twin"] {
        register(&home, id);
    }
    let said = home.refused(2, ["show", "twin-"]);
    assert!(said.contains("twin-a") && said.contains("twin-b"), "{said}");
    assert_eq!(home.record("twin")["id"], "twin", "a whole id wins");
}

#[test]
fn what_a_list_calls_a_session_names_it_whatever_the_list_leaves_out() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    // As ids made within a minute do, they begin the same.
    for id in ["0198a0b1-aaaa", "0198a0b1-aaab", "0198a0b1-b", "0198a0b1"] {
        register(&home, id);
    }
    post(&home, "/sessions/0198a0b1-aaab/complete", "{}", "200");
    home.text(["archive", "0198a0b1-aaab"]);
    home.text(["run", "sh", "true"]);
    for filter in [
        &["-n", "4"][..],
        &["--harness", "sh"],
        &["--project", "/"],
        &["--all"],
    ] {
        let table = home.text(["sessions"].into_iter().chain(filter.iter().copied()));
        assert!(table.lines().count() > 1, "{filter:?}");
        for line in table.lines().skip(1) {
            let name = line.split_whitespace().next().unwrap();
            let id = home.record(name)["id"].as_str().unwrap().to_owned();
            assert!(id.starts_with(name), "{filter:?}: {name}");
        }
    }
}

#[test]
fn an_ended_session_is_archived_summoned_and_sacrificed() {
    let home = Home::new();
    home.text(["run", "sh", "echo gone"]);
    let id = home.record("@last")["id"].as_str().unwrap().to_owned();
    home.text(["archive", &id]);
    assert_eq!(
        home.json(["sessions", "--json"]).as_array().unwrap().len(),
        0
    );
    assert_eq!(
        home.json(["sessions", "--all", "--json"])
            .as_array()
            .unwrap()
            .len(),
        1
    );
    home.text(["summon", &id]);
    assert_eq!(
        home.json(["sessions", "--json"]).as_array().unwrap().len(),
        1
    );
    let said = home.refused(2, ["sacrifice", &id]);
    assert!(said.contains("--yes"), "{said}");
    home.text(["sacrifice", &id, "--yes"]);
    home.refused(123, ["show", &id]);
}

#[test]
fn what_a_sessions_state_forbids_is_told_as_such() {
    let home = Home::new();
    let id = home.launch("read line");
    home.refused(124, ["archive", &id]);
    home.refused(124, ["sacrifice", &id, "--yes"]);
    home.text(["kill", &id]);
    home.refused(124, ["kill", &id]);
    home.refused(124, ["input", &id, "hello"]);
}

#[test]
fn what_is_typed_reaches_the_agent_submitted_or_raw() {
    let home = Home::new();
    let id = home.text([
        "run",
        "--mode",
        "interactive",
        "--detach",
        "sh",
        "echo ready; read a; read b; echo \"<$a|$b>\"",
    ]);
    let id = id.trim_end();
    home.wait_for_output(id, "ready");
    home.text(["input", id, "-x one"]);
    home.text(["input", "--raw", id, "tw"]);
    home.text(["input", "--raw", id, "o\r"]);
    home.wait_for_end(id);
    let log = home.text(["log", id]);
    assert!(log.contains("<-x one|two>"), "{log}");
}

#[test]
fn what_is_piped_into_input_is_submitted_without_the_end_of_its_line() {
    let home = Home::new();
    let id = home.launch("echo ready; read a; read b; echo \"<$a|$b>\"");
    home.wait_for_output(&id, "ready");
    for line in ["one\n", "two\r\n"] {
        assert!(
            piped(&home, &["input", &id, "-"], line.as_bytes())
                .status
                .success()
        );
    }
    home.wait_for_end(&id);
    let log = home.text(["log", &id]);
    assert!(log.contains("<one|two>"), "{log}");
}

#[test]
fn what_cannot_be_input_is_told_as_what_it_is() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    let limit = 1 << 20;
    // A character that the limit would cut is not what is wrong with it.
    for (input, problem) in [
        (b"\xff\xfe".to_vec(), "not UTF-8"),
        (
            [vec![b'x'; limit], "é".into()].concat(),
            "over 1048576 bytes",
        ),
    ] {
        let output = piped(&home, &["input", "--raw", &id, "-"], &input);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(problem), "{said}");
    }
    home.text(["kill", &id]);
}

/// Runs it with this on stdin.
fn piped(home: &Home, args: &[&str], input: &[u8]) -> Output {
    let mut child = home
        .coven(args.iter().copied())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that does not want all of it ends before it is written.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

#[test]
fn harnesses_are_listed_as_a_launch_from_here_will_find_them() {
    let home = Home::new();
    let list = || -> serde_json::Value {
        let mut command = home.coven(["harnesses", "--json"]);
        let output = command.env("PATH", "/nowhere").output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let before = list();
    assert!(home.daemon_pid().is_none());
    home.text(["daemon", "start"]);
    let list = list();
    assert_eq!(before, list, "a daemon knows the same");
    let find = |id: &str| {
        list.as_array()
            .unwrap()
            .iter()
            .find(|h| h["id"] == id)
            .unwrap()
    };
    assert_eq!(find("codex")["available"], false);
    assert_eq!(find("sh")["available"], true);
    assert_eq!(find("sh")["source"], "manifest");
    assert!(home.text(["harnesses"]).contains("/bin/sh"));
}

#[test]
fn manifests_that_are_passed_over_are_named_beside_the_list() {
    let home = Home::new();
    fs::write(home.dir().join("harnesses/bad.toml"), "id = 7\n").unwrap();
    for daemon in ["stop", "start"] {
        home.text(["daemon", daemon]);
        for args in [&["harnesses"][..], &["harnesses", "--json"]] {
            let output = home.output(args.iter().copied());
            assert!(output.status.success(), "{output:?}");
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(said.contains("harnesses/bad.toml"), "{said}");
            assert!(String::from_utf8_lossy(&output.stdout).contains("/bin/sh"));
        }
    }
}

pub(crate) fn register(home: &Home, id: &str) {
    let body = format!(r#"{{"id":"{id}","projectRoot":"/","harness":"other"}}"#);
    post(home, "/sessions/external", &body, "201");
}

/// What the command line has no word for.
fn post(home: &Home, path: &str, body: &str, status: &str) {
    let script = format!(
        "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
         s.sendall(b'POST /api/v1{path} HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: {}\\r\\n\\r\\n{body}')\n\
         print(s.recv(99))",
        body.len()
    );
    let socket = home.dir().join("coven.sock");
    let output = Command::new("python3")
        .arg("-c")
        .arg(script)
        .arg(socket)
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&output.stdout).contains(status),
        "{output:?}"
    );
}

#[test]
fn what_is_no_session_is_shown_as_far_as_an_id_could_be_one() {
    let home = Home::new();
    home.text(["run", "sh", "true"]);
    let said = home.refused(2, ["show", &"x".repeat(100_000)]);
    assert!(said.contains("xxx\"… is no session"), "{said}");
    assert!(said.len() < 400, "{} bytes", said.len());
}
