//! `POST /sessions/{id}/complete`: an external session's end, as its owner reports it.

use coven::Code;

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{CompleteBody, SessionRecord};
use crate::{limits, render};

pub(crate) async fn post(call: &mut Call) -> Result<Reply, Error> {
    let id = call.session()?;
    call.engine().get(&id).await?;
    let body: CompleteBody = call.body.json(limits::MAX_BODY_BYTES).await?;
    let engine = call.engine();
    let record = engine.complete(&id, body.exit_code, call.actor()).await?;
    Ok(Reply::ok(&render::record(&record)))
}

pub(crate) fn doc() -> Doc {
    Doc::new("Reports the end of an external session.")
        .body::<CompleteBody>()
        .answer::<SessionRecord>(200, "It is over.")
        .errors(&[
            Code::InvalidRequest,
            Code::SessionNotFound,
            Code::SessionNotLive,
            Code::PayloadTooLarge,
            Code::NotExternalSession,
        ])
}
