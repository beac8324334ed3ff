//! Large bodies: they are held within a bound, and are in nobody's way.

mod support;

use std::time::Duration;

use coven_http::Timeouts;
use serde_json::json;
use support::{Daemon, Raw, read_to_end, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SHORT: Duration = Duration::from_secs(1);

/// Bodies of nearly 4 MiB that are held at once.
const FIT: usize = 8;

/// Sends all of a body of nearly 4 MiB but its last byte, as far as the daemon reads it.
async fn stall_with_a_large_body(daemon: &Daemon) -> tokio::net::UnixStream {
    const BODY_BYTES: usize = (4 << 20) - 1;
    let mut stream = daemon.connect().await;
    let head =
        format!("POST /sessions HTTP/1.1\r\nhost: x\r\ncontent-length: {BODY_BYTES}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    within(stream.write_all(&vec![b' '; BODY_BYTES - 1]))
        .await
        .unwrap();
    stream
}

#[tokio::test]
async fn large_bodies_that_stall_leave_no_room_for_another_but_for_short_requests_and_a_kill() {
    let daemon = Daemon::with(Timeouts {
        body: support::PATIENCE * 2,
        ..Timeouts::default()
    })
    .await;
    let live = daemon.launch("exec sleep 600").await;
    let mut stalled = Vec::new();
    for _ in 0..FIT {
        stalled.push(stall_with_a_large_body(&daemon).await);
    }
    // The ninth is not read: what fits no socket's buffer is not taken from it.
    let ninth = tokio::time::timeout(SHORT, stall_with_a_large_body(&daemon)).await;
    assert!(ninth.is_err(), "a ninth large body was read");
    let resized = daemon
        .post(
            &format!("/sessions/{}/resize", live.id),
            &serde_json::json!({"cols": 90, "rows": 30}),
        )
        .await;
    assert_eq!(resized.status, 202);
    within(daemon.client.kill(&live.id)).await.unwrap();
    drop(stalled);
    // The room of each is free again.
    let mut again = Vec::new();
    for _ in 0..FIT {
        again.push(stall_with_a_large_body(&daemon).await);
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_body_without_room_is_told_so_and_has_it_once_those_that_stalled_are_given_up() {
    let daemon = Daemon::with(Timeouts {
        body: SHORT * 5,
        ..Timeouts::default()
    })
    .await;
    let live = daemon.launch("exec sleep 600").await;
    let body = format!("{{\"future\":\"{}\"}}", "x".repeat((4 << 20) - 64));
    // Its time runs from its go-ahead on: it is over before that of those that have the room.
    let mut late = daemon.connect().await;
    let head = format!(
        "POST /sessions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    late.write_all(head.as_bytes()).await.unwrap();
    let mut go_ahead = [0; 25];
    within(late.read_exact(&mut go_ahead)).await.unwrap();
    assert_eq!(&go_ahead, b"HTTP/1.1 100 Continue\r\n\r\n");
    let mut stalled = Vec::new();
    for _ in 0..FIT {
        stalled.push(stall_with_a_large_body(&daemon).await);
    }
    let (mut answer, mut late) = late.into_split();
    let sent = tokio::spawn(async move {
        // It may be given up before it is all sent.
        let _ = late.write_all(body.as_bytes()).await;
        body
    });
    assert!(within(daemon.client.health()).await.unwrap().ok);
    let listed = within(daemon.client.sessions()).await.unwrap();
    assert_eq!(listed[0].id, live.id);
    within(daemon.client.input(&live.id, "x")).await.unwrap();
    let mut told = Vec::new();
    // It ends with a reset where bytes are left unread.
    let _ = within(answer.read_to_end(&mut told)).await;
    let told = Raw::parse(&told);
    told.is_error(503, "runtime_unavailable");
    assert_eq!(told.json()["error"]["details"]["reason"], "too_many_bodies");
    for mut given_up in stalled {
        let told = Raw::parse(&read_to_end(&mut given_up).await);
        told.is_error(400, "invalid_request");
    }
    // The room of each is free again.
    let mut stalled = Vec::new();
    for _ in 1..FIT {
        stalled.push(stall_with_a_large_body(&daemon).await);
    }
    let body = within(sent).await.unwrap();
    let taken = daemon.request("POST", "/sessions", &body).await;
    taken.is_error(400, "invalid_request");
    daemon.stop().await;
}

#[tokio::test]
async fn a_short_routes_body_over_its_own_limit_is_refused() {
    let daemon = Daemon::start().await;
    let live = daemon.launch("exec sleep 600").await;
    let large = format!("{{\"future\":\"{}\"}}", "x".repeat(300 << 10));
    let session = format!("/sessions/{}", live.id);
    for (method, path) in [("PATCH", &session), ("POST", &format!("{session}/resize"))] {
        let answer = daemon.request(method, path, &large).await;
        answer.is_error(413, "payload_too_large");
    }
}

/// A body of so many bytes that says nothing else than `fields`.
fn padded(fields: &str, len_bytes: usize) -> String {
    let before = format!("{{{fields}\"future\":\"");
    let padding = "x".repeat(len_bytes - before.len() - 2);
    format!("{before}{padding}\"}}")
}

#[tokio::test]
async fn every_route_that_known_clients_use_takes_4_mib_and_no_byte_more() {
    let daemon = Daemon::start().await;
    let live = daemon.launch("exec cat").await;
    let root = daemon.project();
    let launch = format!(
        "\"projectRoot\":{:?},\"harness\":\"shell\",\"prompt\":\"true\",",
        root.to_str().unwrap()
    );
    let external = "\"id\":\"theirs\",\"projectRoot\":\"/x\",\"harness\":\"x\",";
    let refresh = "\"action\":\"coven.capabilities.refresh\",";
    for (path, fields, status) in [
        ("/actions", refresh, 200),
        ("/sessions", &launch, 201),
        ("/sessions/external", external, 201),
        ("/sessions/theirs/complete", "\"exitCode\":0,", 200),
        (
            &format!("/sessions/{}/input", live.id),
            "\"data\":\"x\",",
            202,
        ),
        (&format!("/sessions/{}/kill", live.id), "", 202),
    ] {
        if !path.ends_with("/kill") {
            let over = padded(fields, (4 << 20) + 1);
            let answer = daemon.request("POST", path, &over).await;
            answer.is_error(413, "payload_too_large");
        }
        let answer = daemon.request("POST", path, &padded(fields, 4 << 20)).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn an_action_is_answered_in_few_words_however_many_it_was_asked_in() {
    let daemon = Daemon::start().await;
    let long = "é".repeat(1 << 20);
    let rejected = daemon.post("/actions", &json!({"action": long})).await;
    assert_eq!(rejected.status, 400);
    let told = rejected.json();
    assert_eq!(told["status"], "rejected");
    assert!(long.starts_with(told["action"].as_str().unwrap()));
    assert!(rejected.body.len() < 16 << 10, "{}", rejected.body.len());
    for field in ["origin", "intentId"] {
        let mut asked = json!({"action": "coven.capabilities.refresh"});
        asked[field] = json!(long);
        let answer = daemon.post("/actions", &asked).await;
        answer.is_error(400, "invalid_request");
        let details = &answer.json()["error"]["details"];
        assert_eq!(details["field"], field);
    }
}

/// One thread runs the daemon and this test: parsing on it would hold up both.
#[tokio::test(flavor = "current_thread")]
async fn a_large_body_is_parsed_beside_the_requests_of_others() {
    let daemon = Daemon::start().await;
    let body = format!("{{\"future\":[1{}]}}", ",1".repeat((2 << 20) - 32));
    let parsing = daemon.request("POST", "/sessions", &body);
    tokio::pin!(parsing);
    let mut longest = Duration::ZERO;
    let started = std::time::Instant::now();
    let mut last = started;
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    let answer = loop {
        tokio::select! {
            answer = &mut parsing => break answer,
            _ = tick.tick() => {}
        }
        longest = longest.max(last.elapsed());
        last = std::time::Instant::now();
    };
    longest = longest.max(last.elapsed());
    answer.is_error(400, "invalid_request");
    let all = started.elapsed();
    assert!(longest * 3 < all, "held up for {longest:?} of {all:?}");
}
