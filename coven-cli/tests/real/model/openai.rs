//! `POST /v1/responses`, as Codex speaks it to a provider of the user's own.

use serde_json::{Value, json};

use super::pace::Gait;
use super::{Call, Pace, Permission, Turn};

/// How Codex begins the texts it puts into the user's mouth.
const NOT_THE_USER: [&str; 3] = [
    "<environment_context>",
    "<user_instructions>",
    "# AGENTS.md instructions",
];
/// How its request for a title of the conversation begins.
const TITLE_REQUEST: &str = "Generate a concise";

pub(super) fn turn(body: &Value) -> Option<Turn> {
    let items = body["input"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let prompts: Vec<String> = items
        .iter()
        .filter(|item| item["role"] == "user")
        .map(|item| texts(&item["content"]))
        .filter(|text| !NOT_THE_USER.iter().any(|start| text.starts_with(start)))
        .collect();
    if prompts
        .last()
        .is_some_and(|text| text.starts_with(TITLE_REQUEST))
    {
        return None;
    }
    let command_output = items
        .last()
        .filter(|item| item["type"] == "function_call_output")
        .map(|item| {
            item["output"]
                .as_str()
                .map_or_else(|| texts(&item["output"]), str::to_owned)
        });
    Some(Turn {
        prompts,
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        command_output,
    })
}

fn texts(content: &Value) -> String {
    content
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|part| part["text"].as_str())
        .collect()
}

pub(super) fn beginning() -> Vec<Value> {
    vec![
        json!({"type": "response.created", "response": {"id": "resp_lab", "object": "response", "output": []}}),
    ]
}

/// A token or two at a time.
pub(super) const GAIT: Gait = Gait {
    piece_chars: (2, 11),
    gap_ms: (8, 34),
};

pub(super) fn answer(saying: &str, call: Option<&Call>, pace: Pace, turn: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut events = beginning();
    if !saying.is_empty() {
        let id = format!("msg_lab_{turn}");
        let message = |content: Value, status: &str| json!({"type": "message", "id": id, "role": "assistant", "status": status, "content": content});
        let whole = json!([{"type": "output_text", "text": saying, "annotations": []}]);
        let added = message(json!([]), "in_progress");
        events
            .push(json!({"type": "response.output_item.added", "output_index": 0, "item": added}));
        events.extend(pace.pieces(saying, GAIT).into_iter().map(|piece| {
            json!({
                "type": "response.output_text.delta", "item_id": id, "output_index": 0,
                "content_index": 0, "delta": piece,
            })
        }));
        items.push(message(whole, "completed"));
        events.push(done(&items));
    }
    if let Some(call) = call {
        let (id, arguments) = (format!("fc_lab_{turn}"), arguments(call).to_string());
        let function = |arguments: &str, status: &str| {
            json!({
                "type": "function_call", "id": id, "call_id": format!("call_lab_{turn}"),
                "status": status, "name": "exec_command", "arguments": arguments,
            })
        };
        let (place, added) = (items.len(), function("", "in_progress"));
        events.push(
            json!({"type": "response.output_item.added", "output_index": place, "item": added}),
        );
        events.extend(pace.pieces(&arguments, GAIT).into_iter().map(|piece| {
            json!({
                "type": "response.function_call_arguments.delta", "item_id": id,
                "output_index": place, "delta": piece,
            })
        }));
        items.push(function(&arguments, "completed"));
        events.push(done(&items));
    }
    let usage = json!({
        "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 1, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2,
    });
    events.push(json!({"type": "response.completed", "response": {
        "id": "resp_lab", "object": "response", "status": "completed", "output": items, "usage": usage,
    }}));
    events
}

/// The last of the items is whole.
fn done(items: &[Value]) -> Value {
    json!({
        "type": "response.output_item.done", "output_index": items.len() - 1, "item": items.last(),
    })
}

/// Codex has one tool for all of it; it sees by the command that a file is shown or changed.
fn arguments(call: &Call) -> Value {
    match call {
        Call::Run {
            command,
            permission: Permission::Given,
            ..
        } => json!({"cmd": command}),
        Call::Run {
            command,
            purpose,
            permission: Permission::Needed,
        } => json!({
            "cmd": command,
            "sandbox_permissions": "require_escalated",
            "justification": purpose,
        }),
        Call::Read { file } => json!({"cmd": format!("sed -n '1,220p' {file}")}),
        Call::Edit { file, old, new } => json!({"cmd": patch(file, old, new)}),
    }
}

fn patch(file: &str, old: &str, new: &str) -> String {
    let mut patch = format!("apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: {file}\n@@\n");
    for (mark, text) in [('-', old), ('+', new)] {
        for line in text.lines() {
            patch.extend([mark]);
            patch += line;
            patch.push('\n');
        }
    }
    patch + "*** End Patch\nEOF\n"
}
