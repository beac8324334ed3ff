//! From bind to the end: who serves, how it stops, what it leaves.

mod support;

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::time::Duration;

use coven::Code;
use coven_http::client::Error;
use coven_http::wire::{Daemon as Identity, Payload, SessionsAtStop, Status};
use coven_http::{BindError, ServeError, ServeOptions, Server, Timeouts};
use serde_json::json;
use support::{Daemon, Raw, read_to_end, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

const SHUTDOWN: &str = "/api/v1/internal/lifecycle/shutdown";

async fn identity(daemon: &Daemon) -> Identity {
    daemon.client.health().await.unwrap().daemon
}

/// A connection on which a daemon was asked to stop.
async fn ask_to_stop(daemon: &Daemon, who: &Identity) -> UnixStream {
    let body = json!({"apiVersion": "coven.daemon.v1", "daemon": who}).to_string();
    let request = format!(
        "POST {SHUTDOWN} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = daemon.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    stream
}

#[tokio::test]
async fn the_socket_and_its_file_are_for_the_owner_alone_and_go_on_a_clean_stop() {
    let daemon = Daemon::start().await;
    let socket = fs::symlink_metadata(daemon.socket()).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.mode() & 0o7777, 0o600);
    let file = fs::symlink_metadata(daemon.home().join("daemon.json")).unwrap();
    assert_eq!(file.mode() & 0o7777, 0o600);
    let (socket, home) = (daemon.socket(), daemon.home());
    let _dir = daemon.stop().await;
    assert!(!socket.exists() && !home.join("daemon.json").exists());
    assert_eq!(coven_http::repair(&home).await.unwrap(), None);
}

#[tokio::test]
async fn what_a_dead_daemon_left_is_replaced() {
    let daemon = Daemon::start().await;
    let dir = daemon.stop().await;
    let home = dir.path().join("home");
    drop(std::os::unix::net::UnixListener::bind(home.join("coven.sock")).unwrap());
    fs::write(home.join("daemon.json"), "{\"pid\": 1, ").unwrap();
    let daemon = Daemon::in_dir(dir, Timeouts::default()).await;
    let who = identity(&daemon).await;
    let file: Identity =
        serde_json::from_slice(&fs::read(home.join("daemon.json")).unwrap()).unwrap();
    assert_eq!(file, who);
    // Somebody spoils it; whoever asks the live daemon mends it.
    fs::write(home.join("daemon.json"), "nonsense").unwrap();
    assert_eq!(coven_http::repair(&home).await.unwrap(), Some(who.clone()));
    let file: Identity =
        serde_json::from_slice(&fs::read(home.join("daemon.json")).unwrap()).unwrap();
    assert_eq!(file, who);
}

#[tokio::test]
async fn a_live_daemon_is_never_taken_over() {
    let daemon = Daemon::start().await;
    let second = Server::bind(daemon.engine.clone(), ServeOptions::default());
    assert!(matches!(
        second,
        Err(ServeError::Bind(BindError::Live { .. }))
    ));
    assert!(daemon.client.health().await.unwrap().ok);
}

#[tokio::test]
async fn a_shutdown_meant_for_another_process_stops_nothing() {
    let daemon = Daemon::start().await;
    let who = identity(&daemon).await;
    let body = |daemon: &Identity| json!({"apiVersion": "coven.daemon.v1", "daemon": daemon});
    for other in [
        Identity {
            pid: who.pid + 1,
            ..who.clone()
        },
        Identity {
            started_at: "2020-01-01T00:00:00.000000000Z".to_owned(),
            ..who.clone()
        },
        Identity {
            socket: "/elsewhere".to_owned(),
            ..who.clone()
        },
    ] {
        let answer = daemon.post(SHUTDOWN, &body(&other)).await;
        answer.is_error(409, "daemon_identity_mismatch");
        let refused = daemon
            .client
            .shutdown(&other, SessionsAtStop::Keep)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Some(Code::DaemonIdentityMismatch));
    }
    let version = json!({"apiVersion": "coven.daemon.v2", "daemon": who});
    daemon
        .post(SHUTDOWN, &version)
        .await
        .is_error(409, "daemon_identity_mismatch");
    let mut extra = body(&who);
    extra["force"] = json!(true);
    daemon
        .post(SHUTDOWN, &extra)
        .await
        .is_error(400, "invalid_request");
    let mut extra = body(&who);
    extra["daemon"]["host"] = json!("x");
    daemon
        .post(SHUTDOWN, &extra)
        .await
        .is_error(400, "invalid_request");
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(20_000));
    daemon
        .request("POST", SHUTDOWN, &large)
        .await
        .is_error(413, "payload_too_large");
    daemon
        .post("/internal/lifecycle/shutdown", &body(&who))
        .await
        .is_error(404, "not_found");
    assert!(daemon.client.health().await.unwrap().ok);
}

