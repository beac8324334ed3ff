//! A home whose log is damaged, or lost one of its files.

use std::fs;

use crate::home::{Home, eventually};
use crate::terminal::Terminal;

/// 3,000 bytes without what a terminal changes on the way, and without what begins a question that is answered by
/// typing.
const NOISE: &str =
    "head -c 4000 /dev/urandom | LC_ALL=C tr -d '\\005\\n\\r\\033\\220\\233' | head -c 3000";

/// What a command says that fails, and that it does so with this status.
fn complaint(home: &Home, args: &[&str], status: i32) -> String {
    let output = home.output(args.iter().copied());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{args:?}: {said}");
    said
}

#[test]
fn what_is_read_offline_says_where_the_log_is_damaged_and_in_one_line() {
    let home = Home::new();
    home.output(["run", "sh", NOISE]);
    let id = home.json(["sessions", "--json"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let written = home.output(["log", "--raw", &id]).stdout;
    home.text(["daemon", "stop"]);
    turn_two_bits(&home, &written[1000..1016]);
    for args in [
        ["log", &id, "--offline"],
        ["events", &id, "--offline"],
        ["export", &id, "--offline"],
    ] {
        let said = complaint(&home, &args, 1);
        assert!(said.contains("the log is damaged at session"), "{said}");
        assert!(said.contains(&id), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_live_session_whose_last_output_is_damaged_is_attached_to_and_goes_on() {
    let home = Home::new();
    let id = home.launch(&format!(
        "stty -echo; printf '\\033[?2004h'; {NOISE} | tee ../noise; \
             while read line; do echo told $line; done"
    ));
    eventually("it is written", || {
        (home.record(&id)["output_bytes"].as_u64() >= Some(3008)).then_some(())
    });
    let written = fs::read(home.project().join("../noise")).unwrap();
    home.text(["daemon", "stop"]);
    turn_two_bits(&home, &written[1000..1016]);
    let mut terminal = Terminal::run(&home.coven(["attach", &id]));
    // Nothing says that it is attached: the line is typed once it is.
    terminal.press(b"one\r");
    terminal.wait_for("told one");
    terminal.press(b"two\r");
    terminal.wait_for("told two");
    home.text(["kill", &id]);
    terminal.end();
}

/// Turns two bits of these bytes, which are in the log as they are.
pub(crate) fn turn_two_bits(home: &Home, wanted: &[u8]) {
    let path = home.dir().join("coven.redb");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes
        .windows(wanted.len())
        .position(|window| window == wanted);
    bytes[at.expect("noise is not compressed")] ^= 3;
    fs::write(&path, bytes).unwrap();
}

#[test]
fn a_home_that_lost_one_of_the_logs_files_is_not_taken_for_empty_nor_given_another() {
    for lost in ["coven.redb", "coven.redb.journal"] {
        let home = Home::new();
        home.text(["run", "sh", "echo something"]);
        home.text(["daemon", "stop"]);
        let path = home.dir().join(lost);
        let away = path.with_extension("away");
        fs::rename(&path, &away).unwrap();
        let named = path.display().to_string();
        for args in [
            &["sessions", "--offline"][..],
            &["log", "@last", "--offline"],
            &["sessions"],
            &["run", "sh", "echo more"],
            // Nobody can tell which sessions live.
            &["daemon", "stop", "--kill"],
        ] {
            let output = home.output(args.iter().copied());
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success(), "{args:?}: {said}");
            assert!(
                said.contains(&format!("{named} is damaged: it is missing")),
                "{said}"
            );
            assert!(!path.exists(), "{args:?}");
        }
        fs::rename(&away, &path).unwrap();
    }
}

#[test]
fn files_of_a_log_that_were_exchanged_are_told_to_be_and_what_to_do() {
    let home = Home::new();
    home.text(["run", "sh", "echo something"]);
    home.text(["daemon", "stop"]);
    let [cold, journal] = ["coven.redb", "coven.redb.journal"].map(|name| home.dir().join(name));
    let [was_cold, was_journal] = [&cold, &journal].map(|path| fs::read(path).unwrap());
    for (cold_is, journal_is, told) in [
        (
            &was_journal,
            &was_cold,
            "it is a log's journal: put both files in their places",
        ),
        (
            &was_cold,
            &was_cold,
            "it is a log's main file and not its journal",
        ),
    ] {
        fs::write(&cold, cold_is).unwrap();
        fs::write(&journal, journal_is).unwrap();
        for args in [
            &["sessions"][..],
            &["sessions", "--offline"],
            &["doctor", "--store"],
        ] {
            let output = home.output(args.iter().copied());
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(
                !output.status.success() && said.contains(told),
                "{args:?}: {said}"
            );
        }
    }
    fs::remove_file(&journal).unwrap();
    let new = home.dir().with_extension("salvaged");
    let new = new.to_str().unwrap();
    let output = home.output(["doctor", "--store", "--salvage", new]);
    assert_eq!(output.status.code(), Some(119), "{output:?}");
    let shown = home.text(["--home", new, "log", "--offline", "@last"]);
    assert_eq!(shown.trim_end(), "something");
    // So that its daemon can be stopped.
    fs::write(&journal, was_journal).unwrap();
}

#[test]
fn damage_that_was_met_is_told_by_doctor_and_a_session_that_has_it_can_be_deleted() {
    let home = Home::new();
    home.output(["run", "sh", NOISE]);
    let written = home.output(["log", "--raw", "@last"]).stdout;
    home.text(["daemon", "stop"]);
    turn_two_bits(&home, &written[1000..1016]);
    complaint(&home, &["log", "@last"], 1);
    let told = home.output(["doctor"]).stdout;
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("the log is damaged at session"), "{told}");
    home.text(["sacrifice", "@last", "--yes"]);
    assert_eq!(
        home.json(["sessions", "--json", "--all"])
            .as_array()
            .unwrap()
            .len(),
        0
    );
}

#[test]
fn a_stop_that_is_to_end_all_does_not_say_so_of_sessions_that_the_log_cannot_tell_of() {
    const MARK: &[u8] = b"a mark of its own";
    let home = Home::new();
    let id = home.launch("echo begun; : a mark of its own; exec tail -f /dev/null");
    home.wait_for_output(&id, "begun");
    home.text(["daemon", "stop"]);
    let path = home.dir().join("coven.redb");
    let whole = fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    let places = whole.windows(MARK.len()).enumerate();
    let places = places.filter(|(_, window)| *window == MARK);
    places.for_each(|(at, _)| bytes[at] ^= 3);
    assert_ne!(bytes, whole, "its record has what was asked for");
    fs::write(&path, bytes).unwrap();
    let said = complaint(&home, &["daemon", "stop", "--kill"], 1);
    assert!(said.contains("coven doctor --store"), "{said}");
    fs::write(&path, whole).unwrap();
    home.text(["daemon", "stop", "--kill"]);
    let record = home.json(["show", "--json", "--offline", &id]);
    assert!(!record["ended_at"].is_null(), "{record}");
}
