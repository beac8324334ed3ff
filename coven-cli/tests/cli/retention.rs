//! `prune`, the settings of retention, and reading what is left.

use std::fs;

use crate::home::Home;

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
