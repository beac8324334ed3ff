//! A session that has ended, as two files: its output, and the events that the output came in.

use std::fmt::Write;
use std::fs;

use serde_json::Value;

use crate::clis;
use crate::coven::Session;
use crate::http;
use crate::lab::Lab;

/// Writes `NAME.output`, the exact bytes, and `NAME.events`, a line for each output event: its length in bytes,
/// and how many milliseconds it was recorded after the one before it, the first of them after the session's start.
pub(super) fn save(lab: &Lab, session: &Session<'_>, name: &str) {
    let output = session.output();
    let events = events(lab, session.id());
    let mut before = day_ms(&events[0]);
    let mut lines = String::new();
    let mut offset = 0;
    for event in events.iter().filter(|event| event["kind"] == "output") {
        let payload = event["payload_json"].as_str().expect("it has a payload");
        let payload: Value = serde_json::from_str(payload).expect("a payload is JSON");
        assert_eq!(payload["offset"], offset, "{name} has a gap");
        let bytes = payload["bytes"].as_u64().expect("it has a length");
        // Over midnight, too.
        let gap_ms = (day_ms(event) + DAY_MS - before) % DAY_MS;
        before = day_ms(event);
        writeln!(lines, "{bytes} {gap_ms}").expect("a String takes all");
        offset += bytes;
    }
    assert_eq!(offset, output.len() as u64, "{name} is not whole");
    assert_tells_nothing_of_this_machine(&output, name);
    let folder = super::folder();
    fs::write(folder.join(format!("{name}.output")), output).expect("it can be written");
    fs::write(folder.join(format!("{name}.events")), lines).expect("it can be written");
}

fn events(lab: &Lab, session: &str) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| {
            event["seq"].as_u64().expect("every event has a place")
        });
        let path = format!("/api/v1/sessions/{session}/events?limit=1000&afterSeq={after}");
        let mut page = http::get(&lab.home.socket(), &path).body;
        let more = page["hasMore"] == true;
        events.append(page["events"].as_array_mut().expect("a page"));
        if !more {
            return events;
        }
    }
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Milliseconds since midnight, of `2026-01-31T23:59:59.999…Z`.
fn day_ms(event: &Value) -> u64 {
    let time = event["created_at"]
        .as_str()
        .expect("every event has a time");
    let part = |from: usize, to: usize| -> u64 {
        let digits = time.get(from..to).and_then(|digits| digits.parse().ok());
        digits.unwrap_or_else(|| panic!("{time} is no time with milliseconds"))
    };
    ((part(11, 13) * 60 + part(14, 16)) * 60 + part(17, 19)) * 1000 + part(20, 23)
}

/// The namespace hides users and names; the paths of the CLIs and of this binary, and the kernel, are those of
/// the machine.
fn assert_tells_nothing_of_this_machine(output: &[u8], name: &str) {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").expect("proc is mounted");
    let binaries = super::folder().display().to_string();
    let harnesses = clis::installed_in().display().to_string();
    for secret in [kernel.trim(), &binaries, &harnesses] {
        let found = output
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found, "{name} holds {secret}");
    }
}
