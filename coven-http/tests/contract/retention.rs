//! Pruning, and what a reader is told of output that is gone.

use coven_http::wire::{Payload, PruneBody, TrimmedOutput};
use serde_json::json;

use crate::support::{Daemon, Raw, within};

/// Writes 800,000 bytes in lines of eight. An output event has less than 60,000 of them, however
/// fast they come.
const LINES: &str = "stty -onlcr; seq -f '%07.0f' 0 99999";

/// A session of 800,000 bytes that keeps 100,000 at most: its id, and where what is left begins.
async fn trimmed(daemon: &Daemon) -> (String, u64) {
    let (record, _) = daemon.run(LINES).await;
    let body = PruneBody {
        session_bytes: Some(100_000),
        ..PruneBody::default()
    };
    let pruned = within(daemon.client.prune(&body)).await.unwrap();
    assert_eq!(pruned.sessions.len(), 1, "{pruned:?}");
    let record = daemon.client.session(&record.id).await.unwrap();
    assert!(record.trimmed_bytes >= 700_000 && record.trimmed_bytes < 800_000);
    (record.id, record.trimmed_bytes)
}

#[tokio::test]
async fn pruning_says_what_would_go_and_then_what_went() {
    let daemon = Daemon::start().await;
    let (record, _) = daemon.run(LINES).await;
    let would = daemon
        .post("/prune", &json!({"dryRun": true, "sessionBytes": 100_000}))
        .await;
    assert_eq!(would.status, 200);
    let told = would.json();
    assert_eq!(told["dryRun"], true);
    assert_eq!(told["sessionBytes"], 100_000);
    assert!(told["totalBytes"].is_null() && told["maxAge"].is_null());
    assert_eq!(told["sessions"][0]["id"], record.id);
    assert_eq!(told["sessions"][0]["offset"], 0);
    assert_eq!(told["sessions"][0]["bytes"], told["freedBytes"]);
    assert_eq!(told["failed"], json!([]));
    let same = daemon.client.session(&record.id).await.unwrap();
    assert_eq!(same, record);
    let went = daemon
        .post("/prune", &json!({"sessionBytes": 100_000}))
        .await
        .json();
    assert_eq!(went["dryRun"], false);
    assert_eq!(went["sessions"], told["sessions"]);
    let again = daemon
        .post("/prune", &json!({"sessionBytes": 100_000}))
        .await
        .json();
    assert_eq!(
        (&again["sessions"], &again["freedBytes"]),
        (&json!([]), &json!(0))
    );
}

