//! A daemon that dies under somebody who works with an agent in a terminal.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::clis::Agent;
use crate::coven::COVEN;
use crate::eventually::eventually;
use crate::lab::Lab;
use crate::terminal::Terminal;

#[test]
#[ignore = "runs in the namespace"]
fn who_runs_codex_in_a_terminal_works_on_over_the_death_of_the_daemon() {
    works_on_over_the_death_of_the_daemon(Agent::Codex);
}

#[test]
#[ignore = "runs in the namespace"]
fn who_runs_claude_in_a_terminal_works_on_over_the_death_of_the_daemon() {
    works_on_over_the_death_of_the_daemon(Agent::Claude);
}

fn works_on_over_the_death_of_the_daemon(agent: Agent) {
    let lab = Lab::new(agent);
    let _coven = lab.coven();
    lab.model.will_say("first-answer");
    let mut run = Command::new(COVEN);
    run.args(["run", agent.id(), "the first prompt"])
        .env_clear()
        .envs(lab.home.env())
        .current_dir(lab.home.project());
    let mut terminal = Terminal::run(&run);
    terminal.wait_for("first-answer");

    for (turn, (word, answer)) in (2..).zip([("more", "second-answer"), ("yet", "third-answer")]) {
        let begun = Instant::now();
        kill_the_daemon(&lab);
        terminal.press(word.as_bytes());
        let shown = terminal.shown_up_to(word);
        // On a busy machine it may be away for long enough to be said.
        let may_say_so = begun.elapsed() >= Duration::from_secs(1);
        assert!(may_say_so || !shown.contains("coven"), "{shown:?}");
        lab.model.will_say(answer);
        terminal.press(b"\r");
        let shown = [shown, terminal.shown_up_to(answer)].concat();
        assert!(!shown.contains("\x1b[2J"), "all is drawn anew: {shown:?}");
        assert_eq!(lab.model.turn(turn).prompt(), word);
    }
}

/// Ends it where it stands.
fn kill_the_daemon(lab: &Lab) {
    let pid = eventually("the daemon's id", || {
        let said = std::fs::read_to_string(lab.home.coven_home().join("daemon.json")).ok()?;
        let said: serde_json::Value = serde_json::from_str(&said).ok()?;
        Pid::from_raw(i32::try_from(said["pid"].as_i64()?).ok()?)
    });
    kill_process(pid, Signal::KILL).expect("it runs");
}
