//! Slow, stalled, oversized, garbled and too many clients: they harm nobody but themselves.

mod support;

use std::time::Duration;

use coven_http::Timeouts;
use coven_http::client::Client;
use support::{Daemon, Raw, read_to_end, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SHORT: Duration = Duration::from_secs(1);

fn impatient() -> Timeouts {
    Timeouts {
        head: SHORT,
        body: SHORT,
        write_stall: SHORT,
        ..Timeouts::default()
    }
}

async fn is_well(daemon: &Daemon) {
    assert!(within(daemon.client.health()).await.unwrap().ok);
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_before_it_comes() {
    let daemon = Daemon::with(Timeouts {
        body: support::PATIENCE * 2,
        ..Timeouts::default()
    })
    .await;
    let mut stream = daemon.connect().await;
    let head = b"POST /sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let refused = Raw::parse(&read_to_end(&mut stream).await);
    refused.is_error(413, "payload_too_large");
}

#[tokio::test]
async fn an_answer_is_followed_by_the_end_of_the_connection() {
    let daemon = Daemon::start().await;
    for request in [
        "GET /health HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /health HTTP/1.1\r\nhost: x\r\nconnection: keep-alive\r\n\r\n",
        "GET /health HTTP/1.0\r\n\r\n",
        "GET /health HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
    ] {
        // Both ends of a habit: closing the write side at once, and never.
        let half_closed = Raw::parse(&daemon.raw(request.as_bytes()).await);
        assert_eq!(half_closed.status, 200, "{request}");
        let mut open = daemon.connect().await;
        open.write_all(request.as_bytes()).await.unwrap();
        let answer = Raw::parse(&read_to_end(&mut open).await);
        assert_eq!(answer.status, 200, "{request}");
    }
}

#[tokio::test]
async fn a_client_that_comes_and_goes_without_a_word_is_no_matter() {
    let daemon = Daemon::start().await;
    for _ in 0..50 {
        drop(daemon.connect().await);
    }
    assert_eq!(daemon.raw(b"").await, b"");
    is_well(&daemon).await;
}

#[tokio::test]
async fn a_silent_or_slow_head_is_given_up() {
    let daemon = Daemon::with(impatient()).await;
    for beginning in ["", "GET /hea", "GET /health HTTP/1.1\r\nhost: x\r\n"] {
        let mut stream = daemon.connect().await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{beginning:?}");
        is_well(&daemon).await;
    }
}

#[tokio::test]
async fn a_stalled_body_is_given_up_with_a_reason() {
    let daemon = Daemon::with(impatient()).await;
    let mut stream = daemon.connect().await;
    let request = "POST /sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"prompt\":";
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = Raw::parse(&read_to_end(&mut stream).await);
    answer.is_error(400, "invalid_request");
}

#[tokio::test]
async fn a_body_that_ends_early_is_refused() {
    let daemon = Daemon::start().await;
    let request = "POST /sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{}";
    let answer = Raw::parse(&daemon.raw(request.as_bytes()).await);
    answer.is_error(400, "invalid_request");
    let listed = daemon.get("/sessions").await.json();
    assert_eq!(listed, serde_json::json!([]));
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_given_up() {
    let daemon = Daemon::with(impatient()).await;
    let script = "stty raw; head -c 300000 /dev/zero | tr '\\0' '\\001'";
    let (record, _) = daemon.run(script).await;
    let mut stream = daemon.connect().await;
    let request = format!(
        "GET /sessions/{}/events?limit=1000 HTTP/1.1\r\nhost: x\r\n\r\n",
        record.id
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    // The daemon has let go once its end of the socket is closed.
    let let_go = async {
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while stream.try_write(b"x").is_ok() {
            tick.tick().await;
        }
    };
    within(let_go).await;
    let mut taken = Vec::new();
    let _ = within(stream.read_to_end(&mut taken)).await;
    assert!(taken.starts_with(b"HTTP/1.1 200") && taken.len() < 2 << 20);
    is_well(&daemon).await;
}

#[tokio::test]
async fn a_second_request_on_a_connection_is_not_answered() {
    let daemon = Daemon::start().await;
    let one = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    let answers = daemon.raw(one.repeat(3).as_bytes()).await;
    // `parse` checks that nothing comes after the first body.
    assert_eq!(Raw::parse(&answers).status, 200);
}

#[tokio::test]
async fn an_oversized_head_is_refused() {
    let daemon = Daemon::start().await;
    let long = "x".repeat(100_000);
    let many: String = (0..500).map(|n| format!("x-{n}: y\r\n")).collect();
    for request in [
        format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"),
        format!("GET /health HTTP/1.1\r\nx: {long}\r\n\r\n"),
        format!("GET /health HTTP/1.1\r\n{many}\r\n"),
    ] {
        let answer = daemon.raw(request.as_bytes()).await;
        let head = String::from_utf8_lossy(&answer[..answer.len().min(40)]).into_owned();
        assert!(head.starts_with("HTTP/1.1 4"), "{head:?}");
    }
    is_well(&daemon).await;
}

#[tokio::test]
async fn a_head_may_have_32_kib_and_no_byte_more() {
    let daemon = Daemon::start().await;
    let with_header =
        |padding: &str| format!("GET /health HTTP/1.1\r\nhost: x\r\nx: {padding}\r\n\r\n");
    let with_path = |padding: &str| format!("GET /health?x={padding} HTTP/1.1\r\nhost: x\r\n\r\n");
    let heads: [&dyn Fn(&str) -> String; 2] = [&with_header, &with_path];
    for head in heads {
        for (len_bytes, status) in [(32 << 10, 200), ((32 << 10) + 1, 431), (40_000, 431)] {
            let padding = "x".repeat(len_bytes - head("").len());
            let answer = Raw::parse(&daemon.raw(head(&padding).as_bytes()).await);
            assert_eq!(answer.status, status, "{len_bytes} bytes");
        }
    }
    is_well(&daemon).await;
}

#[tokio::test]
async fn garbage_is_answered_with_an_error_or_not_at_all() {
    let daemon = Daemon::start().await;
    for seed in 1..30 {
        let answer = daemon.raw(&support::noise(seed, 2000)).await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{answer:?}"
        );
    }
    for request in [
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET /health HTTP/9.9\r\n\r\n",
        "POST /sessions HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        "POST /sessions HTTP/1.1\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "POST /sessions HTTP/1.1\r\ntransfer-encoding: nonsense\r\n\r\n{}",
        "GET /health HTTP/1.1\r\nbad header\r\n\r\n",
    ] {
        let answer = daemon.raw(request.as_bytes()).await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{request:?} got {:?}",
            String::from_utf8_lossy(&answer)
        );
    }
    is_well(&daemon).await;
}

#[tokio::test]
async fn a_body_may_come_in_chunks_or_after_a_go_ahead() {
    let daemon = Daemon::start().await;
    let action = r#"{"action":"coven.capabilities.refresh"}"#;
    let chunked = format!(
        "POST /actions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{action}\r\n0\r\n\r\n",
        action.len()
    );
    assert_eq!(
        Raw::parse(&daemon.raw(chunked.as_bytes()).await).status,
        200
    );
    let head = format!(
        "POST /actions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        action.len()
    );
    let mut stream = daemon.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_ahead = [0; 25];
    within(stream.read_exact(&mut go_ahead)).await.unwrap();
    assert_eq!(&go_ahead, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(action.as_bytes()).await.unwrap();
    assert_eq!(Raw::parse(&read_to_end(&mut stream).await).status, 200);
}

#[tokio::test]
async fn a_body_far_over_the_limit_is_told_so_while_it_is_still_written() {
    let daemon = Daemon::start().await;
    let body = vec![b' '; 20 << 20];
    let head = format!(
        "POST /sessions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = daemon.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    within(stream.write_all(&body)).await.unwrap();
    let answer = Raw::parse(&read_to_end(&mut stream).await);
    answer.is_error(413, "payload_too_large");
}

#[tokio::test]
async fn one_connection_too_many_is_turned_away_and_the_next_is_not() {
    raise_file_limit();
    let daemon = Daemon::start().await;
    let mut idle = Vec::new();
    for _ in 0..512 {
        idle.push(daemon.connect().await);
    }
    let turned_away = Raw::parse(&daemon.raw(b"").await);
    turned_away.is_error(503, "runtime_unavailable");
    drop(idle);
    // They are let go as fast as the daemon sees that they are gone.
    let served = async {
        while daemon.client.health().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    within(served).await;
}

#[tokio::test]
async fn however_many_watch_a_kill_gets_in() {
    raise_file_limit();
    let daemon = Daemon::start().await;
    let live = daemon.launch("exec sleep 600").await;
    let mut watchers = Vec::new();
    for _ in 0..256 {
        let mut stream = daemon.connect().await;
        let request = "GET /events/stream HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = [0; 12];
        within(stream.read_exact(&mut head)).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
        watchers.push(stream);
    }
    let one_more = Raw::parse(
        &daemon
            .raw(b"GET /events/stream HTTP/1.1\r\nhost: x\r\n\r\n")
            .await,
    );
    one_more.is_error(503, "runtime_unavailable");
    daemon.client.kill(&live.id).await.unwrap();
    drop(watchers);
    let watched = async {
        let client: &Client = &daemon.client;
        while client
            .follow_all(None)
            .patience(Duration::ZERO)
            .next()
            .await
            .is_err()
        {
            // The first thing they see is the killed session's end, or another launch.
            let _ = client.launch(&daemon.body("true")).await;
        }
    };
    let launched = async {
        loop {
            let _ = daemon.client.launch(&daemon.body("true")).await;
        }
    };
    within(async {
        tokio::select! { () = watched => {}, () = launched => {} }
    })
    .await;
}

/// Both ends of every connection are in this process.
fn raise_file_limit() {
    let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limits.maximum,
        maximum: limits.maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
}
