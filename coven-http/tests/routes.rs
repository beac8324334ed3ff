//! Every route is documented, and every documented route is asked here.

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::{Daemon, Raw};

const DOCS: &str = include_str!("../../docs/http.md");
const ERRORS: &str = include_str!("../../docs/errors.md");

/// Method and path of every route of the OpenAPI document.
fn routes(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect()
}

async fn document(daemon: &Daemon) -> Value {
    let answer = daemon.get("/api/v1/openapi.json").await;
    assert_eq!(answer.status, 200);
    answer.json()
}

/// A request to every route, and the status it is answered with.
fn requests(
    live: &str,
    ended: &str,
    external: &str,
    launch: Value,
) -> Vec<(String, String, Value, u16)> {
    let row = |method: &str, path: &str, body: Value, status| {
        (method.to_owned(), format!("/api/v1{path}"), body, status)
    };
    let get = |path: &str, status| row("GET", path, json!({}), status);
    vec![
        get("/health", 200),
        get("/api-version", 200),
        get("/capabilities", 200),
        get("/capabilities/harnesses", 200),
        get("/capabilities/codex", 200),
        row(
            "POST",
            "/actions",
            json!({"action": "coven.capabilities.refresh"}),
            200,
        ),
        get("/harnesses", 200),
        row("POST", "/sessions", launch, 201),
        get("/sessions", 200),
        row(
            "POST",
            "/sessions/external",
            json!({"id": "another", "projectRoot": "/x", "harness": "h"}),
            201,
        ),
        get(&format!("/sessions/{ended}"), 200),
        row(
            "PATCH",
            &format!("/sessions/{ended}"),
            json!({"title": "renamed"}),
            200,
        ),
        get(&format!("/sessions/{ended}/events"), 200),
        get(&format!("/sessions/{ended}/events/stream"), 200),
        get(&format!("/sessions/{ended}/log"), 200),
        get(&format!("/sessions/{ended}/output"), 200),
        get(&format!("/sessions/{ended}/export"), 200),
        get(&format!("/sessions/{ended}/attach"), 101),
        row(
            "POST",
            &format!("/sessions/{live}/input"),
            json!({"data": "x"}),
            202,
        ),
        row(
            "POST",
            &format!("/sessions/{live}/submit"),
            json!({"text": "x"}),
            202,
        ),
        row(
            "POST",
            &format!("/sessions/{live}/resize"),
            json!({"cols": 90, "rows": 30}),
            202,
        ),
        row("POST", &format!("/sessions/{live}/kill"), json!({}), 202),
        row(
            "POST",
            &format!("/sessions/{external}/complete"),
            json!({"exitCode": 0}),
            200,
        ),
        row(
            "POST",
            &format!("/sessions/{ended}/archive"),
            json!({}),
            200,
        ),
        row("POST", &format!("/sessions/{ended}/summon"), json!({}), 200),
        row("DELETE", &format!("/sessions/{ended}"), json!({}), 204),
        get(&format!("/events?sessionId={external}"), 200),
        get("/events/stream", 200),
        row("POST", "/prune", json!({"dryRun": true}), 200),
        get("/openapi.json", 200),
        row("POST", "/internal/lifecycle/shutdown", json!({}), 400),
    ]
}

/// Asks, and gives the status: of a stream too, which does not end.
async fn status(daemon: &Daemon, method: &str, path: &str, body: &Value) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let body = body.to_string();
    let upgrade = if path.ends_with("/attach") {
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    } else {
        ""
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\n{upgrade}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = daemon.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    support::within(stream.read_exact(&mut head)).await.unwrap();
    std::str::from_utf8(&head[9..]).unwrap().parse().unwrap()
}

#[tokio::test]
async fn every_route_is_asked_and_answers_as_it_is_documented() {
    let daemon = Daemon::start().await;
    let live = daemon.launch("printf up; exec sleep 600").await.id;
    daemon.until(&live, "up").await;
    let ended = daemon.run("printf x").await.0.id;
    let external = json!({"id": "external:1", "projectRoot": "/x", "harness": "h"});
    daemon.post("/sessions/external", &external).await;
    let document = document(&daemon).await;
    let mut missing = routes(&document);
    for (method, path, body, expected) in
        requests(&live, &ended, "external:1", daemon.launch_json("true"))
    {
        assert_eq!(
            status(&daemon, &method, &path, &body).await,
            expected,
            "{method} {path}"
        );
        let template = template(&path, &[&live, &ended, "external:1"]);
        missing.remove(&(method.clone(), template.clone()));
        let operation = &document["paths"][&template][method.to_lowercase()];
        assert!(
            operation["responses"][expected.to_string()].is_object(),
            "{method} {template} does not document {expected}"
        );
    }
    assert!(missing.is_empty(), "never asked: {missing:?}");
    daemon.stop().await;
}

