//! Another user at the socket gets nothing, even where the file system would let it in.

#[path = "../../tests/shared/not_run.rs"]
mod not_run;
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use coven_http::client::{Client, Error};
use not_run::not_run;
use support::Daemon;

/// Nobody, on every system.
const STRANGER: u32 = 65_534;

const SOCKET: &str = "COVEN_TEST_SOCKET";

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn can_become_another() -> bool {
    let can = rustix::process::geteuid().is_root();
    if !can {
        not_run("only root can become another user");
    }
    can
}

/// By another process: a child that the daemon forks meanwhile would hold a file of ours open for
/// writing, and such a file cannot be executed.
fn copy_of_this_program(to: &Path) {
    let this = std::env::current_exe().unwrap();
    let made = Command::new("install")
        .args(["-m", "755"])
        .arg(this)
        .arg(to)
        .status();
    assert!(made.unwrap().success());
}

/// This test program asking as another user; what it says.
fn ask_as_stranger(program: &Path, socket: &Path) -> String {
    let output = Command::new(program)
        .args(["--exact", "the_stranger", "--ignored", "--nocapture"])
        .env_clear()
        .env(SOCKET, socket)
        .current_dir("/")
        .stdin(Stdio::null())
        .gid(STRANGER)
        .uid(STRANGER)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_user_is_not_served() {
    if !can_become_another() {
        return;
    }
    let daemon = Daemon::start().await;
    let program: PathBuf = daemon.dir.path().join("stranger");
    copy_of_this_program(&program);
    mode(daemon.dir.path(), 0o755);
    let socket = daemon.socket();
    let ask = || ask_as_stranger(&program, &socket);

    assert!(ask().contains("cannot connect"), "the home lets it in");
    // With both doors open, the daemon itself still looks who it is.
    mode(&daemon.home(), 0o755);
    mode(&socket, 0o666);
    let said = ask();
    assert!(
        said.contains("connected") && said.contains("got 0 bytes"),
        "{said}"
    );
    assert!(daemon.client.health().await.unwrap().ok);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_of_another_user_is_told_nothing() {
    if !can_become_another() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    mode(dir.path(), 0o777);
    let program: PathBuf = dir.path().join("stranger");
    copy_of_this_program(&program);
    let socket = dir.path().join("coven.sock");
    let mut serving = Command::new(&program)
        .args(["--exact", "the_strange_daemon", "--ignored", "--nocapture"])
        .env_clear()
        .env(SOCKET, &socket)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .gid(STRANGER)
        .uid(STRANGER)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(serving.stdout.take().unwrap()).lines();
    while said.next().unwrap().unwrap() != "serving" {}
    let error = Client::at_home(dir.path()).health().await.unwrap_err();
    assert!(
        matches!(error, Error::Stranger { uid: STRANGER, .. }),
        "{error:?}"
    );
    assert_eq!(said.next().unwrap().unwrap(), "got 0 bytes");
    serving.wait().unwrap();
}

/// Run by the test above, as another user.
#[test]
#[ignore = "a part of a_daemon_of_another_user_is_told_nothing"]
fn the_strange_daemon() {
    let socket = std::env::var_os(SOCKET).expect("run by another test");
    let listener = UnixListener::bind(&socket).unwrap();
    mode(Path::new(&socket), 0o666);
    println!("\nserving");
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    let _ = stream.read_to_end(&mut request);
    println!("got {} bytes", request.len());
}

/// Run by the first test, as another user.
#[test]
#[ignore = "a part of another_user_is_not_served"]
fn the_stranger() {
    let socket = std::env::var_os(SOCKET).expect("run by another test");
    let Ok(mut stream) = UnixStream::connect(socket) else {
        println!("cannot connect");
        return;
    };
    println!("connected");
    let _ = stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    println!("got {} bytes", answer.len());
}
