//! `POST /v1/responses`, as Codex speaks it to a provider of the user's own.

use serde_json::{Value, json};

use super::{Permission, Turn};

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

pub(super) fn say(text: &str) -> Vec<Value> {
    answer(&json!({
        "type": "message", "id": "msg_lab", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }))
}

pub(super) fn run(command: &str, permission: Permission) -> Vec<Value> {
    let arguments = match permission {
        Permission::Given => json!({"cmd": command}),
        Permission::Needed => json!({
            "cmd": command,
            "sandbox_permissions": "require_escalated",
            "justification": "the test wants to be asked",
        }),
    };
    answer(&json!({
        "type": "function_call", "id": "fc_lab", "call_id": "call_lab", "status": "completed",
        "name": "exec_command", "arguments": arguments.to_string(),
    }))
}

fn answer(item: &Value) -> Vec<Value> {
    let usage = json!({
        "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 1, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2,
    });
    let mut events = beginning();
    events.extend([
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": {
            "id": "resp_lab", "object": "response", "status": "completed", "output": [item], "usage": usage,
        }}),
    ]);
    events
}
