//! Events as they come.

mod support;

use std::time::Duration;

use coven_http::Timeouts;
use coven_http::client::{Client, EventsQuery};
use coven_http::wire::{Event, Payload};
use support::{Daemon, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

fn seqs(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.seq).collect()
}

/// A streamed answer's body, its chunks put together.
fn dechunked(raw: &[u8]) -> (String, Vec<u8>) {
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&raw[..end]).to_lowercase();
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    let mut rest = &raw[end + 4..];
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let len = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if len == 0 {
            break;
        }
        body.extend_from_slice(&rest[line + 2..line + 2 + len]);
        rest = &rest[line + 2 + len + 2..];
    }
    (head, body)
}

#[tokio::test]
async fn a_sessions_stream_tells_it_whole_and_ends() {
    let daemon = Daemon::start().await;
    let (record, events) = daemon.run("printf 'one\\n'; printf 'two\\n'; exit 4").await;
    let path = format!("/api/v1/sessions/{}/events/stream", record.id);
    let raw = daemon
        .raw(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
        .await;
    let (head, body) = dechunked(&raw);
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    let body = String::from_utf8(body).unwrap();
    let mut expected = String::new();
    for event in &events {
        let json = serde_json::to_string(event).unwrap();
        expected += &format!("id: {}\nevent: {}\ndata: {json}\n\n", event.seq, event.kind);
    }
    assert_eq!(body, expected + ": end\n\n");
    let page = daemon
        .client
        .events(&record.id, EventsQuery::default())
        .await
        .unwrap();
    assert_eq!(page.events, events);
}

#[tokio::test]
async fn a_stream_resumes_from_any_place_without_gap_or_repeat() {
    let daemon = Daemon::start().await;
    let (record, events) = daemon
        .run("printf a; sleep 0.05; printf b; sleep 0.05; printf c")
        .await;
    for (at, event) in events.iter().enumerate() {
        for cursor in [
            format!("last-event-id: {}\r\n", event.seq),
            // The header wins over the query: a client that connects again sends both.
            String::new(),
        ] {
            let query = if cursor.is_empty() { event.seq } else { 0 };
            let raw = daemon
                .raw(
                    format!(
                        "GET /sessions/{}/events/stream?afterSeq={query} HTTP/1.1\r\nhost: x\r\n{cursor}\r\n",
                        record.id
                    )
                    .as_bytes(),
                )
                .await;
            let (_, body) = dechunked(&raw);
            let body = String::from_utf8(body).unwrap();
            let told: Vec<u64> = body
                .lines()
                .filter_map(|line| line.strip_prefix("id: "))
                .map(|seq| seq.parse().unwrap())
                .collect();
            assert_eq!(told, seqs(&events[at + 1..]));
        }
    }
    for (path, header) in [
        ("?afterSeq=x", ""),
        ("", "last-event-id: x\r\n"),
        ("", "last-event-id: ü\r\n"),
        // Of another home, or of this one before it was put back.
        ("?afterSeq=999999999", ""),
        ("", "last-event-id: 999999999\r\n"),
    ] {
        let request = format!(
            "GET /sessions/{}/events/stream{path} HTTP/1.1\r\nhost: x\r\n{header}\r\n",
            record.id
        );
        let answer = support::Raw::parse(&daemon.raw(request.as_bytes()).await);
        answer.is_error(400, "invalid_request");
    }
    let unreadable = "GET /events/stream HTTP/1.1\r\nhost: x\r\nlast-event-id: ü\r\n\r\n";
    let answer = support::Raw::parse(&daemon.raw(unreadable.as_bytes()).await);
    answer.is_error(400, "invalid_request");
    assert_eq!(answer.json()["error"]["details"]["field"], "Last-Event-ID");
    let unknown = daemon.get("/sessions/nobody/events/stream").await;
    unknown.is_error(404, "session_not_found");
}

#[tokio::test]
async fn a_quiet_stream_gives_signs_of_life() {
    let timeouts = Timeouts {
        heartbeat: Duration::from_millis(20),
        ..Timeouts::default()
    };
    let daemon = Daemon::with(timeouts).await;
    let mut stream = daemon.connect().await;
    stream
        .write_all(b"GET /events/stream HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut said = String::new();
    let mut buffer = [0; 4096];
    while said.matches(": heartbeat").count() < 3 {
        let len = within(stream.read(&mut buffer)).await.unwrap();
        assert!(len > 0, "it ended after {said:?}");
        said += &String::from_utf8_lossy(&buffer[..len]);
    }
}

#[tokio::test]
async fn the_stream_of_all_sessions_starts_now_and_tells_of_deletion() {
    let daemon = Daemon::start().await;
    let (before, _) = daemon.run("true").await;
    let mut all = daemon.client.follow_all(None);
    // It is connected, and knows its place, once it gives its first event.
    let first = tokio::select! {
        first = within(all.next()) => first,
        () = async { loop { daemon.run("printf x").await; } } => unreachable!(),
    };
    let mut told = vec![first.unwrap().unwrap()];
    assert_ne!(told[0].session_id, before.id);
    let (record, _) = daemon.run("printf y").await;
    daemon.client.archive(&record.id).await.unwrap();
    daemon.client.delete(&record.id).await.unwrap();
    loop {
        let event = within(all.next()).await.unwrap().unwrap();
        let is_over = event.session_id == record.id && event.kind == "deleted";
        told.push(event);
        if is_over {
            break;
        }
    }
    assert!(told.is_sorted_by(|a, b| a.seq < b.seq));
    assert_eq!(told.last().unwrap().payload(), Payload::Deleted);
    assert_eq!(told.last().unwrap().payload_json, "{}");
    // From the start, the deleted session's only trace is its deletion.
    let mut whole = daemon.client.follow_all(Some(0));
    let mut of_it = Vec::new();
    loop {
        let event = within(whole.next()).await.unwrap().unwrap();
        if event.session_id == record.id {
            of_it.push(event.kind.clone());
        }
        if event.seq == told.last().unwrap().seq {
            break;
        }
    }
    assert_eq!(of_it, ["deleted"]);
}

#[tokio::test]
async fn a_reader_that_stops_reading_slows_only_itself() {
    let daemon = Daemon::start().await;
    let mut stuck = daemon.connect().await;
    stuck
        .write_all(b"GET /events/stream?afterSeq=0 HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let (record, events) = daemon
        .run("stty raw; head -c 4000000 /dev/zero | tr '\\0' z")
        .await;
    assert_eq!(record.output_bytes, 4_000_000);
    let told: u64 = events
        .iter()
        .filter_map(|event| match event.payload() {
            Payload::Output(output) => Some(output.bytes),
            _ => None,
        })
        .sum();
    assert_eq!(told, 4_000_000);
    // And it has lost nothing when it reads on.
    let mut parser = String::new();
    let last = format!("id: {}\n", record.last_seq);
    let mut buffer = vec![0; 1 << 16];
    while !parser.contains(&last) {
        let len = within(stuck.read(&mut buffer)).await.unwrap();
        assert!(len > 0);
        parser += &String::from_utf8_lossy(&buffer[..len]);
    }
}

/// Passes connections on to a daemon, and cuts every one after a few more bytes than the last.
async fn cutting_proxy(listener: UnixListener, daemon: std::path::PathBuf) {
    for most in (0..).map(|n| 200 + n * 977) {
        let Ok((mut client, _)) = listener.accept().await else {
            return;
        };
        let Ok(mut server) = UnixStream::connect(&daemon).await else {
            return;
        };
        tokio::spawn(async move {
            let (mut from_client, mut to_client) = client.split();
            let (from_server, mut to_server) = server.split();
            let mut answer = from_server.take(most);
            tokio::select! {
                _ = tokio::io::copy(&mut answer, &mut to_client) => {}
                _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
            }
        });
    }
}

#[tokio::test]
async fn the_client_follows_over_a_connection_that_breaks_all_the_time() {
    let daemon = Daemon::start().await;
    let script = "for i in $(seq 60); do printf \"line $i of many, with some length to it\\n\"; sleep 0.005; done";
    let live = daemon.launch(script).await;
    let proxy = daemon.dir.path().join("proxy.sock");
    let listener = UnixListener::bind(&proxy).unwrap();
    let proxying = tokio::spawn(cutting_proxy(listener, daemon.socket()));
    let mut follow = Client::new(&proxy).follow(&live.id, None);
    let mut told = Vec::new();
    while let Some(event) = within(follow.next()).await.unwrap() {
        told.push(event);
    }
    proxying.abort();
    let page = daemon
        .client
        .events(&live.id, EventsQuery::default())
        .await
        .unwrap();
    assert_eq!(told, page.events);
}

#[tokio::test]
async fn followers_that_went_away_are_found_out() {
    let timeouts = Timeouts {
        heartbeat: Duration::from_millis(20),
        ..Timeouts::default()
    };
    let daemon = Daemon::with(timeouts).await;
    // More, one after another, than may be open at once.
    for _ in 0..400 {
        let opened = async {
            loop {
                let mut stream = daemon.connect().await;
                let request = b"GET /events/stream HTTP/1.1\r\nhost: x\r\n\r\n";
                stream.write_all(request).await.unwrap();
                let mut head = [0; 12];
                stream.read_exact(&mut head).await.unwrap();
                match &head {
                    b"HTTP/1.1 200" => return,
                    b"HTTP/1.1 503" => tokio::task::yield_now().await,
                    other => panic!("{other:?}"),
                }
            }
        };
        within(opened).await;
    }
}
