//! `coven run` where stdin or stdout is no terminal.

use std::io::{Read, Write};
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::fake_daemon::FakeDaemon;
use crate::home::{ENDLESS, Home, Running};
use crate::terminal::Terminal;

#[test]
fn output_goes_to_stdout_as_the_agent_wrote_it_and_its_status_is_ours() {
    let home = Home::new();
    let script = r"printf 'a\nb\r\n\377\033[31mred\033[0m\n\000'; exit 7";
    let output = home.output(["run", "sh", script]);
    assert_eq!(output.stdout, b"a\nb\r\n\xff\x1b[31mred\x1b[0m\n\0");
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_large_output_arrives_whole() {
    let home = Home::new();
    let script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done";
    let text = home.text(["run", "sh", script]);
    let expected: String = (0..20_000).map(|i| format!("line {i}\n")).collect();
    assert!(
        text == expected,
        "{} of {} bytes",
        text.len(),
        expected.len()
    );
}

#[test]
fn a_signal_that_ended_the_agent_is_128_and_its_number() {
    let home = Home::new();
    let output = home.output(["run", "sh", "kill -KILL $$"]);
    assert_eq!(output.status.code(), Some(137), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("ended by signal 9"), "{said}");
    let followed = home.output(["log", "--follow", "@last"]);
    assert_eq!(String::from_utf8(followed.stderr).unwrap(), said);
}

#[test]
fn a_prompt_comes_from_stdin_byte_for_byte() {
    let home = Home::new();
    home.declare(
        "echo",
        "[\"-c\", \"printf %s \\\"$1\\\"\", \"--\", \"{prompt}\"]",
        "/bin/sh",
    );
    let prompt = "-n two\nlines 'and \"quotes\" $HOME ✓";
    let mut child = home
        .coven(["run", "--harness", "echo", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(prompt.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), prompt);
}

#[test]
fn a_prompt_on_stdin_that_is_no_text_is_refused_before_anything_starts() {
    let home = Home::new();
    let mut child = home
        .coven(["run", "sh", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"\xff\xfe").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(home.daemon_pid().is_none());
}

#[test]
fn the_agent_gets_the_callers_environment_even_from_an_older_daemon() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    let output = home
        .coven(["run", "sh", "echo $FRUIT in $PWD"])
        .env("FRUIT", "quince")
        .output()
        .unwrap();
    let project = home.project().canonicalize().unwrap();
    let expected = format!("quince in {}\n", project.display());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn a_project_and_a_directory_within_it_can_be_named() {
    let home = Home::new();
    let inner = home.project().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let project = home.project().display().to_string();
    let text = home.text([
        "run",
        "--project",
        &project,
        "--cwd",
        "inner",
        "--title",
        "in there",
        "sh",
        "pwd",
    ]);
    assert_eq!(
        text.trim_end(),
        inner.canonicalize().unwrap().display().to_string()
    );
    let record = home.record("@last");
    assert_eq!(record["title"], "in there");
    let outside = home.refused(2, ["run", "--project", &project, "--cwd", "/", "sh", "pwd"]);
    assert!(outside.contains("cwd"), "{outside}");
    // Nor does --cwd move the project that we are in.
    let outside = home.refused(2, ["run", "--cwd", "/", "sh", "pwd"]);
    assert!(outside.contains("cwd"), "{outside}");
}

#[test]
fn a_launch_that_is_refused_is_told_in_the_words_of_the_command_line() {
    let home = Home::new();
    let nowhere = home.project().join("nowhere").display().to_string();
    for (args, words) in [
        (&["--project", "nowhere"][..], "--project does not exist"),
        (&["--cwd", "nowhere"], "--cwd does not exist"),
        (&["--model", "a b"], "--model is not a model name: a b"),
        (&["--label", "a b"], "--label must"),
        (&["--size", "0x24"], "the columns of --size must be"),
        (&["--conversation", "a b"], "the conversation's id must"),
    ] {
        let mut line = vec!["run"];
        line.extend(args);
        line.extend(["sh", "true"]);
        let said = home.refused(2, line);
        assert!(said.contains(words), "{said}");
        let names_it = args[1] != "nowhere" || said.contains(&nowhere);
        assert!(names_it, "{said}");
    }
    let said = home.refused(2, ["run", "sh", " "]);
    assert!(said.contains("the prompt must not be blank"), "{said}");
}

#[test]
fn a_missing_program_says_how_to_install_it() {
    let home = Home::new();
    home.declare("ghost", "[\"--\", \"{prompt}\"]", "no-such-program");
    let said = home.refused(125, ["run", "ghost", "boo"]);
    assert!(said.contains("install ghost first"), "{said}");
    assert_eq!(home.record("@last")["status"], "failed");
    let shown = home.text(["show", "@last"]);
    let reason = shown.lines().find(|line| line.starts_with("reason "));
    assert!(
        reason.is_some_and(|reason| reason.contains("no-such-program")),
        "{shown}"
    );
}

#[test]
fn an_unknown_harness_is_told_with_those_there_are() {
    let home = Home::new();
    let said = home.refused(123, ["run", "codx", "boo"]);
    assert!(said.contains("codex") && said.contains("sh"), "{said}");
}

#[test]
fn a_harness_that_is_named_has_no_other_asked_for_its_version() {
    let home = Home::new();
    let asked = home.project().join("asked");
    let spy = home.project().join("spy");
    let script = format!("#!/bin/sh\necho \"$@\" >>{}\n", asked.display());
    std::fs::write(&spy, script).unwrap();
    std::fs::set_permissions(&spy, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    home.declare("spy", "[\"{prompt}\"]", &spy.display().to_string());
    home.text(["run", "sh", "true"]);
    home.text(["run", "--harness", "sh", "true"]);
    let by_env = home
        .coven(["run", "true"])
        .env("COVEN_HARNESS", "sh")
        .output();
    assert!(by_env.unwrap().status.success());
    std::fs::write(home.dir().join("config.toml"), "harness = \"sh\"\n").unwrap();
    home.text(["run", "true"]);
    assert!(!asked.exists(), "{:?}", std::fs::read_to_string(&asked));
    // It would have told.
    home.text(["harnesses"]);
    assert_eq!(std::fs::read_to_string(&asked).unwrap(), "--version\n");
}

#[test]
fn the_only_installed_harness_is_the_default_and_the_configuration_wins() {
    let home = Home::new();
    let alone = |args: &[&str]| {
        let mut command = home.coven(args.iter().copied());
        command.env("PATH", "/nowhere").output().unwrap()
    };
    let output = alone(&["run", "echo only me"]);
    assert_eq!(output.stdout, b"only me\n", "{output:?}");
    home.declare(
        "other",
        "[\"-c\", \"echo other\", \"--\", \"{prompt}\"]",
        "/bin/sh",
    );
    home.text(["daemon", "restart"]);
    let output = alone(&["run", "echo which"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("name one"),
        "{output:?}"
    );
    std::fs::write(home.dir().join("config.toml"), "harness = \"other\"\n").unwrap();
    assert_eq!(alone(&["run", "echo which"]).stdout, b"other\n");
}

#[test]
fn a_forgotten_prompt_is_told_as_such() {
    let home = Home::new();
    let said = home.refused(2, ["run", "codex"]);
    assert!(said.contains("the prompt is missing"), "{said}");
}

#[test]
fn ctrl_c_leaves_the_session_running_and_says_how_to_find_it() {
    let home = Home::new();
    let mut run = Running::start(home.coven(["run", "sh", ENDLESS]));
    run.wait_for("begun");
    run.signal(Signal::INT);
    let (status, said) = run.end();
    assert_eq!(status, 120, "{said}");
    let record = home.record("@last");
    assert_eq!(record["status"], "running");
    assert!(said.contains(record["id"].as_str().unwrap()), "{said}");
}

#[test]
fn a_terminated_follow_leaves_the_session_running() {
    let home = Home::new();
    let mut run = Running::start(home.coven(["run", "sh", ENDLESS]));
    run.wait_for("begun");
    run.signal(Signal::TERM);
    assert_eq!(run.end().0, 143);
    assert_eq!(home.record("@last")["status"], "running");
}

#[test]
fn a_killed_session_ends_its_follow_with_the_signal() {
    let home = Home::new();
    // A shell that hears of the end of what it runs before its own signal exits by itself.
    let endless = "echo begun; exec tail -f /dev/null";
    let mut run = Running::start(home.coven(["run", "sh", endless]));
    run.wait_for("begun");
    let killed = home.text(["kill", "@last"]);
    assert!(killed.ends_with(" killed\n"), "{killed}");
    let (status, said) = run.end();
    assert!(status > 128, "{status}: {said}");
    assert!(said.contains("was killed, by signal"), "{said}");
    assert_eq!(home.record("@last")["status"], "killed");
}

#[test]
fn a_reader_that_leaves_ends_the_follow_quietly_and_not_the_session() {
    let home = Home::new();
    let mut child = home
        .coven(["run", "sh", "while :; do echo more; done"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 5];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    assert_eq!(home.record("@last")["status"], "running");
    home.text(["kill", "@last"]);
}

#[test]
fn detached_it_prints_only_the_id_and_returns_though_the_daemon_goes_on() {
    let home = Home::new();
    // Both pipes are read to their ends, which come only if the daemon let go of them: so
    // `ssh host coven run --detach` returns too.
    let output = home.output(["run", "--detach", "sh", ENDLESS]);
    assert!(output.stderr.is_empty(), "{output:?}");
    let id = String::from_utf8(output.stdout).unwrap();
    let id = id.strip_suffix('\n').unwrap();
    assert_eq!(home.record(id)["status"], "running");
    let record = home.json(["run", "--detach", "--json", "sh", "true"]);
    assert_eq!(record["harness"], "sh");
}

#[test]
fn events_are_printed_as_json_lines_and_the_status_is_still_the_agents() {
    let home = Home::new();
    let output = home.output(["run", "--json", "sh", "echo hello; exit 3"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.first().unwrap()["kind"], "status");
    assert_eq!(events.last().unwrap()["kind"], "exit");
}

#[test]
fn a_follow_whose_daemon_is_gone_and_cannot_be_started_ends_as_unreachable() {
    let home = Home::new();
    let mut run = Running::start(home.coven(["run", "sh", ENDLESS]));
    run.wait_for("begun");
    let config = home.dir().join("config.toml");
    std::fs::write(&config, "no_such_key = 1\n").unwrap();
    home.kill_daemon();
    let (status, said) = run.end();
    assert_eq!(status, 122, "{said}");
    assert!(said.contains("no_such_key"), "{said}");
    // The next daemon has it, as if nothing had been.
    std::fs::remove_file(&config).unwrap();
    home.text(["daemon", "start"]);
    assert_eq!(home.record("@last")["status"], "running");
}

#[test]
fn a_session_that_was_lost_is_told_with_the_reason() {
    const WHY: &str = "was lost: the process that held its terminal died while it ran";
    let home = Home::new();
    let mut run = Running::start(home.coven(["run", "sh", ENDLESS]));
    run.wait_for("begun");
    home.lose(home.record("@last")["id"].as_str().unwrap());
    let (status, said) = run.end();
    assert_eq!(status, 121, "{said}");
    assert_eq!(said.matches(WHY).count(), 1, "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let followed = home.output(["log", "--follow", "@last"]);
    assert!(followed.status.success(), "{followed:?}");
    assert_eq!(String::from_utf8(followed.stderr).unwrap(), said);
    let mut terminal = Terminal::run(&home.coven(["attach", "@last"]));
    terminal.wait_for(WHY);
    assert_eq!(terminal.end(), 121);
}

#[test]
fn a_conversation_is_begun_and_gone_on_with() {
    let home = Home::new();
    let manifest = "id = \"talker\"\nexecutable = \"/bin/sh\"\ninstall_hint = \"none\"\n\
        [non_interactive]\n\
        args = [\"-c\", \"echo new $1: $2\", \"sh\", \"{conversation}\", \"{prompt}\"]\n\
        resume = [\"-c\", \"echo again $1: $2\", \"sh\", \"{conversation}\", \"{prompt}\"]\n";
    std::fs::write(home.dir().join("harnesses/talker.toml"), manifest).unwrap();
    let begun = home.text(["run", "--conversation", "talk-1", "talker", "hello"]);
    assert_eq!(begun, "new talk-1: hello\n");
    let first = home.record("@last");
    assert_eq!(first["status"], "idle");
    // The harness and the project are the session's, wherever it is asked for.
    let more = home.text(["run", "--continue", "@last", "more"]);
    assert_eq!(more, "again talk-1: more\n");
    assert_eq!(home.record("@last")["harness"], "talker");
    assert_eq!(home.record("@last")["project_root"], first["project_root"]);
    assert_eq!(home.record("@last")["continues"], first["id"]);
    // An id that names no session is the harness's own.
    let more = home.text(["run", "--continue", "talk-1", "talker", "and more"]);
    assert_eq!(more, "again talk-1: and more\n");
    // Where nobody chose an id, it is what the harness was told, or told.
    let begun = home.text(["run", "talker", "hello"]);
    let id = begun
        .strip_prefix("new ")
        .unwrap()
        .split(':')
        .next()
        .unwrap();
    let more = home.text(["run", "--continue", "@last", "talker", "more"]);
    assert_eq!(more, format!("again {id}: more\n"));
    let over = home.record("@last")["id"].as_str().unwrap().to_owned();
    let said = home.refused(124, ["input", &over, "more"]);
    assert!(
        said.contains(&format!("coven run --continue {over}")),
        "{said}"
    );
    let other = home.refused(2, ["run", "--continue", "@last", "sh", "true"]);
    assert!(other.contains("talker's"), "{other}");
    let both = home.output([
        "run",
        "--continue",
        "x",
        "--conversation",
        "y",
        "talker",
        "z",
    ]);
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn a_launch_whose_daemon_dies_of_it_is_asked_of_the_next_under_its_key() {
    let home = Home::new();
    let dying = FakeDaemon::dying(&home.dir());
    assert_eq!(home.text(["run", "--harness", "sh", "echo once"]), "once\n");
    dying.wait();
    assert_eq!(
        home.json(["sessions", "--json"]).as_array().unwrap().len(),
        1
    );
}
