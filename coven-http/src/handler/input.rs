//! `POST /sessions/{id}/input`: bytes for a session, exactly.

use bytes::Bytes;
use coven::Code;

use crate::app::Call;
use crate::error::Error;
use crate::limits;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{Accepted, InputBody};

pub(crate) async fn post(call: &mut Call) -> Result<Reply, Error> {
    let id = call.session()?;
    // Before the body is looked at.
    call.engine().accepts_input(&id).await?;
    let body: InputBody = call.body.json(limits::MAX_BODY_BYTES).await?;
    let data = Bytes::from(body.data);
    call.engine().input(&id, data, call.actor()).await?;
    Ok(Reply::accepted())
}

pub(crate) fn doc() -> Doc {
    Doc::new("Sends bytes to a session, exactly. At most 1 MiB; inputs are never merged.")
        .body::<InputBody>()
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
