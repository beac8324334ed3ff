//! `POST /sessions/{id}/submit`: a prompt, typed the way the session's harness takes one.

use coven::Code;

use crate::app::Call;
use crate::error::Error;
use crate::handler::input::TYPED_ONCE;
use crate::limits;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::taken_inputs::{InputId, Typing};
use crate::wire::{Accepted, SubmitBody};

pub(crate) async fn post(call: &mut Call) -> Result<Reply, Error> {
    let id = call.session()?;
    let key = call.idempotency_key();
    let input = match &key {
        Ok(Some(key)) => Some(InputId::of_request(&id, key)),
        Ok(None) | Err(_) => None,
    };
    if let Some(input) = input
        && call.app.inputs.has(&id, input).await
    {
        // It was taken, whatever the session takes by now.
        return Ok(Reply::accepted());
    }
    // Before the key and the body are looked at.
    call.engine().accepts_input(&id).await?;
    key?;
    let body: SubmitBody = call.body.json(limits::MAX_BODY_BYTES).await?;
    let (typing, by) = (Typing::Prompt(body.text), call.actor());
    let inputs = &call.app.inputs;
    inputs.take(call.engine(), &id, input, typing, by).await?;
    Ok(Reply::accepted())
}

pub(crate) fn doc() -> Doc {
    Doc::new("Submits a prompt to a running session: pasted, then Enter, as its harness takes it.")
        .body::<SubmitBody>()
        .header("Idempotency-Key", TYPED_ONCE)
        .answer::<Accepted>(202, "It is on record and being typed.")
        .errors(&[
            Code::InvalidRequest,
            Code::SessionNotFound,
            Code::SessionNotLive,
            Code::PayloadTooLarge,
            Code::InputTooLarge,
            Code::SendInputFailed,
        ])
}
