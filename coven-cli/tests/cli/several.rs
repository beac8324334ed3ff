//! One command for several sessions.

use std::process::Command;

use crate::home::{ENDLESS, Home};

/// Its exit status, stdout and stderr.
fn told(home: &Home, args: &[&str]) -> (Option<i32>, String, String) {
    let output = home.output(args.iter().copied());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn ended(home: &Home) -> String {
    home.text(["run", "sh", "true"]);
    home.record("@last")["id"].as_str().unwrap().to_owned()
}

#[test]
fn sessions_that_cannot_be_killed_do_not_spare_the_others() {
    let home = Home::new();
    let over = ended(&home);
    let (first, second) = (home.launch(ENDLESS), home.launch(ENDLESS));
    let (status, out, said) = told(&home, &["kill", &first, "nobody", &over, &second]);
    assert_eq!(status, Some(123), "that of the first failure: {said}");
    assert_eq!(out, format!("{first} killed\n{second} killed\n"));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].contains("nobody"), "{said}");
    assert!(lines[1].contains(&over), "{said}");
    for id in [first, second] {
        assert!(home.record(&id)["ended_at"].is_string());
    }
}

#[test]
fn all_that_are_to_die_are_told_before_one_is_waited_for() {
    let home = Home::new();
    let grace = "kill_grace_ms = 3600000\n";
    std::fs::write(home.dir().join("config.toml"), grace).unwrap();
    let fifo = home.project().join("fifo");
    assert!(Command::new("mkfifo").arg(fifo).status().unwrap().success());
    // The first dies only once the second has.
    let first = home.launch("trap '' HUP TERM; echo ready; read line <fifo");
    let second = home.launch("trap 'echo bye >fifo; exit' HUP TERM; echo ready; read line");
    for id in [&first, &second] {
        home.wait_for_output(id, "ready");
    }
    let (status, out, said) = told(&home, &["kill", &first, &second]);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(out, format!("{first} killed\n{second} killed\n"));
}

#[test]
fn a_session_that_refuses_a_ritual_does_not_keep_it_from_the_others() {
    let home = Home::new();
    let over = ended(&home);
    let live = home.launch(ENDLESS);
    for (ritual, done) in [
        (&["archive"][..], "archived"),
        (&["summon"], "summoned"),
        (&["sacrifice", "--yes"], "sacrificed"),
    ] {
        let mut args = ritual.to_vec();
        args.extend([live.as_str(), "nobody", over.as_str()]);
        let (status, out, said) = told(&home, &args);
        assert!(out.ends_with(&format!("{over} {done}\n")), "{out}{said}");
        assert_eq!(status, Some(123), "{said}");
        assert!(said.lines().any(|line| line.contains("nobody")), "{said}");
        let refused = said.lines().any(|line| line.contains(&live));
        assert_eq!(refused, done != "summoned", "{said}");
    }
    home.refused(123, ["show", &over]);
    home.text(["kill", &live]);
}

#[test]
fn the_last_session_named_twice_is_one() {
    let home = Home::new();
    let (first, second) = (ended(&home), ended(&home));
    let (status, out, said) = told(&home, &["sacrifice", "@last", "@last", "--yes"]);
    assert_eq!(status, Some(123), "{said}");
    assert_eq!(out, format!("{second} sacrificed\n"));
    home.record(&first);
}

#[test]
fn nothing_is_sacrificed_without_a_yes_and_all_that_would_be_is_told() {
    let home = Home::new();
    let (first, second) = (ended(&home), ended(&home));
    let (status, out, said) = told(&home, &["sacrifice", &first, &second]);
    assert_eq!((status, out.as_str()), (Some(2), ""), "{said}");
    assert!(said.contains(&first) && said.contains(&second), "{said}");
    home.record(&first);
    home.record(&second);
}
