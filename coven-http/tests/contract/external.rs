//! Sessions that run elsewhere.

use serde_json::json;

use crate::shape::has_every_key;
use crate::support::Daemon;

#[tokio::test]
async fn external_sessions_are_registered_completed_and_not_driven() {
    let daemon = Daemon::start().await;
    let body = json!({
        "id": "their:run-1", "projectRoot": "/some/where", "harness": "theirs",
        "transcriptPath": "/t.jsonl", "labels": ["x"],
    });
    let new = daemon.post("/sessions/external", &body).await;
    assert_eq!(new.status, 201);
    let record = new.json();
    has_every_key(&record);
    assert_eq!(record["id"], "their:run-1");
    assert_eq!(record["title"], "External session");
    assert_eq!(record["external"], true);
    assert_eq!(record["status"], "running");
    assert_eq!(record["transcript_path"], "/t.jsonl");
    assert_eq!(record["project_root"], "/some/where");
    let again = daemon.post("/sessions/external", &body).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.json(), record);
    let ours = daemon.run("true").await.0.id;
    let mut taken = body.clone();
    taken["id"] = json!(ours);
    daemon
        .post("/sessions/external", &taken)
        .await
        .is_error(409, "session_id_conflict");
    let kill = daemon
        .request("POST", "/sessions/their:run-1/kill", "")
        .await;
    kill.is_error(422, "external_session_not_killable");
    let complete = format!("/sessions/{ours}/complete");
    daemon
        .request("POST", &complete, "")
        .await
        .is_error(422, "not_external_session");
    let path = "/sessions/their:run-1/complete";
    let wrong = daemon.post(path, &json!({"exitCode": "x"})).await;
    wrong.is_error(400, "invalid_request");
    let done = daemon.post(path, &json!({"exitCode": 2})).await;
    assert_eq!(
        (done.status, &done.json()["status"]),
        (200, &json!("failed"))
    );
    assert_eq!(done.json()["exit_code"], 2);
    daemon
        .post(path, &json!({}))
        .await
        .is_error(409, "session_not_live");
    for bad in [
        json!({}),
        json!({"id": "a b", "projectRoot": "/", "harness": "h"}),
    ] {
        daemon
            .post("/sessions/external", &bad)
            .await
            .is_error(400, "invalid_request");
    }
}
