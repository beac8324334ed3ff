//! Settings, help, completions and `doctor`.

use std::fs;
use std::os::unix::fs::symlink;

use crate::home::Home;

#[test]
fn each_setting_is_shown_with_its_origin() {
    let home = Home::new();
    fs::write(home.dir().join("config.toml"), "kill_grace_ms = 250\n").unwrap();
    let output = home
        .coven(["config", "show", "--json"])
        .env("COVEN_HARNESS", "claude")
        .output()
        .unwrap();
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let row = |key: &str| {
        rows.as_array()
            .unwrap()
            .iter()
            .find(|row| row["key"] == key)
            .unwrap()
    };
    assert_eq!(row("harness")["origin"], "$COVEN_HARNESS");
    assert_eq!(row("kill_grace_ms")["value"], "250");
    assert!(
        row("kill_grace_ms")["origin"]
            .as_str()
            .unwrap()
            .ends_with("config.toml")
    );
    assert_eq!(row("detach_keys")["origin"], "default");
    assert_eq!(row("home")["origin"], "$COVEN_HOME");
}

#[test]
fn a_misspelt_setting_is_an_error_with_a_suggestion() {
    let home = Home::new();
    fs::write(home.dir().join("config.toml"), "detachkeys = \"ctrl-a\"\n").unwrap();
    for args in [
        &["config", "show"][..],
        &["run", "sh", "true"],
        &["daemon", "start"],
        &["daemon", "restart"],
        &["daemon", "serve"],
    ] {
        let said = home.refused(2, args.iter().copied());
        assert!(said.contains("did you mean \"detach_keys\"?"), "{said}");
    }
    assert!(home.daemon_pid().is_none());
}

#[test]
fn settings_are_read_from_a_regular_file_only_but_by_a_link() {
    let home = Home::new();
    let file = home.dir().join("config.toml");
    symlink("/dev/null", &file).unwrap();
    let refused = || {
        for args in [&["config", "show"][..], &["daemon", "start"]] {
            let said = home.refused(2, args.iter().copied());
            assert!(said.contains("is not a regular file"), "{said}");
        }
    };
    refused();
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    refused();
    fs::remove_dir(&file).unwrap();
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    refused();
    fs::remove_file(&file).unwrap();
    fs::write(home.project().join("elsewhere"), "harness = \"sh\"\n").unwrap();
    symlink(home.project().join("elsewhere"), &file).unwrap();
    assert!(home.text(["config", "show"]).contains("sh"));
}

#[test]
fn help_is_a_success_and_a_mistake_is_not() {
    let home = Home::new();
    let help = home.text(["--help"]);
    for word in ["run", "sessions", "attach", "doctor", "demo", "COVEN_HOME"] {
        assert!(help.contains(word), "{word}");
    }
    assert!(!help.contains("demo-agent"));
    assert!(home.text(["--version"]).starts_with("coven "));
    let output = home.output(["sesions"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("sessions"),
        "{output:?}"
    );
}

#[test]
fn completions_name_the_commands() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            home.text(["completions", shell]).contains("sacrifice"),
            "{shell}"
        );
    }
}

#[test]
fn doctor_tells_what_is_missing_and_touches_nothing() {
    let home = Home::new();
    let output = home
        .coven(["doctor"])
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "sh is a harness: {text}");
    assert!(
        text.contains("codex") && text.contains("not on PATH"),
        "{text}"
    );
    assert!(text.contains("What to do"), "{text}");
    assert!(home.daemon_pid().is_none(), "it starts no daemon");
}

#[test]
fn doctor_ends_with_one_when_something_keeps_sessions_from_being_run() {
    let home = Home::new();
    fs::write(home.dir().join("config.toml"), "nonsense = 1\n").unwrap();
    fs::write(home.dir().join("harnesses/bad.toml"), "id = 7\n").unwrap();
    let output = home.output(["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let state = |subject: &str| {
        let found = findings
            .as_array()
            .unwrap()
            .iter()
            .find(|f| f["subject"] == subject);
        found.unwrap()["state"].clone()
    };
    assert_eq!(state("settings"), "bad");
    assert_eq!(state("manifest"), "note");
    fs::remove_file(home.dir().join("config.toml")).unwrap();
}

#[test]
fn doctor_names_the_file_of_a_bad_manifest() {
    let home = Home::new();
    fs::write(home.dir().join("harnesses/bad.toml"), "id = 7\n").unwrap();
    let text = String::from_utf8(home.output(["doctor"]).stdout).unwrap();
    let advice = text.split("What to do").nth(1).unwrap();
    assert!(advice.contains("harnesses/bad.toml"), "{text}");
}

#[test]
fn doctor_tells_of_a_home_that_cannot_be_written_to_and_leaves_it_as_it_is() {
    let home = Home::new();
    let mut shell = std::process::Command::new("unshare");
    // In a mount namespace of its own, so that root meets a read-only home too.
    shell.args(["--mount", "--map-root-user", "sh", "-c"]).arg(
        "mount --bind \"$COVEN_HOME\" \"$COVEN_HOME\" && \
         mount -o remount,bind,ro \"$COVEN_HOME\" && \
         \"$COVEN\" doctor; echo \"doctor: $?\"; \"$COVEN\" run sh true 2>&1; echo \"run: $?\"",
    );
    let doctor = home.coven(["doctor"]);
    for (name, value) in doctor.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    shell
        .env("COVEN", doctor.get_program())
        .current_dir(home.project());
    let output = shell.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot be written to"), "{said} {failed}");
    assert!(
        said.contains("doctor: 1") && said.contains("run: 122"),
        "{said} {failed}"
    );
}

#[test]
fn doctor_tells_how_a_running_daemon_is() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    let text = home.text(["doctor"]);
    assert!(
        text.contains("runs as process") && text.contains("healthy"),
        "{text}"
    );
}
