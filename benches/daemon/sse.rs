//! The output of a session as its event stream tells it.

use std::io::BufRead;
use std::path::Path;

use serde_json::Value;

use crate::http;

/// All `data` of a session's output events, joined; and the bytes they say they hold.
///
/// Panics where an offset is not the end of the event before it.
pub(crate) fn output(socket: &Path, id: &str) -> (String, u64) {
    let path = format!("/api/v1/sessions/{id}/events/stream");
    let stream = http::open(socket, "GET", &path, None);
    let (mut joined, mut offset) = (String::new(), 0);
    for line in stream.lines() {
        let line = line.expect("the stream goes on to its end");
        let Some(data) = line.strip_prefix("data: ") else {
            continue;
        };
        let event: Value = serde_json::from_str(data).expect("an event");
        if event["kind"] != "output" {
            continue;
        }
        let payload = event["payload_json"].as_str().expect("a payload");
        assert!(
            payload.len() <= 60_000,
            "a payload of {} bytes",
            payload.len()
        );
        let payload: Value = serde_json::from_str(payload).expect("JSON");
        assert_eq!(payload["offset"], offset, "output is missing");
        joined.push_str(payload["data"].as_str().expect("text"));
        offset += payload["bytes"].as_u64().expect("a number");
    }
    (joined, offset)
}
