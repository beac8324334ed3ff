//! The shapes that many answers share.

use serde_json::Value;

/// Every key of a record, in no order.
const RECORD_KEYS: [&str; 35] = [
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
    "identity",
    "labels",
    "last_seq",
    "launch_mode",
    "launch_policy",
    "model",
    "orphan_reason",
    "out_of_reach",
    "out_of_reach_reason",
    "output_bytes",
    "pid",
    "project_root",
    "prompt",
    "rows",
    "status",
    "title",
    "transcript_path",
    "trimmed_bytes",
    "undelivered_inputs",
    "updated_at",
    "visibility",
];

#[track_caller]
pub fn has_every_key(record: &Value) {
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
pub fn is_time(text: &Value) {
    let text = text.as_str().unwrap();
    assert_eq!(text.len(), "2026-01-02T03:04:05.000000006Z".len(), "{text}");
    assert!(text.ends_with('Z') && text.as_bytes()[19] == b'.', "{text}");
}
