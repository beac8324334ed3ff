//! Input and kill.

use serde_json::{Value, json};

use crate::shape::is_time;
use crate::support::Daemon;

#[tokio::test]
async fn input_is_checked_in_the_order_of_the_contract() {
    let daemon = Daemon::start().await;
    let unknown = daemon.request("POST", "/sessions/nobody/input", "{").await;
    unknown.is_error(404, "session_not_found");
    let (ended, _) = daemon.run("true").await;
    let path = format!("/sessions/{}/input", ended.id);
    let over = daemon.request("POST", &path, "{ not json").await;
    over.is_error(409, "session_not_live");
    let large = format!("{{\"data\":\"{}\"}}", "x".repeat(2 << 20));
    daemon
        .request("POST", &path, &large)
        .await
        .is_error(409, "session_not_live");

    let live = daemon
        .launch("stty raw -echo; printf ready; exec sleep 600")
        .await;
    daemon.until(&live.id, "ready").await;
    let path = format!("/sessions/{}/input", live.id);
    daemon
        .request("POST", &path, "{ not json")
        .await
        .is_error(400, "invalid_request");
    daemon
        .request("POST", &path, "{}")
        .await
        .is_error(400, "invalid_request");
    let wrong = daemon.post(&path, &json!({"data": 5})).await;
    wrong.is_error(400, "invalid_request");
    assert_eq!(
        wrong.json()["error"]["details"],
        json!({"field": "data", "value": "5"})
    );
    daemon
        .request("POST", &path, &large)
        .await
        .is_error(413, "input_too_large");
    let largest = json!({"data": "x".repeat(1 << 20)});
    assert_eq!(daemon.post(&path, &largest).await.status, 202);
    // Nobody reads it, so it stays undelivered.
    let more = daemon
        .post(&path, &json!({"data": "x".repeat(900_000)}))
        .await;
    more.is_error(503, "runtime_unavailable");
    assert_eq!(
        more.json()["error"]["details"]["reason"],
        "input_queue_full"
    );
    let events = daemon
        .client
        .events(&live.id, Default::default())
        .await
        .unwrap();
    let inputs = events.events.iter().filter(|event| event.kind == "input");
    assert_eq!(inputs.count(), 1, "a refused input was recorded");

    let silent = daemon.body("exec sleep 600");
    let silent = coven_http::wire::LaunchBody {
        launch_mode: Some("nonInteractive".to_owned()),
        ..silent
    };
    let silent = daemon.client.launch(&silent).await.unwrap();
    let path = format!("/sessions/{}/input", silent.id);
    let refused = daemon.post(&path, &json!({"data": "x"})).await;
    refused.is_error(409, "session_not_live");
    daemon.stop().await;
}

#[tokio::test]
async fn a_kill_is_accepted_once_and_proved_by_the_exit() {
    let daemon = Daemon::start().await;
    let live = daemon.launch("printf up; exec sleep 600").await;
    daemon.until(&live.id, "up").await;
    let path = |what: &str| format!("/sessions/{}/{what}", live.id);
    for what in ["archive", ""] {
        let method = if what.is_empty() { "DELETE" } else { "POST" };
        let answer = daemon
            .request(method, path(what).trim_end_matches('/'), "")
            .await;
        answer.is_error(409, "session_live");
    }
    let killed = daemon
        .request("POST", &path("kill"), "anything at all")
        .await;
    assert_eq!(killed.status, 202);
    assert_eq!(killed.body, br#"{"ok":true,"accepted":true}"#);
    daemon
        .request("POST", &path("kill"), "")
        .await
        .is_error(409, "session_not_live");
    let events = daemon.to_the_end(&live.id).await;
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    let kill = kinds.iter().position(|kind| *kind == "kill").unwrap();
    assert_eq!(events[kill].payload_json, r#"{"status":"killed"}"#);
    assert_eq!(*kinds.last().unwrap(), "exit");
    let record = daemon.get(&format!("/sessions/{}", live.id)).await.json();
    assert_eq!(record["status"], "killed");
    assert_eq!(record["exit_code"], Value::Null);
    is_time(&record["ended_at"]);
    daemon
        .request("POST", "/sessions/nobody/kill", "")
        .await
        .is_error(404, "session_not_found");

    let deleted = daemon
        .request("DELETE", &format!("/sessions/{}", live.id), "")
        .await;
    assert_eq!((deleted.status, deleted.body.len()), (204, 0));
    let gone = daemon.get(&format!("/sessions/{}", live.id)).await;
    gone.is_error(404, "session_not_found");
}

#[tokio::test]
async fn an_input_that_is_sent_again_under_its_key_is_typed_once() {
    let daemon = Daemon::start().await;
    let live = daemon
        .launch("stty raw -echo; printf ready; head -c 5 > typed; printf done")
        .await;
    daemon.until(&live.id, "ready").await;
    let client = &daemon.client;
    for _ in 0..3 {
        client.input_once(&live.id, "ab", "key-1").await.unwrap();
    }
    // At once, and a prompt under the same key is the same input.
    let (one, other, third) = tokio::join!(
        client.input_once(&live.id, "cd", "key-2"),
        client.input_once(&live.id, "cd", "key-2"),
        client.submit_once(&live.id, "no", "key-1"),
    );
    one.and(other).and(third).unwrap();
    for key in ["", "a b", "\u{e9}", "x".repeat(129).as_str()] {
        let request = format!(
            "POST /sessions/{}/input HTTP/1.1\r\nhost: x\r\nidempotency-key: {key}\r\n\
             content-length: 12\r\n\r\n{{\"data\":\"x\"}}",
            live.id
        );
        let raw = daemon.raw(request.as_bytes()).await;
        crate::support::Raw::parse(&raw).is_error(400, "invalid_request");
    }
    client.input_once(&live.id, "e", "key-3").await.unwrap();
    daemon.to_the_end(&live.id).await;
    assert_eq!(std::fs::read(daemon.path("typed")).unwrap(), b"abcde");
    // What was typed was typed, though the session takes no more.
    client.input_once(&live.id, "e", "key-3").await.unwrap();
    let late = client.input_once(&live.id, "f", "key-4").await.unwrap_err();
    assert_eq!(late.code(), Some(coven::Code::SessionNotLive));
}
