//! `export` and `import`: a session leaves a home and comes into another.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::{Output, Stdio};

use coven_http::client::Client;
use coven_http::wire::ExternalBody;
use serde_json::{Value, json};

use crate::home::{ENDLESS, Home};

#[test]
fn an_export_that_is_imported_elsewhere_is_exported_as_the_same_bytes() {
    let home = Home::new();
    let sessions = sessions_of_every_kind(&home);
    let other = Home::new();
    let exports: Vec<(String, String)> = sessions
        .iter()
        .map(|id| (id.clone(), home.text(["export", id, "--jsonl"])))
        .collect();
    let shown = |home: &Home, id: &str| {
        let mut record = home.record(id);
        record["last_seq"].take();
        (record, home.output(["log", "--raw", id]).stdout)
    };
    let here: Vec<_> = sessions.iter().map(|id| shown(&home, id)).collect();
    home.text(["daemon", "stop"]);
    for (id, export) in &exports {
        let offline = home.text(["export", id, "--offline"]);
        assert_eq!(comparable(&offline), comparable(export), "{id}");
        let to_stdout = home.text(["export", id, "--offline", "--output", "-"]);
        assert_eq!(comparable(&to_stdout), comparable(export), "{id}");
        let imported = import(&other, export);
        assert!(imported.status.success(), "{id}: {imported:?}");
        assert_eq!(imported.stdout, format!("{id}\n").into_bytes());
        assert!(imported.stderr.is_empty(), "{id}: {imported:?}");
        let again = other.text(["export", id, "--offline"]);
        assert_eq!(comparable(&again), comparable(export), "{id}");
    }
    for (id, here) in sessions.iter().zip(here) {
        assert_eq!(shown(&other, id), here, "{id}");
    }
    // Nor does the daemon that finds them there change anything.
    for (id, export) in &exports {
        assert_eq!(comparable(&other.text(["export", id])), comparable(export));
    }
}

