//! What there is to know of the daemon itself.

use serde_json::{Value, json};

use crate::shape::is_time;
use crate::support::{Daemon, within};

#[tokio::test]
async fn health_tells_all_that_clients_look_for() {
    let daemon = Daemon::start().await;
    let health = daemon.get("/api/v1/health").await.json();
    assert_eq!(health["ok"], true);
    assert_eq!(health["apiVersion"], "coven.daemon.v1");
    assert_eq!(health["daemon"]["pid"], std::process::id());
    assert_eq!(
        health["daemon"]["socket"],
        daemon.socket().to_str().unwrap()
    );
    is_time(&health["daemon"]["startedAt"]);
    let capabilities = &health["capabilities"];
    for (key, value) in [
        ("sessions", json!(true)),
        ("events", json!(true)),
        ("eventCursor", json!("sequence")),
        ("structuredErrors", json!(true)),
        ("travel", json!(false)),
        ("scheduler", json!(false)),
        ("hub", json!(false)),
        ("executorDispatch", json!(false)),
        ("sessionHandoff", json!(false)),
        ("sessionLaunchPolicy", json!(true)),
        ("afs", json!(false)),
        ("afsMount", json!(false)),
        ("afsCommit", json!(false)),
        ("afsCommitDryRun", json!(false)),
        ("executionBindingContracts", json!([])),
        ("requestAdoptionContracts", json!([])),
        ("eventStream", json!(true)),
        ("attach", json!(true)),
    ] {
        assert_eq!(capabilities[key], value, "{key}");
    }
    let writer = &health["eventWriter"];
    assert_eq!(writer["state"], "healthy");
    assert_eq!(writer["droppedOutputEvents"], 0);
    assert_eq!(writer["droppedOutputBytes"], 0);
    for key in [
        "queuedEvents",
        "queuedBytes",
        "capacityBytes",
        "connectionOpens",
        "transactions",
        "committedEvents",
    ] {
        assert!(writer[key].is_u64(), "{key}");
    }
    let file = std::fs::read(daemon.home().join("daemon.json")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(file, health["daemon"]);
}

#[tokio::test]
async fn a_path_is_known_by_its_version_and_without_it() {
    let daemon = Daemon::start().await;
    for path in ["/api/v1/api-version", "/api-version"] {
        let versions = daemon.get(path).await.json();
        assert_eq!(
            versions,
            json!({"apiVersion": "v1", "supportedApiVersions": ["v1"]})
        );
    }
    let other = daemon.get("/api/v7/health").await;
    other.is_error(404, "invalid_request");
    assert_eq!(
        other.json()["error"]["details"],
        json!({"apiVersion": "v7", "supportedApiVersions": ["v1"]})
    );
    daemon.get("/nothing").await.is_error(404, "not_found");
    let method = daemon.request("PUT", "/api/v1/health", "").await;
    method.is_error(404, "not_found");
}

#[tokio::test]
async fn capabilities_and_actions_answer_as_control_clients_expect() {
    let daemon = Daemon::start().await;
    let capabilities = daemon.get("/capabilities").await.json();
    let list = capabilities["capabilities"].as_array().unwrap();
    let ids: Vec<&Value> = list.iter().map(|capability| &capability["id"]).collect();
    assert!(ids.contains(&&json!("coven.sessions")));
    assert!(ids.contains(&&json!("coven.control.actions")));
    let asked = json!({
        "action": "coven.capabilities.refresh", "origin": "test", "intentId": "i-1", "args": {},
    });
    let done = daemon.post("/actions", &asked).await;
    assert_eq!(done.status, 200);
    assert_eq!(
        done.json(),
        json!({
            "ok": true, "accepted": true, "action": "coven.capabilities.refresh",
            "status": "completed",
            "event": {
                "kind": "capabilities.refreshed", "action": "coven.capabilities.refresh",
                "origin": "test", "intentId": "i-1", "payload": {"capabilities": list.len()},
            },
        })
    );
    let refused = daemon
        .post("/actions", &json!({"action": "world.end"}))
        .await;
    assert_eq!(refused.status, 400);
    let refused = refused.json();
    assert_eq!(refused["status"], "rejected");
    assert_eq!(refused["ok"], false);
    assert!(refused["reason"].is_string());

    let scan = within(daemon.get("/capabilities/harnesses?refresh=1"))
        .await
        .json();
    assert_eq!(scan["coven_skills"], json!([]));
    is_time(&scan["scanned_at"]);
    let harnesses: Vec<&Value> = scan["harness_capabilities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|harness| &harness["harness_id"])
        .collect();
    for known in ["codex", "claude", "shell"] {
        assert!(harnesses.contains(&&json!(known)), "{harnesses:?}");
    }
    let one = daemon.get("/capabilities/codex").await.json();
    let listed = &scan["harness_capabilities"][0];
    let keys = |manifest: &Value| -> Vec<String> {
        manifest.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(one["harness_id"], "codex");
    assert_eq!(
        keys(&one),
        keys(listed),
        "one is told as each is in the list"
    );
    assert!(one["global_instructions"]["present"].is_boolean());
    let nobody = daemon.get("/capabilities/nobody").await;
    nobody.is_error(404, "harness_not_found");
    assert_eq!(nobody.json()["error"]["details"]["harnessId"], "nobody");
}
