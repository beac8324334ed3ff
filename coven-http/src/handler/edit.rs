//! `PATCH /sessions/{id}`: what people call a session.

use coven::{Code, Labels, Title};

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{EditBody, SessionRecord};
use crate::{limits, render};

pub(crate) async fn patch(call: &mut Call) -> Result<Reply, Error> {
    let id = call.session()?;
    call.engine().get(&id).await?;
    let body: EditBody = call.body.json(limits::MAX_SMALL_BODY_BYTES).await?;
    let title = body.title.as_deref().map(Title::parse).transpose()?;
    let labels = body.labels.as_deref().map(Labels::parse).transpose()?;
    let engine = call.engine();
    let record = engine.edit(&id, title, labels, call.actor()).await?;
    Ok(Reply::ok(&render::record(&record)))
}

pub(crate) fn doc() -> Doc {
    Doc::new("Changes a session's title, labels, or both.")
        .body::<EditBody>()
        .answer::<SessionRecord>(200, "The session as it is now.")
        .errors(&[
            Code::InvalidRequest,
            Code::SessionNotFound,
            Code::PayloadTooLarge,
        ])
}
