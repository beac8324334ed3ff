//! `POST /sessions/external`: register a session that runs elsewhere.

use coven::{Code, Registered};
use hyper::StatusCode;

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{ExternalBody, SessionRecord};
use crate::{limits, render};

pub(crate) async fn post(call: &mut Call) -> Result<Reply, Error> {
    let body: ExternalBody = call.body.json(limits::MAX_BODY_BYTES).await?;
    let (registered, record) = call.engine().register(body.into(), call.actor()).await?;
    let status = match registered {
        Registered::New => StatusCode::CREATED,
        Registered::Again => StatusCode::OK,
    };
    Ok(Reply::json(status, &render::record(&record)))
}

pub(crate) fn doc() -> Doc {
    Doc::new("Registers a session that runs elsewhere.")
        .body::<ExternalBody>()
        .answer::<SessionRecord>(201, "It is new.")
        .answer::<SessionRecord>(200, "It was registered before.")
        .errors(&[
            Code::InvalidRequest,
            Code::PayloadTooLarge,
            Code::SessionIdConflict,
        ])
}
