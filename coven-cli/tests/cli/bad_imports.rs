//! `import` of what is no export, and one that does not come to its end.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::home::Home;
use crate::portable::{assert_refused, comparable, import, import_into};

#[test]
fn whatever_is_wrong_with_an_export_is_told_with_its_line_and_nothing_is_left_of_it() {
    let home = Home::new();
    home.output(["run", "--label", "blue", "sh", "echo one; exit 3"]);
    let export = home.text(["export", "@last"]);
    home.text(["daemon", "stop"]);
    let lines: Vec<&str> = export.lines().collect();
    let with = |number: usize, change: &dyn Fn(&str) -> String| {
        let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        changed[number - 1] = change(lines[number - 1]);
        changed.join("\n") + "\n"
    };
    let replaced = |number: usize, from: &str, to: &str| {
        assert!(
            lines[number - 1].contains(from),
            "{from}: {}",
            lines[number - 1]
        );
        with(number, &|line| line.replacen(from, to, 1))
    };
    let output = 1 + lines
        .iter()
        .position(|line| line.contains("\"output\",\"offset\""))
        .unwrap();
    let last = lines.len();
    let without = |number: usize| {
        let kept = lines.iter().enumerate().filter(|(at, _)| at + 1 != number);
        kept.map(|(_, line)| format!("{line}\n"))
            .collect::<String>()
    };
    let swapped = {
        let mut lines = lines.clone();
        lines.swap(1, 2);
        lines.join("\n") + "\n"
    };
    let deep = "[".repeat(100_000);
    let bad: Vec<(String, String)> = vec![
        (String::new(), "line 1: it is missing".into()),
        ("{}\n".into(), "line 1: ".into()),
        ("\u{0}\u{1}\n".into(), "line 1: ".into()),
        (format!("{deep}\n"), "line 1: ".into()),
        (
            lines[1].to_owned() + "\n",
            "line 1: an export begins with a header".into(),
        ),
        (
            replaced(1, "coven-session", "other"),
            "line 1: its format is \"other\"".into(),
        ),
        (
            replaced(1, "\"version\":1", "\"version\":2"),
            "line 1: it has version 2".into(),
        ),
        (
            replaced(1, "\"version\":1", "\"version\":\"1\""),
            "line 1: ".into(),
        ),
        (
            replaced(1, "\"session\":\"", "\"session\":\"a/b"),
            "line 1: session must be".into(),
        ),
        (
            replaced(1, "\"session\":\"", "\"session\":\"x"),
            format!("line {last}: the lines are not"),
        ),
        (
            replaced(1, "\"outputBytes\":", "\"outputBytes\":9"),
            "line 1: it tells of 9".into(),
        ),
        (
            replaced(1, "\"status\":\"failed\"", "\"status\":\"killed\""),
            "line 1: it tells of a session".into(),
        ),
        (
            replaced(
                1,
                "\"redacted\":false",
                "\"redacted\":false,\"redacted\":false",
            ),
            "line 1: duplicate field".into(),
        ),
        (
            replaced(1, "\"redacted\"", "\"more\":1,\"redacted\""),
            "line 1: unknown field".into(),
        ),
        (
            replaced(2, "\"index\":0", "\"index\":1"),
            "line 2: the event's index is 1, and 0 is next".into(),
        ),
        (
            replaced(2, "\"index\":0", "\"index\":-1"),
            "line 2: ".into(),
        ),
        (
            replaced(2, "\"at\":\"2", "\"at\":\"never2"),
            "line 2: ".into(),
        ),
        (
            replaced(2, "\"kind\":\"created\"", "\"kind\":\"weather\""),
            "line 2: unknown variant".into(),
        ),
        (
            replaced(2, "\"cols\":", "\"cols\":99999"),
            "line 2: ".into(),
        ),
        (
            replaced(2, "\"prompt\":\"", "\"prompt\":\"  "),
            "line 2: prompt is not as a log has it".into(),
        ),
        (
            replaced(2, "\"prompt\":", "\"prompt\":\"a\",\"prompt\":"),
            "line 2: duplicate field".into(),
        ),
        (
            replaced(2, "\"blue\"", "\"not a label\""),
            "line 2: labels".into(),
        ),
        (swapped, "line 2: the event's index is 1".into()),
        (without(2), "line 2: the event's index is 1".into()),
        (without(output), format!("line {output}: the event's index")),
        (
            replaced(output, "\"offset\":0", "\"offset\":1"),
            format!("line {last}: "),
        ),
        (
            replaced(output, "\"offset\":0", "\"offset\":0,\"offset\":0"),
            format!("line {output}: duplicate field"),
        ),
        (
            replaced(output, "\"text\":\"", "\"base64\":\"*"),
            format!("line {output}: data is not base64"),
        ),
        (
            replaced(output, "one", "two"),
            format!("line {last}: the lines are not those"),
        ),
        (
            replaced(last, "\"events\":", "\"events\":1"),
            format!("line {last}: it counts"),
        ),
        (
            replaced(last, "\"sha256\":\"", "\"sha256\":\"0"),
            format!("line {last}: the lines are not"),
        ),
        (without(last), format!("line {last}: it is missing")),
        (
            export.trim_end().to_owned(),
            format!("line {last}: it is cut off"),
        ),
        (
            export[..export.find("\"prompt\"").unwrap()].to_owned(),
            "line 2: it is cut off".into(),
        ),
        (
            format!("{export}\n"),
            format!("line {}: there is more", last + 1),
        ),
        (
            format!("{export}{export}"),
            format!("line {}: there is more", last + 1),
        ),
    ];
    let other = Home::new();
    for (export, told) in &bad {
        let refused = import(&other, export);
        assert_refused(&refused, 2, told);
        assert_eq!(
            other.text(["sessions", "--all", "--json", "--offline"]),
            "[]\n",
            "{told}"
        );
    }
    // An event that cannot follow is told where it is, before all the rest.
    let mut lines = lines;
    let closed = lines
        .iter()
        .position(|line| line.contains("output_closed"))
        .unwrap();
    let line = lines[closed]
        .replace("output_closed", "titled")
        .replace("\"output\":\"complete\"", "\"title\":\"x\"");
    lines[closed] = &line;
    let export = lines.join("\n") + "\n";
    assert_refused(
        &import(&other, &export),
        2,
        &format!("line {}: ", closed + 2),
    );
}

