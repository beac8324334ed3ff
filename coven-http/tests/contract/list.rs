//! Lists of sessions, and their ids.

use serde_json::{Value, json};

use crate::shape::is_time;
use crate::support::Daemon;

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
async fn a_plain_list_is_the_newest_that_fit_and_pages_are_cut_but_join_whole() {
    let daemon = Daemon::start().await;
    let mut ids = Vec::new();
    // Six times as long in JSON.
    let path = format!("/{}", "\u{1}".repeat(4000));
    for n in 0..100 {
        let id = format!("theirs:{n:02}");
        let body = json!({
            "id": id, "projectRoot": path, "harness": "h", "transcriptPath": path,
        });
        let registered = daemon.post("/sessions/external", &body).await;
        assert_eq!(registered.status, 201, "{registered:?}");
        ids.insert(0, id);
    }
    let listed = |rows: &Value| -> Vec<String> {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let plain = daemon.get("/sessions").await;
    assert!(plain.body.len() <= 1_000_000, "{}", plain.body.len());
    let newest = listed(&plain.json());
    assert_eq!(newest, ids[..20], "as many as fit, no fewer");

    let first = daemon.get("/sessions?limit=1000").await;
    assert!(first.body.len() <= 4 << 20, "{}", first.body.len());
    let first = first.json();
    let cursor = first["next_cursor"].as_str().expect("it was cut short");
    let after = format!("/sessions?limit=1000&cursor={cursor}");
    let rest = daemon.get(&after).await.json();
    assert_eq!(rest["next_cursor"], Value::Null);
    let both = [listed(&first["sessions"]), listed(&rest["sessions"])].concat();
    assert_eq!(both, ids);
}
