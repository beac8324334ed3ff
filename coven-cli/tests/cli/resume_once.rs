//! Who resumes the same conversation at the same time, and who asks again.

use serde_json::{Value, json};

use crate::home::Home;
use crate::resume::{begin, declare_memory, home};
use crate::terminal::Terminal;

/// The sessions that go on with one, newest first.
fn continuations(home: &Home, id: &str) -> Vec<String> {
    let sessions = home.json(["sessions", "--json"]);
    let next = sessions.as_array().unwrap().iter();
    let next = next.filter(|session| session["continues"] == json!(id));
    let id = |session: &Value| session["id"].as_str().unwrap().to_owned();
    next.map(id).collect()
}

/// `coven resume --all` that has looked what there is, and waits to be told which.
fn about_to_resume_all(home: &Home, prompt: &[&str]) -> Terminal {
    let args = ["resume", "--all"].iter().chain(prompt).copied();
    let terminal = Terminal::run(&home.coven(args));
    terminal.wait_for("Resume which?");
    terminal
}

fn resume(home: &Home, args: &[&str]) -> String {
    let args = ["resume", "--detach"].iter().chain(args).copied();
    home.text(args).trim_end().to_owned()
}

#[test]
fn two_who_resume_all_at_once_go_on_with_each_conversation_once() {
    let home = home();
    let (first, second) = (begin(&home, "one"), begin(&home, "two"));
    home.power_cut();
    // Both have seen the list before either resumes any of it.
    let mut both = [(); 2].map(|()| about_to_resume_all(&home, &[]));
    for terminal in &mut both {
        terminal.press(b"all\r");
    }
    for terminal in &mut both {
        terminal.wait_for(&format!("continues {first}"));
        assert_eq!(terminal.end(), 0);
    }
    for old in [first, second] {
        let next = continuations(&home, &old);
        assert_eq!(next.len(), 1, "{next:?}");
        home.text(["kill", &next[0]]);
    }
}

#[test]
fn who_resumes_one_while_another_resumes_all_goes_on_with_it_once() {
    let home = home();
    let lost = begin(&home, "one");
    home.power_cut();
    let mut all = about_to_resume_all(&home, &[]);
    let made = resume(&home, &[&lost]);
    all.press(b"all\r");
    all.wait_for(&format!("{made} continues {lost}"));
    assert_eq!(all.end(), 0);
    assert_eq!(continuations(&home, &lost), [made.as_str()]);
    home.text(["kill", &made]);
}

#[test]
fn who_would_have_told_a_conversation_something_else_is_told_which_session_was_made() {
    let home = home();
    let lost = begin(&home, "one");
    home.power_cut();
    let mut all = about_to_resume_all(&home, &["the docs"]);
    let made = resume(&home, &[&lost, "the tests"]);
    all.press(b"all\r");
    all.wait_for(&format!("coven attach {made}"));
    assert_eq!(all.end(), 124);
    assert_eq!(continuations(&home, &lost), [made.as_str()]);
    home.text(["kill", &made]);
}

#[test]
fn who_asks_again_once_it_is_there_has_a_second_one() {
    let home = home();
    let lost = begin(&home, "one");
    home.power_cut();
    let first = resume(&home, &[&lost]);
    let second = resume(&home, &[&lost]);
    assert_ne!(first, second);
    let made = continuations(&home, &lost);
    assert_eq!(made, [second, first]);
    for made in &made {
        home.text(["kill", made]);
    }
}

#[test]
fn a_conversation_goes_on_after_vain_tries_of_which_one_was_deleted() {
    let home = home();
    let lost = begin(&home, "one");
    home.power_cut();
    declare_memory(&home, "/nonexistent/agent");
    for _ in 0..2 {
        home.refused(125, ["resume", "--all", "--yes"]);
    }
    let vain = continuations(&home, &lost);
    assert_eq!(vain.len(), 2);
    home.text(["sacrifice", "--yes", &vain[1]]);
    declare_memory(&home, "/bin/sh");
    home.text(["daemon", "restart"]);
    let said = home.text(["resume", "--all", "--yes"]);
    let made = said.split(' ').next().unwrap();
    assert_ne!(made, vain[0]);
    home.wait_for_output(made, "again, model none: one;");
    home.text(["kill", made]);
}
