//! `POST /sessions/{id}/input`: bytes for a session, exactly.

use bytes::Bytes;
use coven::Code;

use crate::app::Call;
use crate::error::Error;
use crate::limits;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::taken_inputs::{InputId, Typing};
use crate::wire::{Accepted, InputBody};

/// What the header means on the routes that type.
pub(super) const TYPED_ONCE: &str = "1 to 128 visible ASCII characters: sent again with the same, \
                                     it is not typed again.";

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
    let body: InputBody = call.body.json(limits::MAX_BODY_BYTES).await?;
    let (typing, by) = (Typing::Bytes(Bytes::from(body.data)), call.actor());
    let inputs = &call.app.inputs;
    inputs.take(call.engine(), &id, input, typing, by).await?;
    Ok(Reply::accepted())
}

pub(crate) fn doc() -> Doc {
    Doc::new("Sends bytes to a session, exactly. At most 1 MiB; inputs are never merged.")
        .body::<InputBody>()
        .header("Idempotency-Key", TYPED_ONCE)
        .answer::<Accepted>(202, "It is on record and queued.")
        .errors(&[
            Code::InvalidRequest,
            Code::SessionNotFound,
            Code::SessionNotLive,
            Code::PayloadTooLarge,
            Code::InputTooLarge,
            Code::SendInputFailed,
        ])
}