#[test]
fn an_export_holds_what_anything_can_read() {
    let home = Home::new();
    home.output(["run", "sh", r"printf 'bad \377'; exit 7"]);
    let file = home.project().join("out.jsonl");
    let name = file.to_str().unwrap();
    home.text(["export", "@last", "--jsonl", "-o", name]);
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let header = &lines[0]["header"];
    assert_eq!(header["format"], "coven-session");
    assert_eq!(header["status"], "failed");
    assert_eq!(header["outputBytes"], 5);
    assert_eq!(header["events"], lines.len() - 2);
    assert_eq!(lines.last().unwrap()["end"]["events"], lines.len() - 2);
    for (index, line) in lines[1..lines.len() - 1].iter().enumerate() {
        assert_eq!(line["event"]["index"], index);
    }
    let output = lines
        .iter()
        .find(|line| line["event"]["what"]["kind"] == "output")
        .unwrap();
    let data = &output["event"]["what"]["data"];
    assert_eq!(*data, json!({"base64": "YmFkIP8="}));
    assert!(lines[1]["event"]["actor"]["client"].is_string());
    let said = home.refused(2, ["export", "@last", "-o", name]);
    assert!(said.contains("exists"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn a_redacted_export_hides_secrets_even_where_output_was_cut_and_is_not_imported() {
    let home = Home::new();
    let secret = "sk-ant-0123456789abcdefghij";
    let script = format!(
        "printf 'key {}'; sleep 0.3; printf '{} end\\n'; echo API_TOKEN=hunter22",
        &secret[..12],
        &secret[12..]
    );
    home.text(["run", "--title", &format!("use {secret}"), "sh", &script]);
    let exact = home.text(["export", "@last"]);
    assert!(exact.contains("hunter22") && exact.contains(secret));
    let redacted = home.text(["export", "@last", "--redact"]);
    for part in [secret, "hunter22", &secret[12..]] {
        // The prompt is a script in which the secret is cut on purpose.
        let output = redacted
            .lines()
            .filter(|line| !line.contains("\"created\""));
        let output: String = output
            .filter(|line| !line.contains("\"started\""))
            .collect();
        assert!(!output.contains(part), "{part}: {redacted}");
    }
    assert!(redacted.contains("key [redacted] end"), "{redacted}");
    let other = Home::new();
    let refused = import(&other, &redacted);
    assert_refused(&refused, 2, "line 1: it is redacted");
    assert_eq!(
        other.text(["sessions", "--all", "--json", "--offline"]),
        "[]\n"
    );
}

#[test]
fn a_session_that_was_live_arrives_as_lost_and_stays_so() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    home.wait_for_output(&id, "begun");
    let export = home.text(["export", &id]);
    let other = Home::new();
    let imported = import(&other, &export);
    assert!(imported.status.success(), "{imported:?}");
    let said = String::from_utf8(imported.stderr).unwrap();
    assert!(said.contains("was live when it was exported"), "{said}");
    let lost = other.text(["export", &id, "--offline"]);
    let last: Vec<&str> = lost.lines().rev().take(2).collect();
    let last: Value = serde_json::from_str(last[1]).unwrap();
    let what = &last["event"]["what"];
    assert_eq!(*what, json!({"kind": "orphaned", "reason": "imported"}));
    let client = last["event"]["actor"]["client"].as_str().unwrap();
    assert!(client.ends_with(" import"), "{client}");
    // A daemon neither adopts it nor loses it once more.
    assert_eq!(other.record(&id)["orphan_reason"], "imported");
    assert_eq!(comparable(&other.text(["export", &id])), comparable(&lost));
    assert_eq!(home.record(&id)["status"], "running");
}

#[test]
fn a_session_that_was_sacrificed_comes_back_and_one_that_is_there_is_kept() {
    let home = Home::new();
    home.text(["run", "sh", "echo kept"]);
    let id = home.json(["show", "--json", "@last"])["id"].clone();
    let id = id.as_str().unwrap();
    let export = home.text(["export", id]);
    let taken = import(&home, &export);
    let pid = home.daemon_pid().unwrap();
    assert_refused(&taken, 122, &format!("process {pid} has"));
    home.text(["daemon", "stop"]);
    assert_refused(&import(&home, &export), 124, "there is a session");
    home.text(["sacrifice", id, "--yes"]);
    home.text(["daemon", "stop"]);
    let imported = import(&home, &export);
    assert!(imported.status.success(), "{imported:?}");
    assert_eq!(comparable(&home.text(["export", id])), comparable(&export));
}

/// The ids of one session of each kind that a home can have and that is over.
fn sessions_of_every_kind(home: &Home) -> Vec<String> {
    let newest = || {
        let sessions = home.json(["sessions", "--all", "--json"]);
        sessions[0]["id"].as_str().unwrap().to_owned()
    };
    let mut ids = Vec::new();
    home.output([
        "run",
        "sh",
        r"printf 'bad \377\303 \033[31m'; printf '\360\237'; sleep 0.1; printf '\230\200\033'",
    ]);
    ids.push(newest());
    home.output([
        "run", "--title", "söme", "--label", "blue", "--label", "red", "sh", "exit 9",
    ]);
    ids.push(newest());
    let archived = home.launch("echo away");
    home.wait_for_end(&archived);
    home.text(["archive", &archived]);
    ids.push(archived);
    let killed = home.launch(ENDLESS);
    home.wait_for_output(&killed, "begun");
    home.text(["input", "--raw", &killed, "typed\r"]);
    home.text(["kill", &killed]);
    ids.push(killed);
    home.declare("gone", "[\"{prompt}\"]", "/nowhere/at/all");
    home.text(["daemon", "restart"]);
    home.refused(125, ["run", "gone", "true"]);
    ids.push(newest());
    register(home, "theirs");
    ids.push("theirs".to_owned());
    let lost = home.launch(ENDLESS);
    home.wait_for_output(&lost, "begun");
    home.lose(&lost);
    ids.push(lost);
    ids
}

fn register(home: &Home, id: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let external = ExternalBody {
        id: Some(id.to_owned()),
        project_root: Some("/elsewhere".to_owned()),
        harness: Some("other".to_owned()),
        transcript_path: Some("/elsewhere/transcript".to_owned()),
        ..ExternalBody::default()
    };
    let client = Client::at_home(&home.dir());
    runtime.block_on(client.register(&external)).unwrap();
}

/// Everything of an export but when and by which version it was made.
pub(crate) fn comparable(export: &str) -> (Value, String) {
    let (first, rest) = export.split_once('\n').unwrap();
    let mut first: Value = serde_json::from_str(first).unwrap();
    first["header"]["exportedAt"].take();
    first["header"]["covenVersion"].take();
    (first, rest.to_owned())
}

pub(crate) fn import(home: &Home, export: &str) -> Output {
    import_with(home, &["import", "-"], export)
}

/// The same into another home than that whose `coven` it is.
pub(crate) fn import_into(home: &Home, other: &str, export: &str) -> Output {
    import_with(home, &["--home", other, "import", "-"], export)
}

fn import_with(home: &Home, args: &[&str], export: &str) -> Output {
    let mut child = home
        .coven(args.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Who has seen enough reads no further.
    let _ = stdin.write_all(export.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[track_caller]
pub(crate) fn assert_refused(output: &Output, status: i32, told: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{told}: {said}");
    assert!(said.contains(told), "{told}: {said}");
    assert!(output.stdout.is_empty(), "{told}");
}
