//! `POST /sessions/{id}/resize`: the size of a session's terminal.

use coven::{Code, TermSize};

use crate::app::Call;
use crate::error::Error;
use crate::limits;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{Accepted, ResizeBody};

pub(crate) async fn post(call: &mut Call) -> Result<Reply, Error> {
    let id = call.session()?;
    call.engine().get(&id).await?;
    let body: ResizeBody = call.body.json(limits::MAX_SMALL_BODY_BYTES).await?;
    let size = TermSize::parse(body.cols, body.rows)?;
    call.engine().resize(&id, size, call.actor()).await?;
    Ok(Reply::accepted())
}

pub(crate) fn doc() -> Doc {
    Doc::new("Gives a session's terminal a new size.")
        .body::<ResizeBody>()
        .answer::<Accepted>(202, "It is on record and done.")
        .errors(&[
            Code::InvalidRequest,
            Code::SessionNotFound,
            Code::SessionNotLive,
            Code::PayloadTooLarge,
        ])
}