#[test]
fn an_import_that_fails_leaves_no_home_that_it_made_and_one_that_was_there_as_it_was() {
    let home = Home::new();
    home.output(["run", "sh", "echo one"]);
    let export = home.text(["export", "@last"]);
    let cut = &export[..export.rfind("{\"end\"").unwrap()];
    let named = |id: &str| {
        let (first, rest) = export.split_once('\n').unwrap();
        let mut header: Value = serde_json::from_str(first).unwrap();
        header["header"]["session"] = json!(id);
        format!("{header}\n{rest}")
    };
    for name in ["new", "empty"] {
        let dir = home.dir().with_file_name(name);
        let other = dir.to_str().unwrap();
        if name == "empty" {
            fs::create_dir(&dir).unwrap();
        }
        let is_as_it_was = || match name {
            "new" => !dir.exists(),
            _ => fs::read_dir(&dir).unwrap().count() == 0,
        };
        assert!(!import_into(&home, other, cut).status.success());
        assert!(is_as_it_was(), "{name}");
        for id in [".", ".."] {
            let refused = import_into(&home, other, &named(id));
            assert_refused(&refused, 2, "line 1: session must be");
        }
        assert!(is_as_it_was(), "{name}");
        assert!(import_into(&home, other, &export).status.success());
        assert!(!import_into(&home, other, cut).status.success());
        let again = home.text(["--home", other, "export", "@last", "--offline"]);
        assert_eq!(comparable(&again), comparable(&export));
    }
}

#[test]
fn kill_9_in_the_middle_of_a_large_import_leaves_nothing_and_it_can_be_done_again() {
    let home = Home::new();
    home.text(["run", "sh", "echo small"]);
    home.text(["daemon", "stop"]);
    let small = home.text(["export", "@last", "--offline"]);
    let before = home.text(["sessions", "--all", "--json", "--offline"]);
    // The first lines of another, with far more output than is put into the log at once.
    let mut lines = small.lines();
    let header = lines.next().unwrap();
    let id = home.json(["show", "--json", "@last", "--offline"])["id"].clone();
    let header = header.replacen(id.as_str().unwrap(), "large", 1);
    let begun: Vec<&str> = lines
        .take_while(|line| !line.contains("\"output\",\"offset\""))
        .collect();
    let mut child = home
        .coven(["import", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{header}\n{}", begun.join("\n")).unwrap();
    let text = "0123456789abcdef".repeat(3000);
    for n in 0..600 {
        let line = json!({"event": {
            "index": begun.len() + n,
            "at": "2026-01-02T03:04:05.000000006Z",
            "actor": null,
            "what": {"kind": "output", "offset": n * text.len(), "channel": "tty", "data": {"text": text}},
        }});
        writeln!(stdin, "{line}").unwrap();
    }
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    let killed = child.wait_with_output().unwrap();
    assert_eq!(killed.status.code(), None, "{killed:?}");
    assert!(killed.stderr.is_empty(), "{killed:?}");
    drop(stdin);
    assert_eq!(
        home.text(["sessions", "--all", "--json", "--offline"]),
        before
    );
    home.refused(123, ["show", "large", "--offline"]);
    // The daemon goes on from there, and so does another import.
    home.text(["run", "sh", "echo more"]);
    home.text(["sacrifice", id.as_str().unwrap(), "--yes"]);
    home.text(["daemon", "stop"]);
    let imported = import(&home, &small);
    assert!(imported.status.success(), "{imported:?}");
    let again = home.text(["export", id.as_str().unwrap(), "--offline"]);
    assert_eq!(comparable(&again), comparable(&small));
}