#[tokio::test]
async fn pruning_without_a_budget_lets_nothing_go_and_says_that_there_is_none() {
    let daemon = Daemon::start().await;
    daemon.run("echo some output").await;
    let pruned = within(daemon.client.prune(&PruneBody::default()))
        .await
        .unwrap();
    assert_eq!(
        (pruned.session_bytes, pruned.total_bytes, pruned.max_age),
        (None, None, None)
    );
    assert!(pruned.sessions.is_empty());
    for bad in [
        json!({"sessionBytes": -1}),
        json!({"maxAge": "30d"}),
        json!({"dryRun": 1}),
        json!({"dry_run": true, "totalBytes": 0}),
    ] {
        daemon
            .post("/prune", &bad)
            .await
            .is_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn output_that_was_trimmed_is_gone_and_the_answer_says_where_what_is_left_begins() {
    let daemon = Daemon::start().await;
    let (id, first) = trimmed(&daemon).await;
    let path = format!("/sessions/{id}/output");
    let ranged = async |range: String| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nrange: {range}\r\n\r\n");
        Raw::parse(&daemon.raw(request.as_bytes()).await)
    };
    let refused = [
        daemon.get(&path).await,
        ranged("bytes=0-".to_owned()).await,
        ranged(format!("bytes={}-", first - 1)).await,
        ranged("bytes=-799999".to_owned()).await,
    ];
    for refused in refused {
        refused.is_error(410, "output_trimmed");
        let details = &refused.json()["error"]["details"];
        assert_eq!(*details, json!({"sessionId": id, "firstOffset": first}));
    }
    let left = ranged(format!("bytes={first}-")).await;
    assert_eq!(
        (left.status, left.body.len() as u64),
        (206, 800_000 - first)
    );
    assert!(left.body.ends_with(b"0099999\n"));
    assert_eq!(left.headers("x-coven-output-complete"), ["true"]);
}

#[tokio::test]
async fn events_from_before_what_was_trimmed_say_so_and_later_ones_do_not() {
    let daemon = Daemon::start().await;
    let (id, first) = trimmed(&daemon).await;
    let page = daemon.get(&format!("/sessions/{id}/events")).await.json();
    assert_eq!(page["trimmed"], json!({"offset": 0, "bytes": first}));
    let events = page["events"].as_array().unwrap();
    let of = |kind: &str| {
        events
            .iter()
            .filter(|it| it["kind"] == kind)
            .collect::<Vec<_>>()
    };
    let payload = |event: &serde_json::Value| {
        let text = event["payload_json"].as_str().unwrap();
        serde_json::from_str::<serde_json::Value>(text).unwrap()
    };
    assert_eq!(payload(of("output")[0])["offset"], first);
    let trim = payload(of("trimmed")[0]);
    assert_eq!(
        (&trim["offset"], &trim["bytes"]),
        (&json!(0), &json!(first))
    );
    assert_eq!(trim["sha256"].as_str().unwrap().len(), 64);
    assert!(!of("status").is_empty() && !of("exit").is_empty());

    let first_left = of("output")[0]["seq"].as_u64().unwrap();
    let later = daemon
        .get(&format!("/sessions/{id}/events?afterSeq={first_left}"))
        .await;
    assert!(later.json().get("trimmed").is_none());
    // An event that was read before it went is still a place to go on from.
    let gone = first_left - 1;
    let after = daemon
        .get(&format!("/sessions/{id}/events?afterEventId=ev-{gone}"))
        .await;
    assert_eq!(after.json()["events"][0]["seq"], first_left);

    let stream = daemon
        .raw(format!("GET /sessions/{id}/events/stream HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
        .await;
    let stream = String::from_utf8_lossy(&stream);
    let missing = format!("event: missing\ndata: {{\"offset\":0,\"bytes\":{first}}}\n\n");
    let (_, rest) = stream
        .split_once(&missing)
        .expect("it says what is missing");
    assert!(rest.contains("id: "), "{rest}");
    let mut follow = daemon.client.follow(&id, None);
    let mut next = None;
    while let Some(event) = within(follow.next()).await.unwrap() {
        if let Payload::Output(output) = event.payload() {
            assert_eq!(output.offset, next.unwrap_or(first));
            next = Some(output.offset + output.bytes);
        }
    }
    assert_eq!(next, Some(800_000));
    let told = TrimmedOutput {
        offset: 0,
        bytes: first,
    };
    assert_eq!(follow.trimmed(), Some(told));
    let mut follow = daemon.client.follow(&id, Some(first_left));
    while within(follow.next()).await.unwrap().is_some() {}
    assert_eq!(follow.trimmed(), None);
}

#[tokio::test]
async fn the_preview_of_a_trimmed_session_shows_what_is_left() {
    let daemon = Daemon::start().await;
    let (id, first) = trimmed(&daemon).await;
    let log = daemon.get(&format!("/sessions/{id}/log")).await.json();
    let lines = log.as_array().unwrap();
    let messages: Vec<&str> = lines
        .iter()
        .map(|it| it["message"].as_str().unwrap())
        .collect();
    assert!(messages.contains(&"session created") && messages.contains(&"0099999"));
    assert!(!messages.contains(&"0000000"));
    let told = format!("the first {first} bytes of output were trimmed");
    assert!(messages.contains(&told.as_str()), "{messages:?}");
}
