//! `POST /v1/messages`, as Claude Code speaks it.

use serde_json::{Value, json};

use super::Turn;

/// How Claude Code begins the texts it puts into the user's mouth.
const NOT_THE_USER: &str = "<system-reminder>";

pub(super) fn turn(body: &Value) -> Option<Turn> {
    // A turn of the user's offers tools; what Claude Code asks on the side does not.
    if body["tools"].as_array().is_none_or(Vec::is_empty) {
        return None;
    }
    let said: Vec<&Value> = body["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|message| message["role"] == "user")
        .map(|message| &message["content"])
        .collect();
    let command_output = said.last().and_then(|content| tool_result(content));
    let prompts = said
        .into_iter()
        .flat_map(texts)
        .filter(|text| !text.starts_with(NOT_THE_USER))
        .collect();
    Some(Turn {
        prompts,
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        command_output,
    })
}

fn texts(content: &Value) -> Vec<String> {
    match content {
        Value::String(text) => vec![text.clone()],
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| Some(part["text"].as_str()?.to_owned()))
            .collect(),
        _ => Vec::new(),
    }
}

fn tool_result(content: &Value) -> Option<String> {
    let result = content
        .as_array()?
        .iter()
        .find(|part| part["type"] == "tool_result")?;
    Some(texts(&result["content"]).concat())
}

pub(super) fn beginning() -> Vec<Value> {
    vec![json!({"type": "message_start", "message": {
        "id": "msg_lab", "type": "message", "role": "assistant", "model": "lab", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1},
    }})]
}

pub(super) fn say(text: &str) -> Vec<Value> {
    answer(
        &json!({"type": "text", "text": ""}),
        &json!({"type": "text_delta", "text": text}),
        "end_turn",
    )
}

pub(super) fn run(command: &str) -> Vec<Value> {
    let input = json!({"command": command, "description": "what the test wants"});
    answer(
        &json!({"type": "tool_use", "id": "toolu_lab", "name": "Bash", "input": {}}),
        &json!({"type": "input_json_delta", "partial_json": input.to_string()}),
        "tool_use",
    )
}

fn answer(block: &Value, delta: &Value, stop_reason: &str) -> Vec<Value> {
    let mut events = beginning();
    events.extend([
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({
            "type": "message_delta", "usage": {"output_tokens": 1},
            "delta": {"stop_reason": stop_reason, "stop_sequence": null},
        }),
        json!({"type": "message_stop"}),
    ]);
    events
}
