//! What a launch takes, and what it answers.

use coven::Code;
use coven_http::Timeouts;
use serde_json::{Value, json};

use crate::shape::{has_every_key, is_time};
use crate::support::{Daemon, Raw};

#[tokio::test]
async fn a_launch_answers_with_a_record_that_has_every_key() {
    let daemon = Daemon::start().await;
    let mut body = daemon.launch_json("printf hi; read x");
    body["title"] = json!("greet");
    body["labels"] = json!(["a", "b:1"]);
    body["conversationId"] = json!("talk-1");
    body["env"] = json!({"PATH": "/usr/bin:/bin", "SECRET_THING": "hunter2"});
    body["unknownKey"] = json!({"ignored": [1]});
    let answer = daemon.post("/api/v1/sessions", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let record = answer.json();
    has_every_key(&record);
    let text = record.to_string();
    assert!(!text.contains("hunter2"), "{text}");
    let root = std::fs::canonicalize(daemon.project()).unwrap();
    for (key, value) in [
        ("project_root", json!(root.to_str().unwrap())),
        ("cwd", json!(root.to_str().unwrap())),
        ("harness", json!("shell")),
        ("title", json!("greet")),
        ("status", json!("running")),
        ("exit_code", json!(null)),
        ("archived_at", json!(null)),
        ("conversation_id", json!("talk-1")),
        ("familiar_id", json!(null)),
        ("execution_binding", json!(null)),
        ("labels", json!(["a", "b:1"])),
        ("visibility", json!("private")),
        ("external", json!(false)),
        ("transcript_path", json!(null)),
        ("prompt", json!("printf hi; read x")),
        ("launch_mode", json!("interactive")),
        ("identity", json!(null)),
        ("launch_policy", json!(null)),
        ("out_of_reach", json!(null)),
        ("out_of_reach_reason", json!(null)),
        ("undelivered_inputs", json!(0)),
        ("cols", json!(80)),
        ("rows", json!(24)),
        ("ended_at", json!(null)),
    ] {
        assert_eq!(record[key], value, "{key}");
    }
    is_time(&record["created_at"]);
    is_time(&record["updated_at"]);
    assert!(record["pid"].is_u64());
    let id = record["id"].as_str().unwrap();
    assert!(id.len() == 36 && id == id.to_lowercase());

    let input = daemon
        .post(&format!("/sessions/{id}/input"), &json!({"data": "go\r"}))
        .await;
    assert_eq!(input.status, 202);
    assert_eq!(input.body, br#"{"ok":true,"accepted":true}"#);
    daemon.to_the_end(id).await;
    let ended = daemon.get(&format!("/sessions/{id}")).await.json();
    // Its conversation can go on.
    assert_eq!(ended["status"], "idle");
    assert_eq!(ended["exit_code"], 0);
    assert_eq!(ended["pid"], Value::Null);
    is_time(&ended["ended_at"]);
}

#[tokio::test]
async fn a_prompt_is_whole_alone_and_short_in_lists() {
    let daemon = Daemon::start().await;
    let prompt = format!("true # {}", "é".repeat(500));
    let id = daemon.launch(&prompt).await.id;
    let alone = daemon.get(&format!("/sessions/{id}")).await.json();
    assert_eq!(alone["prompt"], json!(prompt));
    let list = daemon.get("/sessions").await.json();
    let head: String = prompt.chars().take(200).collect();
    assert_eq!(list[0]["prompt"], json!(head));
    has_every_key(&list[0]);
}

#[tokio::test]
async fn what_a_launch_may_not_be_is_refused_by_field() {
    let daemon = Daemon::start().await;
    let file = daemon.path("file");
    std::fs::write(&file, "").unwrap();
    let elsewhere = daemon.dir.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, daemon.path("link")).unwrap();
    for (field, value, named) in [
        ("harness", json!("nobody"), "harness"),
        ("harness", json!(7), "harness"),
        ("harness", json!(null), "harness"),
        ("prompt", json!("  "), "prompt"),
        ("prompt", json!("a\0b"), "prompt"),
        ("prompt", json!(["a"]), "prompt"),
        ("projectRoot", json!("/no/such/place"), "projectRoot"),
        ("projectRoot", json!(file.to_str().unwrap()), "projectRoot"),
        ("projectRoot", json!(" "), "projectRoot"),
        ("cwd", json!("../elsewhere"), "cwd"),
        ("cwd", json!("link"), "cwd"),
        ("cwd", json!("/"), "cwd"),
        ("launchMode", json!("batch"), "launchMode"),
        ("launchMode", json!(1), "launchMode"),
        ("cols", json!(0), "cols"),
        ("rows", json!(1001), "rows"),
        ("rows", json!("24"), "rows"),
        ("labels", json!(["a", "a"]), "labels"),
        ("labels", json!(["a b"]), "labels"),
        ("labels", json!([1]), "labels[0]"),
        ("model", json!("../x"), "model"),
        (
            "conversation",
            json!({"mode": "begin", "id": "x"}),
            "conversation.mode",
        ),
        (
            "conversation",
            json!({"mode": "init", "id": "a b"}),
            "conversation.id",
        ),
        ("env", json!({"A=B": "c"}), "env"),
        ("env", json!({"A": 5}), "env.A"),
        (
            "launchPolicy",
            json!({"approval": "never", "sandbox": "workspace-write", "extra": 1}),
            "launchPolicy.extra",
        ),
        (
            "launchPolicy",
            json!({"approval": "always", "sandbox": "workspace-write"}),
            "launchPolicy.approval",
        ),
    ] {
        let mut body = daemon.launch_json("true");
        body[field] = value.clone();
        let answer = daemon.post("/sessions", &body).await;
        answer.is_error(400, "invalid_request");
        let details = &answer.json()["error"]["details"];
        assert_eq!(details["field"], named, "{field} = {value}: {answer:?}");
    }
    let list = daemon.get("/sessions").await.json();
    assert_eq!(list, json!([]), "a refused launch wrote something");
}

#[tokio::test]
async fn a_missing_program_is_a_failed_record_that_says_how_to_install_it() {
    let daemon = Daemon::start().await;
    let mut body = daemon.launch_json("x");
    body["harness"] = json!("missing");
    let answer = daemon.post("/sessions", &body).await;
    answer.is_error(500, "launch_failed");
    let error = answer.json()["error"].clone();
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("npm install --global no-such-agent"),
        "{message}"
    );
    let id = error["details"]["sessionId"].as_str().unwrap();
    let record = daemon.get(&format!("/sessions/{id}")).await.json();
    assert_eq!(record["status"], "failed");
    assert_eq!(record["exit_code"], Value::Null);
    let events = daemon.get(&format!("/sessions/{id}/events")).await.json();
    let kinds: Vec<&Value> = events["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["kind"])
        .collect();
    assert_eq!(kinds, ["status", "exit"]);
}

#[tokio::test]
async fn bodies_that_are_no_json_objects_are_refused() {
    let daemon = Daemon::start().await;
    let deep = format!("{{\"prompt\":{}", "[".repeat(200_000));
    for body in ["{", "[]", "nonsense", "{\"prompt\":\"x\"", "\u{0}", &deep] {
        let answer = daemon.request("POST", "/sessions", body).await;
        answer.is_error(400, "invalid_request");
    }
    // Absent and blank ones are {}: it is a field that misses.
    for body in ["", "  \n"] {
        let answer = daemon.request("POST", "/sessions", body).await;
        answer.is_error(400, "invalid_request");
        let field = &answer.json()["error"]["details"]["field"];
        assert!(field != "body", "{answer:?}");
    }
    let large = format!("{{\"prompt\":\"{}\"}}", "x".repeat(5 << 20));
    let answer = daemon.request("POST", "/sessions", &large).await;
    answer.is_error(413, "payload_too_large");
}

#[tokio::test]
async fn an_errors_value_is_the_beginning_of_what_was_given_as_text() {
    let daemon = Daemon::start().await;
    let policy = json!({"approval": "never", "sandbox": "workspace-write", "addDirs": ["/"]});
    let labels: Vec<String> = (0..17).map(|n| format!("label-{n}")).collect();
    let long = "é".repeat(300);
    for (field, value, named, told) in [
        ("cols", json!(0), "cols", Some("0".to_owned())),
        ("cols", json!(1.5), "cols", Some("1.5".to_owned())),
        ("cols", json!(true), "cols", Some("true".to_owned())),
        (
            "prompt",
            json!(["a", 1]),
            "prompt",
            Some(r#"["a",1]"#.to_owned()),
        ),
        (
            "labels",
            json!(labels),
            "labels",
            Some(json!(labels).to_string()),
        ),
        ("labels", json!(["a b"]), "labels", Some("a b".to_owned())),
        ("labels", json!([1]), "labels[0]", Some("1".to_owned())),
        ("model", json!(long), "model", Some("é".repeat(200))),
        (
            "harness",
            json!("Nobody"),
            "harness",
            Some("Nobody".to_owned()),
        ),
        (
            "launchPolicy",
            policy.clone(),
            "launchPolicy",
            Some(policy.to_string()),
        ),
        (
            "launchPolicy",
            json!({"approval": "never", "sandbox": "workspace-write", "extra": [1]}),
            "launchPolicy.extra",
            Some("[1]".to_owned()),
        ),
        ("title", json!(7), "title", Some("7".to_owned())),
        ("prompt", json!(null), "prompt", None),
        ("env", json!({"A": 5}), "env.A", None),
    ] {
        let mut body = daemon.launch_json("true");
        body[field] = value.clone();
        let answer = daemon.post("/sessions", &body).await;
        answer.is_error(400, "invalid_request");
        let mut details = json!({"field": named});
        if let Some(told) = told {
            details["value"] = told.chars().take(200).collect::<String>().into();
        }
        let found = &answer.json()["error"]["details"];
        assert_eq!(*found, details, "{field} = {value}");
    }
    let path = "/api/v1/internal/lifecycle/shutdown";
    let unknown = json!({"apiVersion": "coven.daemon.v1", "z": {"a": 1}});
    let answer = daemon.post(path, &unknown).await;
    answer.is_error(400, "invalid_request");
    assert_eq!(
        answer.json()["error"],
        json!({
            "code": "invalid_request", "message": "z is not a key that is known here",
            "details": {"field": "z", "value": "{\"a\":1}"},
        })
    );
}

#[tokio::test]
async fn a_launch_that_is_asked_for_again_under_its_key_is_the_session_that_there_is() {
    let daemon = Daemon::start().await;
    let client = &daemon.client;
    let body = daemon.body("echo ran >> ran; exit 3");
    let (one, two, other) = tokio::join!(
        client.launch_once(&body, "key-1"),
        client.launch_once(&body, "key-1"),
        client.launch_once(&body, "key-2"),
    );
    let (one, two, other) = (one.unwrap(), two.unwrap(), other.unwrap());
    assert_eq!(one.id, two.id);
    assert_ne!(one.id, other.id);
    for id in [&one.id, &other.id] {
        daemon.to_the_end(id).await;
    }
    let conflict = client.launch_once(&daemon.body("true"), "key-1").await;
    assert_eq!(conflict.unwrap_err().code(), Some(Code::SessionIdConflict));
    let project = daemon.project();
    let dir = daemon.stop().await;
    let daemon = Daemon::in_dir(dir, Timeouts::default()).await;
    // The next daemon knows it, too, and tells it as it is.
    let again = daemon.client.launch_once(&body, "key-1").await.unwrap();
    assert_eq!(
        (again.id.as_str(), again.exit_code),
        (one.id.as_str(), Some(3))
    );
    let lines = std::fs::read_to_string(project.join("ran")).unwrap();
    assert_eq!(lines, "ran\nran\n");
    daemon.client.delete(&one.id).await.unwrap();
}

#[tokio::test]
async fn what_two_homes_launch_under_one_key_are_two_sessions_and_a_kill_ends_its_own_alone() {
    let (here, there) = (Daemon::start().await, Daemon::start().await);
    let launch = async |daemon: &Daemon| {
        let body = daemon.body("read -r word; echo ended by $word");
        daemon.client.launch_once(&body, "build-42").await.unwrap()
    };
    let (own, theirs) = (launch(&here).await, launch(&there).await);
    assert_ne!(own.id, theirs.id);
    here.client.kill(&own.id).await.unwrap();
    here.to_the_end(&own.id).await;
    there.client.submit(&theirs.id, "hand").await.unwrap();
    there.to_the_end(&theirs.id).await;
    let record = there.client.session(&theirs.id).await.unwrap();
    assert_eq!(record.exit_code, Some(0), "{record:?}");
}

#[tokio::test]
async fn the_key_of_a_session_that_was_deleted_is_free_again() {
    let daemon = Daemon::start().await;
    let mut ids = std::collections::BTreeSet::new();
    for script in ["exit 1", "exit 2", "exit 3"] {
        let body = daemon.body(script);
        let one = daemon.client.launch_once(&body, "key").await.unwrap();
        assert!(ids.insert(one.id.clone()), "{script}: an id is used again");
        daemon.to_the_end(&one.id).await;
        let again = daemon.client.launch_once(&body, "key").await.unwrap();
        assert_eq!(again.id, one.id);
        daemon.client.delete(&one.id).await.unwrap();
    }
}

#[tokio::test]
async fn a_launch_under_a_key_says_whether_it_is_new() {
    let daemon = Daemon::start().await;
    let body = daemon.launch_json("true").to_string();
    let request = |key: &str| {
        format!(
            "POST /api/v1/sessions HTTP/1.1\r\nhost: x\r\nidempotency-key: {key}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for status in [201, 200, 200] {
        let answer = Raw::parse(&daemon.raw(request("key").as_bytes()).await);
        assert_eq!(answer.status, status, "{answer:?}");
        has_every_key(&answer.json());
    }
    for malformed in ["a b", "a\tb", "a\r\nidempotency-key: b"] {
        let answer = Raw::parse(&daemon.raw(request(malformed).as_bytes()).await);
        answer.is_error(400, "invalid_request");
        assert_eq!(
            answer.json()["error"]["details"]["field"],
            "Idempotency-Key",
            "{malformed:?}"
        );
    }
    assert!(daemon.client.sessions().await.unwrap().len() == 1);
}
