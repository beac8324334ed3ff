//! Going on with the conversations of sessions that have ended.

use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use crate::fake_daemon::FakeDaemon;
use crate::home::{ENDLESS, Home};
use crate::terminal::Terminal;

/// An agent that remembers: what it is told goes into a file of its conversation, in the directory
/// that it runs in. It says how it was started, with what model, and all that it was ever told.
/// In a terminal it then waits.
const AGENT: &str = r#"
model=none
case $1 in --model=*) model=${1#*=}; shift ;; esac
how=$1 said=$2.said
if [ "$3" = -- ]; then echo "$4" >>"$said"; fi
echo "$how, model $model: $(tr '\n' ';' <"$said")"
if [ -t 0 ]; then exec tail -f /dev/null; fi
"#;

/// A home with that agent, `memory`, in it.
pub(crate) fn home() -> Home {
    let home = Home::new();
    declare_memory(&home, "/bin/sh");
    home
}

pub(crate) fn declare_memory(home: &Home, executable: &str) {
    let agent = home.project().with_file_name("agent");
    fs::write(&agent, AGENT).unwrap();
    let args = |how| {
        let agent = agent.display();
        let model = r#"["--model={model}"]"#;
        format!(r#"["{agent}", {model}, "{how}", "{{conversation}}", "--", "{{prompt}}"]"#)
    };
    let (begin, again) = (args("begun"), args("again"));
    let manifest = format!(
        "id = \"memory\"\nexecutable = \"{executable}\"\ninstall_hint = \"install it\"\n\
         [interactive]\nargs = {begin}\nresume = {again}\n\
         [non_interactive]\nargs = {begin}\nresume = {again}\n"
    );
    fs::write(home.dir().join("harnesses/memory.toml"), manifest).unwrap();
}

/// Launches one in a terminal of its own that has said its first line; gives its id.
pub(crate) fn begin(home: &Home, prompt: &str) -> String {
    let args = ["run", "--mode", "interactive", "--detach", "memory", prompt];
    let id = home.text(args).trim_end().to_owned();
    home.wait_for_output(&id, "begun, model none");
    id
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn listed(home: &Home, args: &[&str]) -> Vec<String> {
    let all = ["resume", "--all", "--json"].iter().chain(args).copied();
    let list = home.json(all);
    let id = |session: &Value| session["id"].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(id).collect()
}

#[test]
fn a_conversation_goes_on_in_a_new_session_that_is_linked_to_the_old_one() {
    let home = home();
    let text = home.text(["run", "--title", "tests", "memory", "first"]);
    assert_eq!(text, "begun, model none: first;\n");
    let first = home.record("@last");
    let id = first["id"].as_str().unwrap();
    let text = home.text(["resume", &id[..13], "and the second"]);
    assert_eq!(text, "again, model none: first;and the second;\n");
    let second = home.record("@last");
    assert_eq!(second["continues"], first["id"]);
    assert_eq!(second["identity"], first["identity"]);
    // One that is not in a terminal does nothing unless it is told something.
    let text = home.text(["resume", "@last"]);
    assert_eq!(text, "again, model none: first;and the second;continue;\n");
    assert_eq!(home.record("@last")["continues"], second["id"]);
}

#[test]
fn a_conversation_that_is_gone_on_with_while_the_daemon_dies_goes_on_once() {
    let (home, before) = (home(), Home::new());
    home.text(["run", "memory", "first"]);
    let id = home.record("@last")["id"].as_str().unwrap().to_owned();
    let dying = FakeDaemon::losing_the_answer(&before.dir(), &home.dir(), "/sessions");
    let resumed = before.text(["resume", "--detach", &id, "second"]);
    dying.wait();
    fs::remove_file(before.dir().join("coven.sock")).unwrap();
    let sessions = home.json(["sessions", "--json"]);
    assert_eq!(sessions.as_array().unwrap().len(), 2);
    home.wait_for_end(resumed.trim_end());
    assert_eq!(
        home.text(["log", resumed.trim_end()]),
        "again, model none: first;second;\n"
    );
}

#[test]
fn what_a_session_was_is_what_the_one_that_goes_on_with_it_is() {
    let home = home();
    fs::create_dir(home.project().join("inner")).unwrap();
    let project = home.project().display().to_string();
    let line = "run --mode interactive --detach --size 101x37 --model some-model --label blue \
                --title named --cwd inner --project";
    let args = line.split(' ').chain([project.as_str(), "memory", "first"]);
    let id = home.text(args).trim_end().to_owned();
    home.wait_for_output(&id, "begun, model some-model: first;");
    home.power_cut();

    // From elsewhere, where nothing of it could be guessed.
    let resume = home
        .coven(["resume", "--detach", "--json", &id])
        .current_dir("/")
        .output();
    let resume = resume.unwrap();
    assert!(resume.status.success(), "{resume:?}");
    let new: Value = serde_json::from_slice(&resume.stdout).unwrap();
    let old = home.record(&id);
    assert_eq!(old["status"], "orphaned", "{old}");
    for key in [
        "project_root",
        "cwd",
        "harness",
        "title",
        "model",
        "launch_mode",
        "cols",
        "rows",
        "labels",
        "identity",
        "conversation_id",
    ] {
        assert_eq!(new[key], old[key], "{key}");
    }
    assert_eq!(
        (&new["continues"], &new["prompt"]),
        (&json!(id), &Value::Null)
    );
    let new = new["id"].as_str().unwrap();
    // It is opened, and told nothing.
    home.wait_for_output(new, "again, model some-model: first;");
    home.text(["kill", new]);
    // Nor does it have a prompt anywhere else.
    let export = home.text(["export", new]);
    assert!(export.contains(r#""prompt":null"#), "{export}");
    let (other, file) = (Home::new(), home.project().join("export.jsonl"));
    fs::write(&file, &export).unwrap();
    other.text(["import", file.to_str().unwrap()]);
    assert_eq!(other.record(new)["prompt"], Value::Null);
}

#[test]
fn in_a_terminal_the_conversation_is_open_again_and_live() {
    let home = home();
    begin(&home, "first");
    home.power_cut();
    let mut terminal = Terminal::run(&home.coven(["resume", "@last"]));
    terminal.wait_for("again, model none: first;");
    terminal.press(b"\x1cd");
    terminal.wait_for("detached");
    assert_eq!(terminal.end(), 120);
    home.text(["kill", "@last"]);
}

#[test]
fn what_cannot_be_gone_on_with_is_refused_with_what_to_do() {
    let home = home();
    let live = home.launch(ENDLESS);
    let told = home.refused(124, ["resume", &live]);
    assert!(
        told.contains("has not ended") && told.contains("coven attach"),
        "{told}"
    );
    home.text(["kill", &live]);
    let told = home.refused(124, ["resume", &live]);
    assert!(told.contains("has no conversation that is known"), "{told}");
    assert!(told.contains("coven log"), "{told}");

    crate::sessions::register(&home, "elsewhere");
    let told = home.refused(124, ["resume", "elsewhere"]);
    assert!(told.contains("is external"), "{told}");
    let told = home.refused(123, ["resume", "nobody"]);
    assert!(told.contains("no session is called nobody"), "{told}");
    for (args, word) in [
        (&["resume"][..], "the session is missing"),
        (&["resume", "--all", "one", "two"], "no session"),
        (&["resume", "@last", "--all"], "@last is no prompt"),
        (&["resume", "--since", "1d", &live], "--all"),
        (&["resume", "--yes", &live], "--all"),
        (&["resume", "--all", "--since", "1y"], "is no age"),
    ] {
        let told = home.refused(2, args.iter().copied());
        assert!(told.contains(word), "{args:?}: {told}");
    }

    home.text(["run", "memory", "first"]);
    let id = home.record("@last")["id"].as_str().unwrap().to_owned();
    let moved = home.project().with_file_name("moved");
    fs::rename(home.project(), &moved).unwrap();
    let gone = home
        .coven(["resume", &id])
        .current_dir("/")
        .output()
        .unwrap();
    fs::rename(&moved, home.project()).unwrap();
    assert_eq!(gone.status.code(), Some(124), "{gone:?}");
    let told = said(&gone);
    assert!(
        told.contains("does not exist") && told.contains("--continue"),
        "{told}"
    );

    home.text(["daemon", "stop"]);
    fs::remove_file(home.dir().join("harnesses/memory.toml")).unwrap();
    let told = home.refused(123, ["resume", &id]);
    assert!(
        told.contains("there is no harness \"memory\" any more"),
        "{told}"
    );
}

#[test]
fn where_nothing_ever_ran_there_is_nothing_to_resume() {
    let home = Home::new();
    let told = home.refused(123, ["resume", "@last"]);
    assert!(told.contains("no sessions yet"), "{told}");
    let all = home.output(["resume", "--all"]);
    assert!(all.status.success() && all.stdout.is_empty(), "{all:?}");
    assert_eq!(home.text(["resume", "--all", "--json"]), "[]\n");
    assert!(home.daemon_pid().is_none());
}

#[test]
fn all_that_were_lost_are_listed_newest_first_but_for_those_gone_on_with() {
    let home = home();
    home.text(["run", "memory", "not lost"]);
    let (first, second, third) = (
        begin(&home, "one"),
        begin(&home, "two"),
        begin(&home, "three"),
    );
    let unknown = home.launch(ENDLESS);
    home.power_cut();
    assert_eq!(listed(&home, &[]), [third.as_str(), &second, &first]);
    assert_eq!(listed(&home, &["--since", "1d"]).len(), 3);
    assert_eq!(listed(&home, &["--since", "0s"]), Vec::<String>::new());

    home.text(["archive", &first]);
    let again = home
        .text(["resume", "--detach", &third])
        .trim_end()
        .to_owned();
    assert_eq!(listed(&home, &[]), [second.as_str()]);
    // The last of a chain is offered, and so is one where the next did not even start.
    home.power_cut();
    assert_eq!(listed(&home, &[]), [again.as_str(), &second]);
    declare_memory(&home, "/nonexistent/agent");
    home.text(["daemon", "restart"]);
    home.refused(125, ["resume", "--detach", &again]);
    assert_eq!(listed(&home, &[]), [again.as_str(), &second]);

    // Without a terminal and a yes nothing is done.
    let list = home.output(["resume", "--all"]);
    assert!(list.status.success(), "{list:?}");
    let (table, told) = (String::from_utf8(list.stdout.clone()).unwrap(), said(&list));
    assert!(table.lines().nth(1).unwrap().contains("three"), "{table}");
    assert!(told.contains("nothing was resumed"), "{told}");
    assert!(
        told.contains(&format!("session {unknown} was lost and cannot be resumed")),
        "{told}"
    );
    assert_eq!(listed(&home, &[]).len(), 2);
}

#[test]
fn where_nothing_of_what_was_lost_can_be_resumed_it_is_not_said_that_nothing_was_lost() {
    let home = Home::new();
    let none = said(&home.output(["resume", "--all"]));
    assert_eq!(none, "coven: there is no lost session to go on with\n");
    let unknown = [home.launch(ENDLESS), home.launch(ENDLESS)];
    home.power_cut();
    let told = said(&home.output(["resume", "--all"]));
    for id in &unknown {
        let one = format!("session {id} was lost and cannot be resumed");
        assert!(told.contains(&one), "{told}");
    }
    assert!(!told.contains("no lost session"), "{told}");
    assert!(
        told.ends_with("coven: there is no other lost session, so none was resumed\n"),
        "{told}"
    );
}

#[test]
fn with_a_yes_all_that_were_lost_go_on_and_one_that_cannot_spares_the_others() {
    let home = home();
    let first = begin(&home, "one");
    fs::create_dir(home.project().join("inner")).unwrap();
    let args = "run --mode interactive --detach --cwd inner memory two".split(' ');
    let gone = home.text(args).trim_end().to_owned();
    home.wait_for_output(&gone, "begun");
    let third = begin(&home, "three");
    home.power_cut();
    fs::remove_dir_all(home.project().join("inner")).unwrap();

    let all = home.output(["resume", "--all", "--yes", "go on"]);
    assert_eq!(all.status.code(), Some(124), "{all:?}");
    assert!(said(&all).contains(&gone), "{all:?}");
    let lines = String::from_utf8(all.stdout.clone()).unwrap();
    let lines: Vec<Vec<&str>> = lines
        .lines()
        .map(|line| line.split(' ').collect())
        .collect();
    for (line, (old, told)) in lines.iter().zip([(&third, "three"), (&first, "one")]) {
        assert_eq!(line[1..], ["continues", old.as_str()], "{lines:?}");
        home.wait_for_output(line[0], &format!("again, model none: {told};go on;"));
        home.text(["kill", line[0]]);
    }
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(listed(&home, &[]), [gone]);
}

#[test]
fn on_a_terminal_it_asks_which_of_those_that_were_lost_go_on() {
    let home = home();
    let (first, second) = (begin(&home, "one"), begin(&home, "two"));
    home.power_cut();
    for (answer, status) in [(&b"\r"[..], 0), (b"7\r", 2)] {
        let mut terminal = Terminal::run(&home.coven(["resume", "--all"]));
        terminal.wait_for("Resume which?");
        terminal.press(answer);
        assert_eq!(terminal.end(), status);
        assert_eq!(listed(&home, &[]), [second.as_str(), &first]);
    }
    let mut terminal = Terminal::run(&home.coven(["resume", "--all"]));
    terminal.wait_for("Resume which?");
    terminal.press(b"2\r");
    terminal.wait_for(&format!("continues {first}"));
    assert_eq!(terminal.end(), 0);
    assert_eq!(listed(&home, &[]), [second]);
    home.text(["kill", "@last"]);
}
