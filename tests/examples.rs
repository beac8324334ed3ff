//! The examples do what they say: built, and run against real agents and a real socket.

mod world;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use coven::Engine;
use coven_http::{ServeOptions, Server};
use world::{options, within};

/// An example as a command. `cargo test` has built them all; a run of this file alone builds it
/// here.
fn example(name: &str, home: &Path) -> Command {
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
    command.env("COVEN_HOME", home);
    // An environment may hold anything.
    command.env("COVEN_TEST_NOT_TEXT", OsStr::from_bytes(b"\xff"));
    command
}

/// What a command that succeeds printed.
async fn told(mut command: Command) -> Vec<u8> {
    let run = tokio::task::spawn_blocking(move || command.output());
    let run = within(run).await.unwrap().unwrap();
    let complaint = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "{complaint}");
    run.stdout
}

#[tokio::test]
async fn a_custom_harness_asks_and_is_answered() {
    let nowhere = Path::new("/nonexistent");
    let said = told(example("custom_harness", nowhere)).await;
    let said = String::from_utf8(said).unwrap();
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
    let mut embed = example("embed", home.path());
    let run = embed
        .args(["agent", "echo hello; exit 3"])
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(
        String::from_utf8(run.stdout).unwrap(),
        "hello\r\n",
        "{complaint}"
    );
    assert_eq!(run.status.code(), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_shown_what_the_agent_writes_and_a_frontend_told_of_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let engine = within(Engine::open(options(dir.path()))).await.unwrap();
    let server = Server::bind(engine, ServeOptions::default()).unwrap();
    let stopper = server.stopper();
    let serving = tokio::spawn(server.run());

    let mut frontend = example("frontend", &home);
    let mut frontend = frontend.arg("0").stdout(Stdio::piped()).spawn().unwrap();
    let mut client = example("http_client", &home);
    client.args(["shell", "printf 'hello \\377\\n'"]);
    let said = told(client).await;
    assert!(
        said.starts_with(b"hello \xff\r\n") && said.ends_with(b": completed\n"),
        "{}",
        said.escape_ascii()
    );

    let mut lines = BufReader::new(frontend.stdout.take().unwrap()).lines();
    let line = tokio::task::spawn_blocking(move || lines.next().unwrap().unwrap());
    let line = within(line).await.unwrap();
    assert!(line.contains("(shell): completed"), "{line}");
    frontend.kill().unwrap();
    frontend.wait().unwrap();
    stopper.stop();
    drop(within(serving).await.unwrap());
}
