//! The examples that need nothing installed do what they say.

use std::path::PathBuf;
use std::process::{Command, Output};

/// Runs an example. `cargo test` has built them all; a run of this file alone builds it here.
fn run(name: &str, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Output {
    let test = std::env::current_exe().unwrap();
    let program: PathBuf = test.ancestors().nth(2).unwrap().join("examples").join(name);
    if !program.exists() {
        let build = ["build", "--quiet", "--package", "coven", "--example", name];
        assert!(
            Command::new(env!("CARGO"))
                .args(build)
                .status()
                .unwrap()
                .success()
        );
    }
    let mut command = Command::new(program);
    command.args(arguments);
    change(&mut command);
    command.output().unwrap()
}

#[test]
fn a_custom_harness_asks_and_is_answered() {
    let run = run("custom_harness", &[], |_| {});
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(said.contains("You asked: say hello"), "{said}");
    assert!(said.contains("You said: yes"), "{said}");
    assert!(said.ends_with("The session is completed.\n"), "{said}");
}

#[test]
fn an_embedded_engine_exits_as_the_agent_did() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("harnesses")).unwrap();
    let manifest = "id = 'agent'\nexecutable = '/bin/sh'\ninstall_hint = 'none'\n\
                    [non_interactive]\nargs = ['-c', '{prompt}']\n";
    std::fs::write(home.path().join("harnesses/agent.toml"), manifest).unwrap();
    let run = run("embed", &["agent", "echo hello; exit 3"], |command| {
        command.env("COVEN_HOME", home.path());
    });
    let told = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(
        String::from_utf8(run.stdout).unwrap(),
        "hello\r\n",
        "{told}"
    );
    assert_eq!(run.status.code(), Some(3));
}
