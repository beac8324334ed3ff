//! `POST /sessions/{id}/submit`: a prompt, typed the way the session's harness takes one.

use coven::Code;

use crate::app::Call;
use crate::error::Error;
use crate::handler::input::{self, TYPED_ONCE};
use crate::limits;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{Accepted, SubmitBody};

pub(crate) async fn post(call: &mut Call) -> Result<Reply, Error> {
    let id = call.session()?;
    let name = input::name(call, &id).await?;
    let body: SubmitBody = call.body.json(limits::MAX_BODY_BYTES).await?;
    let by = call.actor();
    call.engine().submit(&id, body.text, name, by).await?;
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
            Code::InputUndelivered,
            Code::PayloadTooLarge,
            Code::InputTooLarge,
            Code::SendInputFailed,
        ])
}