#[tokio::test]
async fn an_error_is_an_answer_that_its_route_documents() {
    let daemon = Daemon::start().await;
    let id = daemon.run("printf x").await.0.id;
    let document = document(&daemon).await;
    let of = |what: &str| format!("/api/v1/sessions/{id}{what}");
    let large = "x".repeat(5 << 20);
    for (method, path, body, expected) in [
        ("POST", "/api/v1/actions".to_owned(), "[", 400),
        ("POST", "/api/v1/actions".to_owned(), "{}", 400),
        ("POST", "/api/v1/actions".to_owned(), &large, 413),
        ("POST", "/api/v1/sessions".to_owned(), "{}", 400),
        ("POST", "/api/v1/sessions".to_owned(), &large, 413),
        ("GET", "/api/v1/sessions?limit=x".to_owned(), "", 400),
        ("GET", "/api/v1/events".to_owned(), "", 400),
        (
            "GET",
            "/api/v1/events/stream?afterSeq=x".to_owned(),
            "",
            400,
        ),
        ("GET", of("/events?limit=x"), "", 400),
        ("GET", of("/events/stream?afterSeq=x"), "", 400),
        ("GET", of("/attach"), "", 400),
        ("PATCH", of(""), r#"{"title":5}"#, 400),
        ("POST", of("/input"), "", 409),
        ("POST", of("/submit"), "", 409),
        ("POST", of("/resize"), r#"{"cols":1,"rows":1}"#, 409),
        ("POST", of("/kill"), "", 409),
        ("POST", of("/complete"), "", 422),
    ] {
        let answer = daemon.request(method, &path, body).await;
        assert_eq!(answer.status, expected, "{method} {path}");
        let template = template(&path, &[&id]);
        let responses = &document["paths"][&template][method.to_lowercase()]["responses"];
        let schema = &responses[expected.to_string()]["content"]["application/json"]["schema"];
        assert!(
            schema.to_string().contains("/ErrorBody"),
            "{method} {template} does not document {expected}"
        );
    }
}

fn template(path: &str, ids: &[&str]) -> String {
    let path = path.split('?').next().unwrap();
    let path = ids.iter().fold(path.to_owned(), |path, id| {
        path.replace(&format!("/sessions/{id}"), "/sessions/{id}")
    });
    path.replace("/capabilities/codex", "/capabilities/{harnessId}")
}

#[tokio::test]
async fn every_route_has_its_row_in_the_documents() {
    let daemon = Daemon::start().await;
    for (method, path) in routes(&document(&daemon).await) {
        let short = path.trim_start_matches("/api/v1");
        let row = format!("`{method} {short}`");
        assert!(DOCS.contains(&row), "docs/http.md has no {row}");
    }
}

#[tokio::test]
async fn the_openapi_document_holds_together() {
    let daemon = Daemon::start().await;
    let document = document(&daemon).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let mut operation_ids = BTreeSet::new();
    for (method, path) in routes(&document) {
        let operation = &document["paths"][&path][method.to_lowercase()];
        let id = operation["operationId"].as_str().unwrap();
        assert!(operation_ids.insert(id.to_owned()), "{id} is used twice");
        assert!(
            operation["summary"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
        let responses = operation["responses"].as_object().unwrap();
        assert!(
            responses
                .keys()
                .any(|status| status.starts_with(['1', '2'])),
            "{path}"
        );
        for (status, response) in responses {
            assert!(response["description"].is_string(), "{path} {status}");
        }
        // Every named part of a path is a parameter, and every parameter of a path is named.
        let parameters = operation["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let named: Vec<&str> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let declared: Vec<&str> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(declared, named, "{path}");
    }
    for reference in references(&document) {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(
            document.pointer(pointer).is_some(),
            "{reference} leads nowhere"
        );
    }
}

fn references(json: &Value) -> Vec<String> {
    match json {
        Value::Object(object) => {
            let own = object
                .get("$ref")
                .and_then(Value::as_str)
                .map(str::to_owned);
            own.into_iter()
                .chain(object.values().flat_map(references))
                .collect()
        }
        Value::Array(list) => list.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// What the daemon answers is what its own document says, key by key.
#[tokio::test]
async fn a_record_has_the_keys_of_its_schema() {
    let daemon = Daemon::start().await;
    let record = daemon.run("true").await.0;
    let answer: Raw = daemon.get(&format!("/sessions/{}", record.id)).await;
    let document = document(&daemon).await;
    let schema = &document["components"]["schemas"]["SessionRecord"]["properties"];
    let keys =
        |json: &Value| -> BTreeSet<String> { json.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(keys(&answer.json()), keys(schema));
}

#[test]
fn every_word_for_what_keeps_a_session_out_of_reach_is_described() {
    let section = ERRORS.split("\n### Out of reach\n").nth(1).unwrap();
    let section = section.split("\n#").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let mut described = Vec::new();
    for row in rows {
        let [_, words, meaning, _] = row.split('|').collect::<Vec<_>>()[..] else {
            panic!("{row}");
        };
        assert!(meaning.trim().len() > 20, "{words} is not described");
        described.extend(words.split('`').skip(1).step_by(2));
    }
    let words = coven::Amiss::ALL.map(coven::Amiss::as_str);
    assert_eq!(described, words, "docs/errors.md has each word, in order");
}

#[test]
fn every_code_has_its_section_and_every_section_a_code() {
    let sections: Vec<&str> = ERRORS
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let codes: Vec<&str> = coven::Code::ALL
        .into_iter()
        .map(coven::Code::as_str)
        .collect();
    assert_eq!(
        sections, codes,
        "docs/errors.md has a section for each code, in order"
    );
    for code in codes {
        let section = ERRORS.split(&format!("## {code}\n")).nth(1).unwrap();
        let text = section.split("\n## ").next().unwrap();
        assert!(text.trim().len() > 60, "the section of {code} says nothing");
    }
}
