//! `prune`, the settings of retention, and reading what is left.

use std::fs;

use serde_json::json;

use crate::damaged::turn_two_bits;
use crate::home::{Home, eventually};

/// Writes 900,000 bytes. An output event has less than 60,000 of them, however fast they come.
const LINES: &str = "seq -f %07.0f 0 99999";

#[test]
fn the_settings_of_retention_are_shown_and_a_wrong_one_is_an_error() {
    let home = Home::new();
    let file = home.dir().join("config.toml");
    let row = |key: &str| {
        let rows = home.json(["config", "show", "--json"]);
        let row = rows
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["key"] == key);
        row.unwrap().clone()
    };
    for key in ["session_bytes", "total_bytes", "max_age"] {
        let row = row(&format!("retention.{key}"));
        assert!(
            row["value"].is_null() && row["origin"] == "default",
            "{row}"
        );
    }
    let set = "[retention]\nsession_bytes = 1048576\ntotal_bytes = \"2 GiB\"\nmax_age = \"30d\"\n";
    fs::write(&file, set).unwrap();
    for (key, value) in [
        ("session_bytes", "1MiB"),
        ("total_bytes", "2GiB"),
        ("max_age", "30d"),
    ] {
        let row = row(&format!("retention.{key}"));
        assert_eq!(row["value"], value);
        assert!(
            row["origin"].as_str().unwrap().ends_with("config.toml"),
            "{row}"
        );
    }
    for (wrong, says) in [
        (
            "[retention]\nsesion_bytes = 1\n",
            "did you mean \"retention.session_bytes\"?",
        ),
        ("[retention]\nmax_age = 30\n", "retention.max_age"),
        ("[retention]\nmax_age = \"30 years\"\n", "is no age"),
        ("[retention]\ntotal_bytes = \"2 boxes\"\n", "is no size"),
        ("[retention]\n[retention.deep]\nx = 1\n", "retention.deep"),
        ("retention = 7\n", "retention"),
    ] {
        fs::write(&file, wrong).unwrap();
        let said = home.refused(2, ["config", "show"]);
        assert!(said.contains(says), "{wrong}: {said}");
    }
    fs::remove_file(&file).unwrap();
}

#[test]
fn without_a_budget_prune_says_so() {
    let home = Home::new();
    home.text(["run", "sh", "echo some output"]);
    let said = home.refused(2, ["prune"]);
    assert!(
        said.contains("there is no budget") && said.contains("[retention]"),
        "{said}"
    );
}

#[test]
fn prune_says_what_would_go_and_lets_it_go_and_the_log_shows_what_is_left() {
    let home = Home::new();
    home.text(["run", "sh", LINES]);
    let id = home.record("@last")["id"].as_str().unwrap().to_owned();
    let whole = home.text(["log", &id]);
    let would = home.text(["prune", "--dry-run", "--session-bytes", "100kB"]);
    assert!(
        would.contains(&id) && would.contains("of output of 1 session would go"),
        "{would}"
    );
    assert_eq!(home.text(["log", &id]), whole);
    let went = home.json(["prune", "--session-bytes", "100kB", "--json"]);
    assert_eq!(went["sessions"][0]["id"], id);
    let trimmed = home.record(&id)["trimmed_bytes"].as_u64().unwrap();
    assert!(trimmed > 0);

    let log = home.output(["log", &id]);
    assert!(log.status.success());
    let left = String::from_utf8(log.stdout).unwrap();
    assert!(
        whole.ends_with(&left) && !left.is_empty() && left.len() <= 100_000,
        "{}",
        left.len()
    );
    let note = String::from_utf8(log.stderr).unwrap();
    assert_eq!(
        note,
        format!(
            "coven: the first {trimmed} bytes of its output were trimmed; this is what is left\n"
        )
    );
    let followed = home.output(["log", "--follow", "--raw", &id]);
    assert!(followed.status.success());
    let raw = String::from_utf8(followed.stdout).unwrap();
    assert_eq!(raw.replace('\r', ""), left);
    assert!(
        home.text(["show", &id])
            .contains(&format!("the first {trimmed} were trimmed"))
    );
    let events = home.text(["events", &id]);
    assert!(
        events.contains(&format!("{trimmed} bytes from 0 are gone")),
        "{events}"
    );
    let nothing = home.text(["prune", "--session-bytes", "100kB"]);
    assert_eq!(nothing, "0 B of output of 0 sessions went\n");
}

#[test]
fn the_budgets_of_the_configuration_hold_where_none_is_given() {
    let home = Home::new();
    let file = home.dir().join("config.toml");
    fs::write(&file, "[retention]\ntotal_bytes = \"1kB\"\n").unwrap();
    home.text(["run", "sh", LINES]);
    let would = home.json(["prune", "--dry-run", "--json"]);
    assert_eq!(would["totalBytes"], 1_000);
    assert_eq!(would["sessions"].as_array().unwrap().len(), 1);
}

#[test]
fn a_live_session_of_which_a_segment_is_damaged_is_kept_to_its_budget_as_the_dry_run_says() {
    let home = Home::new();
    let id = home.launch(
        "stty -echo -opost; head -c 1500000 /dev/urandom | tee ../noise; \
         while read line; do head -c 1000000 /dev/urandom; done",
    );
    let writes = |bytes: u64| {
        eventually("it is written", || {
            (home.record(&id)["output_bytes"].as_u64() >= Some(bytes)).then_some(())
        });
    };
    let keeps = || {
        let record = home.record(&id);
        record["output_bytes"].as_u64().unwrap() - record["trimmed_bytes"].as_u64().unwrap()
    };
    writes(1_500_000);
    let written = fs::read(home.project().join("../noise")).unwrap();
    home.text(["daemon", "stop"]);
    turn_two_bits(&home, &written[64..80]);

    let budget = ["--total-bytes", "1MB", "--json"];
    let dry_run = [&["prune", "--dry-run"][..], &budget].concat();
    let would = home.json(dry_run);
    let told = home.output(["prune", "--dry-run", "--total-bytes", "1MB"]);
    let went = home.json([&["prune"][..], &budget].concat());
    assert_eq!(went["sessions"], would["sessions"]);
    assert_eq!(
        (&went["failed"], &would["failed"]),
        (&json!([]), &json!([]))
    );
    let unread = went["sessions"][0]["unread"].clone();
    let bytes = unread[0]["bytes"].as_u64().unwrap();
    assert!(bytes > 0 && bytes <= 256 << 10, "{unread}");
    assert_eq!(unread, json!([{"offset": 0, "bytes": bytes}]));
    let told = String::from_utf8(told.stderr).unwrap();
    assert_eq!(
        told,
        format!(
            "coven: {id}: {bytes} bytes of what would go cannot be read: the log is damaged there, see \
             `coven doctor --store`\n"
        )
    );
    let kept = keeps();
    assert!((900_000..=1_000_000).contains(&kept), "{kept}");

    // It goes on, and so does its budget.
    home.text(["input", &id, "more"]);
    writes(2_500_000);
    let again = home.json(["prune", "--session-bytes", "1MB", "--json"]);
    assert_eq!(again["failed"], json!([]));
    assert_eq!(again["sessions"][0]["unread"], json!([]));
    assert!(keeps() <= 1_000_000);
    home.text(["kill", &id]);
}
