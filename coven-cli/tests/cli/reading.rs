//! `log`, `events` and `show`: reading what happened.

use serde_json::Value;

use crate::home::{ENDLESS, Home, Running};
use crate::terminal::Terminal;

/// Output that would steer a terminal, turn text around, or hide it.
const HOSTILE: &str = r"printf 'safe\033]0;title\007 \033]52;c;cm0=\033\\text\033[6n\033[?1049h\033P$q\033\\';
    printf '\n\302\233[31m \342\200\256exe.gpj\033[8mhidden\033[0m\a\n'; printf '\033[32mgreen\033[0m\n'";

#[test]
fn a_log_is_readable_text_and_nothing_in_it_steers_a_terminal() {
    let home = Home::new();
    home.output(["run", "sh", HOSTILE]);
    let log = home.text(["log", "@last"]);
    assert_eq!(
        log,
        "safe text\n\n<U+009B>[31m <U+202E>exe.gpjhidden\ngreen\n"
    );
    let raw = home.output(["log", "--raw", "@last"]).stdout;
    assert!(raw.windows(9).any(|part| part == b"\x1b]0;title"));
}

#[test]
fn on_a_terminal_a_log_keeps_colours_and_no_other_sequence() {
    let home = Home::new();
    home.output(["run", "sh", HOSTILE]);
    let mut terminal = Terminal::run(&home.coven(["log", "@last"]));
    terminal.wait_for("safe text\r\n\r\n<U+009B>[31m <U+202E>exe.gpjhidden\r\n");
    terminal.wait_for("\x1b[0;38;5;2mgreen\x1b[0m");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_followed_log_goes_on_until_the_session_ends() {
    let home = Home::new();
    let id = home.launch("echo first; read line; echo \"then $line\"");
    let mut follow = Running::start(home.coven(["log", "--follow", &id]));
    follow.wait_for("first");
    home.text(["input", "--raw", &id, "more\r"]);
    follow.wait_for("then more");
    assert_eq!(follow.end().0, 0);
}

#[test]
fn a_followed_log_left_with_ctrl_c_leaves_the_session_running() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    let mut follow = Running::start(home.coven(["log", "--follow", &id]));
    follow.wait_for("begun");
    follow.signal(rustix::process::Signal::INT);
    assert_eq!(follow.end().0, 120);
    assert_eq!(home.record(&id)["status"], "running");
}

#[test]
fn every_reading_command_gives_json() {
    let home = Home::new();
    home.text(["run", "sh", "echo one; echo two"]);
    for args in [
        &["sessions", "--json"][..],
        &["show", "@last", "--json"],
        &["harnesses", "--json"],
        &["config", "show", "--json"],
        &["daemon", "status", "--json"],
    ] {
        home.json(args.iter().copied());
    }
    for args in [
        &["log", "@last", "--json"][..],
        &["events", "@last", "--json"],
        &["events", "@last", "--follow", "--json"],
        &["daemon", "logs", "--json"],
    ] {
        let text = home.text(args.iter().copied());
        assert!(text.lines().count() > 0, "{args:?}");
        for line in text.lines() {
            serde_json::from_str::<Value>(line).unwrap();
        }
    }
    let log = home.text(["log", "@last", "--json"]);
    assert_eq!(log, "{\"text\":\"one\"}\n{\"text\":\"two\"}\n");
}

#[test]
fn events_are_told_in_order_and_from_a_place() {
    let home = Home::new();
    home.text(["run", "sh", "echo hello"]);
    let text = home.text(["events", "@last"]);
    let kinds: Vec<&str> = text
        .lines()
        .map(|line| line.split_whitespace().nth(2).unwrap())
        .collect();
    assert_eq!(kinds.first(), Some(&"status"));
    assert_eq!(kinds.last(), Some(&"exit"));
    let first: u64 = text.split_whitespace().next().unwrap().parse().unwrap();
    let rest = home.text(["events", "@last", "--after", &first.to_string()]);
    assert_eq!(rest.lines().count(), text.lines().count() - 1);
}

#[test]
fn all_sessions_can_be_followed_at_once() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    let mut follow = Running::start(home.coven(["events", "--follow", "--after", "0"]));
    let id = home.launch("echo hello");
    follow.wait_for(&id);
    follow.wait_for("status 0");
    follow.signal(rustix::process::Signal::INT);
    assert_eq!(follow.end().0, 120);
}

#[test]
fn a_session_is_shown_whole() {
    let home = Home::new();
    home.output(["run", "--label", "blue", "--size", "100x30", "sh", "exit 9"]);
    let shown = home.text(["show", "@last"]);
    for part in [
        "exit 9",
        "failed with status 9",
        "blue",
        "100 × 30",
        "noninteractive",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn how_a_session_was_lost_is_told_in_words_and_as_a_code_in_json() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    home.lose(&id);
    assert_eq!(home.record(&id)["status"], "orphaned");
    for text in [home.text(["show", &id]), home.text(["events", &id])] {
        assert!(
            text.contains("the process that held its terminal died"),
            "{text}"
        );
        assert!(!text.contains("shim_died"), "{text}");
    }
    assert_eq!(home.record(&id)["orphan_reason"], "shim_died");
    assert!(home.text(["events", "--json", &id]).contains("shim_died"));
}
