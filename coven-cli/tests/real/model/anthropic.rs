//! `POST /v1/messages`, as Claude Code speaks it.

use serde_json::{Value, json};

use super::pace::Gait;
use super::{Call, Pace, Turn};

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

pub(super) fn beginning(turn: usize) -> Vec<Value> {
    vec![json!({"type": "message_start", "message": {
        "id": format!("msg_lab_{turn}"), "type": "message", "role": "assistant", "model": "lab", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1},
    }})]
}

/// Larger pieces than tokens, as the real service sends.
pub(super) const GAIT: Gait = Gait {
    piece_chars: (12, 60),
    gap_ms: (50, 190),
};

pub(super) fn answer(saying: &str, call: Option<&Call>, pace: Pace, turn: usize) -> Vec<Value> {
    let mut events = beginning(turn);
    if !saying.is_empty() {
        let block = json!({"type": "text", "text": ""});
        events.extend(content(
            0,
            &block,
            pace.pieces(saying, GAIT),
            |piece| json!({"type": "text_delta", "text": piece}),
        ));
    }
    if let Some(call) = call {
        let (name, input) = tool(call);
        let id = format!("toolu_lab_{turn}");
        let block = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
        let input = input.to_string();
        let place = usize::from(!saying.is_empty());
        events.extend(content(
            place,
            &block,
            pace.pieces(&input, GAIT),
            |piece| json!({"type": "input_json_delta", "partial_json": piece}),
        ));
    }
    let stop_reason = call.map_or("end_turn", |_| "tool_use");
    events.extend([
        json!({
            "type": "message_delta", "usage": {"output_tokens": 1},
            "delta": {"stop_reason": stop_reason, "stop_sequence": null},
        }),
        json!({"type": "message_stop"}),
    ]);
    events
}

fn content(
    place: usize,
    block: &Value,
    pieces: Vec<&str>,
    delta: impl Fn(&str) -> Value,
) -> Vec<Value> {
    let mut events =
        vec![json!({"type": "content_block_start", "index": place, "content_block": block})];
    events.extend(pieces.into_iter().map(
        |piece| json!({"type": "content_block_delta", "index": place, "delta": delta(piece)}),
    ));
    events.push(json!({"type": "content_block_stop", "index": place}));
    events
}

fn tool(call: &Call) -> (&'static str, Value) {
    match call {
        Call::Run {
            command, purpose, ..
        } => ("Bash", json!({"command": command, "description": purpose})),
        Call::Read { file } => ("Read", json!({"file_path": file})),
        Call::Edit { file, old, new } => (
            "Edit",
            json!({"file_path": file, "old_string": old, "new_string": new}),
        ),
    }
}
