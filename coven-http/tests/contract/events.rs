//! Events, page by page.

use serde_json::{Value, json};

use crate::shape::is_time;
use crate::support::Daemon;

#[tokio::test]
async fn events_have_the_shapes_of_the_contract() {
    let daemon = Daemon::start().await;
    let (record, _) = daemon.run("printf 'a\\033[0m\\n'; exit 3").await;
    let id = &record.id;
    let whole = daemon.get(&format!("/sessions/{id}/events")).await.json();
    let alias = daemon
        .get(&format!("/api/v1/events?sessionId={id}"))
        .await
        .json();
    assert_eq!(whole, alias);
    assert_eq!(whole["hasMore"], false);
    let events = whole["events"].as_array().unwrap();
    let payload = |event: &Value| -> Value {
        serde_json::from_str(event["payload_json"].as_str().unwrap()).unwrap()
    };
    for event in events {
        let mut keys: Vec<&str> = event
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            [
                "created_at",
                "id",
                "kind",
                "payload_json",
                "seq",
                "session_id"
            ]
        );
        is_time(&event["created_at"]);
        assert_eq!(event["session_id"], json!(id));
    }
    assert_eq!(payload(&events[0]), json!({"status": "created"}));
    assert_eq!(payload(&events[1])["status"], "running");
    assert!(payload(&events[1])["pid"].is_u64());
    assert_eq!(
        payload(&events[2]),
        json!({"data": "a\u{1b}[0m\r\n", "offset": 0, "bytes": 7, "channel": "tty"})
    );
    assert_eq!(events[3]["kind"], "exit");
    assert_eq!(
        payload(&events[3]),
        json!({"status": "failed", "exitCode": 3, "output": "complete"})
    );
    assert_eq!(events[3]["seq"], json!(record.last_seq));
    assert_eq!(whole["nextCursor"], json!({"afterSeq": record.last_seq}));
    assert_eq!(record.exit_code, Some(3));
}

#[tokio::test]
async fn events_are_given_from_any_place_and_as_many_as_asked_for() {
    let daemon = Daemon::start().await;
    let (record, _) = daemon.run("printf a").await;
    let id = &record.id;
    let whole = daemon.get(&format!("/sessions/{id}/events")).await.json();
    let events = whole["events"].as_array().unwrap();
    assert_eq!(events.len(), 4, "{events:?}");
    let last = record.last_seq;
    let rest = |query: String| {
        let daemon = &daemon;
        async move { daemon.get(&format!("/sessions/{id}/events?{query}")).await }
    };
    let first = rest("limit=2".to_owned()).await.json();
    assert_eq!(first["events"].as_array().unwrap()[..], events[..2]);
    assert_eq!(first["hasMore"], true);
    let second = events[1]["seq"].as_u64().unwrap();
    assert_eq!(first["nextCursor"], json!({"afterSeq": second}));
    let after = rest(format!("afterSeq={second}&limit=2")).await.json();
    assert_eq!(after["events"].as_array().unwrap()[..], events[2..]);
    assert_eq!(after["hasMore"], false);
    let event_id = events[1]["id"].as_str().unwrap();
    assert!(
        event_id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
    );
    let by_id = rest(format!("afterEventId={event_id}")).await.json();
    assert_eq!(by_id["events"].as_array().unwrap()[..], events[2..]);
    for unknown in ["nobody", "ev-999999", "ev-0"] {
        let from_start = rest(format!("afterEventId={unknown}")).await.json();
        assert_eq!(from_start["events"].as_array().unwrap().len(), events.len());
    }
    let wins = rest(format!("afterEventId={event_id}&afterSeq=0"))
        .await
        .json();
    assert_eq!(wins["events"].as_array().unwrap().len(), events.len());
    let end = rest(format!("afterSeq={last}")).await.json();
    assert_eq!(
        end,
        json!({"events": [], "nextCursor": null, "hasMore": false})
    );
    let clamped = rest("limit=0".to_owned()).await.json();
    assert_eq!(clamped["events"].as_array().unwrap().len(), 1);
    assert_eq!(rest("limit=99999".to_owned()).await.status, 200);
    for bad in [
        "afterSeq=x",
        "afterSeq=-1",
        "afterSeq=",
        "limit=x",
        "limit=1.5",
    ] {
        let answer = rest(bad.to_owned()).await;
        answer.is_error(400, "invalid_request");
        let field = bad.split('=').next().unwrap();
        assert_eq!(answer.json()["error"]["details"]["field"], field);
    }
}

#[tokio::test]
async fn events_over_four_mebibytes_are_refused_whole_and_given_in_pages() {
    let daemon = Daemon::start().await;
    // Control characters are six bytes each in JSON, and seven in a string of JSON.
    let (record, _) = daemon
        .run("stty raw; head -c 900000 /dev/zero | tr '\\0' '\\001'")
        .await;
    let path = format!("/sessions/{}/events", record.id);
    let whole = daemon.get(&path).await;
    whole.is_error(413, "event_response_too_large");
    let details = &whole.json()["error"]["details"];
    assert!(
        details["seq"].is_u64() && details["eventId"].is_string(),
        "{details}"
    );

    let mut after = 0;
    let mut written = 0;
    let mut pages = 0;
    loop {
        let page = daemon
            .get(&format!("{path}?limit=1000&afterSeq={after}"))
            .await;
        assert!(page.body.len() <= 4 << 20);
        let page = page.json();
        for event in page["events"].as_array().unwrap() {
            let payload = event["payload_json"].as_str().unwrap();
            assert!(payload.len() <= 60_000);
            let payload: Value = serde_json::from_str(payload).unwrap();
            written += payload["bytes"].as_u64().unwrap_or(0);
        }
        pages += 1;
        if page["hasMore"] == false {
            break;
        }
        after = page["nextCursor"]["afterSeq"].as_u64().unwrap();
    }
    assert!(pages > 1, "one page held it all");
    assert_eq!(written, 900_000);
}
