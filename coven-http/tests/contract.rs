//! `coven.daemon.v1` as clients written by others know it: raw requests, raw answers.

mod support;

use serde_json::{Value, json};
use support::{Daemon, within};

/// Every key of a record, in no order.
const RECORD_KEYS: [&str; 29] = [
    "archived_at",
    "cols",
    "continues",
    "conversation_id",
    "created_at",
    "cwd",
    "ended_at",
    "execution_binding",
    "exit_code",
    "exit_signal",
    "external",
    "familiar_id",
    "harness",
    "id",
    "labels",
    "last_seq",
    "launch_mode",
    "model",
    "orphan_reason",
    "output_bytes",
    "pid",
    "project_root",
    "prompt",
    "rows",
    "status",
    "title",
    "transcript_path",
    "updated_at",
    "visibility",
];

#[track_caller]
fn has_every_key(record: &Value) {
    let mut keys: Vec<&str> = record
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    assert_eq!(keys, RECORD_KEYS);
}

#[track_caller]
fn is_time(text: &Value) {
    let text = text.as_str().unwrap();
    assert_eq!(text.len(), "2026-01-02T03:04:05.000000006Z".len(), "{text}");
    assert!(text.ends_with('Z') && text.as_bytes()[19] == b'.', "{text}");
}

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
            "launchPolicy",
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
async fn sessions_are_listed_newest_first_page_by_page() {
    let daemon = Daemon::start().await;
    let mut ids = Vec::new();
    for n in 0..7 {
        ids.push(daemon.run(&format!("true {n}")).await.0.id);
    }
    ids.reverse();
    let listed = |value: &Value| -> Vec<String> {
        let rows = value.as_array().unwrap().iter();
        rows.map(|row| row["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(listed(&daemon.get("/sessions").await.json()), ids);

    let mut paged = Vec::new();
    let mut path = "/sessions?limit=3".to_owned();
    loop {
        let page = daemon.get(&path).await.json();
        paged.extend(listed(&page["sessions"]));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        assert!(
            cursor
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
        // What is launched meanwhile moves no page.
        daemon.run("true later").await;
        path = format!("/sessions?limit=3&cursor={cursor}");
    }
    assert_eq!(paged, ids);

    let archive = format!("/sessions/{}/archive", ids[0]);
    let archived = daemon.request("POST", &archive, "").await;
    assert_eq!(archived.status, 200);
    is_time(&archived.json()["archived_at"]);
    assert_eq!(archived.json()["status"], "completed");
    let plain = listed(&daemon.get("/sessions").await.json());
    assert!(!plain.contains(&ids[0]));
    let all = daemon.get("/sessions?includeArchived=true").await.json();
    assert!(listed(&all["sessions"]).contains(&ids[0]));
    assert_eq!(all["next_cursor"], Value::Null);

    for bad in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=-1",
        "limit=",
        "cursor=!",
        "cursor=",
        "includeArchived=yes",
    ] {
        let answer = daemon.get(&format!("/sessions?{bad}")).await;
        answer.is_error(400, "invalid_request");
        let field = bad.split('=').next().unwrap();
        assert_eq!(answer.json()["error"]["details"]["field"], field);
    }
    // Another key asks for nothing, and the first value of a key wins.
    assert!(daemon.get("/sessions?other=1").await.json().is_array());
    let first = daemon.get("/sessions?limit=2&limit=x").await.json();
    assert_eq!(first["sessions"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn ids_of_other_shapes_are_sessions_that_are_not_found() {
    let daemon = Daemon::start().await;
    let id = daemon.run("true").await.0.id;
    let encoded = id.replacen('-', "%2D", 1);
    for strange in ["x", "%41", "..", "a%20b", &encoded, &"x".repeat(500), "ü"] {
        for path in [
            format!("/sessions/{strange}"),
            format!("/sessions/{strange}/events"),
            format!("/sessions/{strange}/log"),
            format!("/events?sessionId={strange}"),
        ] {
            let answer = daemon.get(&path).await;
            if strange == "ü" {
                // Not a path of HTTP.
                assert!((400..500).contains(&answer.status), "{answer:?}");
                continue;
            }
            answer.is_error(404, "session_not_found");
            assert_eq!(answer.json()["error"]["details"]["sessionId"], strange);
        }
    }
    daemon.get("/events").await.is_error(400, "invalid_request");
}

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
    let last = events[3]["seq"].as_u64().unwrap();
    assert_eq!(whole["nextCursor"], json!({"afterSeq": last}));
    assert_eq!(record.last_seq, last);
    assert_eq!(record.exit_code, Some(3));

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
        json!({"field": "data", "value": 5})
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
    assert_eq!(one["harness_capabilities"].as_array().unwrap().len(), 1);
    assert!(one["harness_capabilities"][0]["global_instructions"]["present"].is_boolean());
    let nobody = daemon.get("/capabilities/nobody").await;
    nobody.is_error(404, "harness_not_found");
    assert_eq!(nobody.json()["error"]["details"]["harnessId"], "nobody");
}

#[tokio::test]
async fn the_preview_is_redacted_and_input_is_marked() {
    let daemon = Daemon::start().await;
    let secret = format!("sk-{}", "aB3dE6".repeat(6));
    let script = format!("read x; printf '\\033[31mkey {secret}\\033[0m\\n'; printf 'second\\n'");
    let live = daemon.launch(&script).await;
    daemon.client.input(&live.id, "hello\r").await.unwrap();
    daemon.to_the_end(&live.id).await;
    let log = daemon.get(&format!("/sessions/{}/log", live.id)).await;
    let text = String::from_utf8(log.body.clone()).unwrap();
    assert!(!text.contains(&secret), "{text}");
    let lines = log.json();
    let messages: Vec<&str> = lines
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    assert!(messages.contains(&"> hello"), "{messages:?}");
    assert!(messages.contains(&"key [redacted]"), "{messages:?}");
    assert!(messages.contains(&"second"), "{messages:?}");
    for line in lines.as_array().unwrap() {
        is_time(&line["ts"]);
        assert!(["info", "tool", "error"].contains(&line["level"].as_str().unwrap()));
    }
}