#[tokio::test]
async fn who_asked_for_the_stop_sees_the_end_when_it_is_complete() {
    let daemon = Daemon::start().await;
    let who = identity(&daemon).await;
    let mut stream = ask_to_stop(&daemon, &who).await;
    let stopped = within(daemon.running).await.unwrap();
    assert!(!daemon.dir.path().join("home/coven.sock").exists());
    let mut answer = vec![0; 64 << 10];
    let len = within(stream.read(&mut answer)).await.unwrap();
    let raw = Raw::parse(&answer[..len]);
    assert_eq!(raw.status, 202);
    assert_eq!(
        raw.json(),
        json!({
            "ok": true, "apiVersion": "coven.daemon.v1",
            "capabilities": {"structuredErrors": true}, "daemon": who,
        })
    );
    let open = stream.try_read(&mut answer).unwrap_err();
    assert_eq!(open.kind(), std::io::ErrorKind::WouldBlock);
    drop(stopped);
    assert_eq!(read_to_end(&mut stream).await, b"");
}

#[tokio::test]
async fn the_client_waits_for_the_stop_and_then_nobody_answers() {
    let daemon = Daemon::start().await;
    let who = identity(&daemon).await;
    let client = daemon.client.clone();
    // As a daemon's `main` does: what holds the connections goes last.
    let main = tokio::spawn(async move { drop(daemon.running.await.unwrap()) });
    within(client.shutdown(&who, SessionsAtStop::Keep))
        .await
        .unwrap();
    main.await.unwrap();
    assert!(matches!(
        client.health().await,
        Err(Error::Unreachable { .. })
    ));
}

#[tokio::test]
async fn it_stops_in_time_with_streams_and_terminals_open() {
    let daemon = Daemon::start().await;
    let live = daemon.launch("printf up; exec sleep 600").await;
    daemon.until(&live.id, "up").await;
    let mut attach = daemon.client.attach(&live.id).await.unwrap();
    let mut streams = Vec::new();
    for path in [
        "/events/stream".to_owned(),
        format!("/sessions/{}/events/stream", live.id),
    ] {
        let mut stream = daemon.connect().await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut byte = [0];
        within(stream.read_exact(&mut byte)).await.unwrap();
        streams.push(stream);
    }
    // One that never reads, and one that never asks.
    let _silent = daemon.connect().await;
    daemon.stopper.stop();
    let begun = tokio::time::Instant::now();
    drop(within(daemon.running).await.unwrap());
    assert!(begun.elapsed() < Duration::from_secs(20));
    for mut stream in streams {
        read_to_end(&mut stream).await;
    }
    while let Ok(Some(_)) = within(attach.reader.next()).await {}
}

