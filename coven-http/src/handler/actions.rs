//! `POST /actions`: an action of a capability.

use coven::{Code, Refusal};
use hyper::StatusCode;
use serde_json::json;

use crate::app::Call;
use crate::error::Error;
use crate::limits;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{ActionBody, ActionEvent, ActionReply};

/// Looks at the capabilities anew.
pub(super) const REFRESH: &str = "coven.capabilities.refresh";

pub(crate) async fn post(call: &mut Call) -> Result<Reply, Error> {
    let mut asked: ActionBody = call.body.json(limits::MAX_BODY_BYTES).await?;
    let given_back = [("origin", &asked.origin), ("intentId", &asked.intent_id)];
    for (field, given) in given_back {
        if let Some(text) = given
            && text.len() > limits::MAX_GIVEN_BACK_BYTES
        {
            return Err(Refusal::invalid(field, text, "is over 4096 bytes long").into());
        }
    }
    let mut action = asked.action.take().unwrap_or_default();
    let end = (0..=action.len().min(limits::MAX_GIVEN_BACK_BYTES))
        .rev()
        .find(|end| action.is_char_boundary(*end));
    action.truncate(end.unwrap_or_default());
    Ok(if action == REFRESH {
        Reply::ok(&refreshed(action, asked))
    } else {
        Reply::json(StatusCode::BAD_REQUEST, &rejected(action))
    })
}

fn refreshed(action: String, asked: ActionBody) -> ActionReply {
    ActionReply {
        ok: true,
        accepted: true,
        action: action.clone(),
        status: "completed".to_owned(),
        event: Some(ActionEvent {
            kind: "capabilities.refreshed".to_owned(),
            action,
            origin: asked.origin,
            intent_id: asked.intent_id,
            payload: json!({"capabilities": super::capabilities::all().len()}),
        }),
        reason: None,
    }
}

fn rejected(action: String) -> ActionReply {
    let reason = if action.is_empty() {
        "action is required".to_owned()
    } else {
        format!("no capability has the action {action}")
    };
    ActionReply {
        ok: false,
        accepted: false,
        action,
        status: "rejected".to_owned(),
        event: None,
        reason: Some(reason),
    }
}

pub(crate) fn doc() -> Doc {
    Doc::new("Asks for an action of a capability.")
        .body::<ActionBody>()
        .answer::<ActionReply>(200, "It was done.")
        .answer_or_error::<ActionReply>(
            400,
            "It is not known (`status` is `rejected`), or the body is malformed.",
        )
        .errors(&[Code::PayloadTooLarge])
}