#[tokio::test]
async fn while_it_stops_it_says_so() {
    let daemon = Daemon::with_grace(support::PATIENCE).await;
    // It takes as long as a program that heeds no signal, until it is let go.
    let live = daemon
        .launch("trap '' HUP TERM; printf up; until test -e go; do sleep 0.02; done")
        .await;
    daemon.until(&live.id, "up").await;
    let mut stream = daemon.connect().await;
    daemon.stopper.stop();
    stream
        .write_all(b"GET /sessions HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let refused = Raw::parse(&read_to_end(&mut stream).await);
    refused.is_error(503, "runtime_unavailable");
    assert_eq!(
        refused.json()["error"]["details"]["reason"],
        "shutting_down"
    );
    let who = identity(&daemon).await;
    // Others who want it to stop are told the same, and wait for the same end.
    let mut second = ask_to_stop(&daemon, &who).await;
    let mut answer = vec![0; 64 << 10];
    let len = within(second.read(&mut answer)).await.unwrap();
    assert_eq!(Raw::parse(&answer[..len]).status, 202);
    fs::write(daemon.path("go"), "").unwrap();
    daemon.stop().await;
    assert_eq!(read_to_end(&mut second).await, b"");
}

#[tokio::test]
async fn no_more_than_64_wait_for_its_end_and_others_still_get_in() {
    let daemon = Daemon::with_grace(support::PATIENCE).await;
    let live = daemon
        .launch("trap '' HUP TERM; printf up; until test -e go; do sleep 0.02; done")
        .await;
    daemon.until(&live.id, "up").await;
    let who = identity(&daemon).await;
    let mut answer = vec![0; 64 << 10];
    let mut waiting = Vec::new();
    for _ in 0..64 {
        let mut stream = ask_to_stop(&daemon, &who).await;
        let len = within(stream.read(&mut answer)).await.unwrap();
        assert_eq!(Raw::parse(&answer[..len]).status, 202);
        waiting.push(stream);
    }
    let mut one_more = ask_to_stop(&daemon, &who).await;
    let refused = Raw::parse(&read_to_end(&mut one_more).await);
    refused.is_error(503, "runtime_unavailable");
    assert_eq!(
        refused.json()["error"]["details"]["reason"],
        "too_many_connections"
    );
    assert_eq!(identity(&daemon).await, who);
    fs::write(daemon.path("go"), "").unwrap();
    daemon.stop().await;
    for mut stream in waiting {
        assert_eq!(read_to_end(&mut stream).await, b"");
    }
}

#[tokio::test]
async fn a_follower_goes_on_over_a_restart_without_gap_or_repeat() {
    let daemon = Daemon::start().await;
    let live = daemon.launch("printf one; exec sleep 600").await;
    let mut follow = daemon.client.follow(&live.id, None);
    let mut seen = Vec::new();
    loop {
        let event = within(follow.next()).await.unwrap().unwrap();
        let is_output = matches!(event.payload(), Payload::Output(_));
        seen.push(event);
        if is_output {
            break;
        }
    }
    // It is not told that the daemon stops: that is borne.
    let rest = tokio::spawn(async move {
        let mut rest = Vec::new();
        while let Some(event) = within(follow.next()).await.unwrap() {
            rest.push(event);
        }
        rest
    });
    let dir = daemon.stop().await;
    let daemon = Daemon::in_dir(dir, Timeouts::default()).await;
    seen.extend(rest.await.unwrap());
    let all = daemon
        .client
        .events(&live.id, Default::default())
        .await
        .unwrap();
    assert_eq!(seen, all.events);
    let record = daemon.client.session(&live.id).await.unwrap();
    assert!(
        matches!(record.status, Status::Killed | Status::Orphaned),
        "{record:?}"
    );
}

/// Waits until the daemon answers at its socket.
async fn answers(daemon: &Daemon) {
    let answered = async {
        while daemon.client.health().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    within(answered).await;
}

#[tokio::test]
async fn a_socket_that_somebody_removed_is_bound_again() {
    let daemon = Daemon::start().await;
    let live = daemon.launch("printf up; exec sleep 600").await;
    daemon.until(&live.id, "up").await;
    answers(&daemon).await;
    for _ in 0..2 {
        fs::remove_file(daemon.socket()).unwrap();
        answers(&daemon).await;
    }
    let socket = fs::symlink_metadata(daemon.socket()).unwrap();
    assert_eq!(socket.mode() & 0o7777, 0o600);
    let record = daemon.client.session(&live.id).await.unwrap();
    assert_eq!(record.status, Status::Running);
    let socket = daemon.socket();
    let _dir = daemon.stop().await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn what_took_the_place_of_a_removed_socket_is_left_alone() {
    let daemon = Daemon::start().await;
    answers(&daemon).await;
    fs::remove_file(daemon.socket()).unwrap();
    fs::write(daemon.socket(), "mine").unwrap();
    let socket = daemon.socket();
    let _dir = daemon.stop().await;
    assert_eq!(fs::read(&socket).unwrap(), b"mine");
}

#[tokio::test]
async fn a_daemon_whose_home_is_removed_ends_its_sessions_and_itself() {
    let daemon = Daemon::start().await;
    let pid = daemon.path("pid");
    let live = daemon
        .launch(&format!(
            "echo $$ > {}; printf up; exec sleep 600",
            pid.display()
        ))
        .await;
    daemon.until(&live.id, "up").await;
    let pid: i32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    fs::remove_dir_all(daemon.home()).unwrap();
    drop(within(daemon.running).await.unwrap());
    assert!(rustix::process::test_kill_process(pid).is_err());
    assert!(!daemon.dir.path().join("home").exists());
}

#[tokio::test]
async fn a_daemon_whose_home_cannot_be_looked_at_goes_on_and_looks_again() {
    let parent = tempfile::tempdir().unwrap();
    let dir = Daemon::new_dir_in(parent.path());
    let mut daemon = Daemon::in_dir(dir, Timeouts::default()).await;
    let live = daemon.launch("printf up; exec sleep 600").await;
    daemon.until(&live.id, "up").await;
    // A home whose parent is a link to itself cannot be looked at.
    let (outer, aside) = (daemon.dir.path().to_owned(), parent.path().join("aside"));
    fs::rename(&outer, &aside).unwrap();
    std::os::unix::fs::symlink(&outer, &outer).unwrap();
    fs::remove_file(aside.join("home/coven.sock")).unwrap();
    let looks = Duration::from_secs(3);
    let ended = tokio::time::timeout(looks, &mut daemon.running).await;
    assert!(ended.is_err(), "it ended");
    fs::remove_file(&outer).unwrap();
    fs::rename(&aside, &outer).unwrap();
    answers(&daemon).await;
    let record = daemon.client.session(&live.id).await.unwrap();
    assert_eq!(record.status, Status::Running);
    daemon.stop().await;
}

#[tokio::test]
async fn a_home_is_not_free_before_its_daemon_has_put_its_files_away() {
    let daemon = Daemon::start().await;
    let who = identity(&daemon).await;
    // A request that is not whole keeps the daemon from its end for as long as it drains.
    let mut stalled = daemon.connect().await;
    stalled
        .write_all(b"POST /sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
        .await
        .unwrap();
    answers(&daemon).await;
    daemon.stopper.stop();
    let home = daemon.home();
    let newcomer = async {
        loop {
            match coven::Engine::open(coven::Options::at(&home)).await {
                Ok(engine) => break engine,
                Err(coven::OpenError::InUse { .. }) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        }
    };
    let engine = within(newcomer).await;
    assert!(!home.join("coven.sock").exists() && !home.join("daemon.json").exists());
    let server = Server::bind(engine, ServeOptions::default()).unwrap();
    drop(within(daemon.running).await.unwrap());
    let told = coven_http::told(&home).unwrap();
    assert_eq!(&told, server.daemon());
    assert_ne!(told, who);
}
