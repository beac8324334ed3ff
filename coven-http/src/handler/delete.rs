//! `DELETE /sessions/{id}`: delete a session and all its events.

use coven::Code;

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::reply::Reply;

pub(crate) async fn delete(call: &Call) -> Result<Reply, Error> {
    let id = call.session()?;
    call.engine().delete(&id, call.actor()).await?;
    Ok(Reply::no_content())
}

pub(crate) fn doc() -> Doc {
    Doc::new("Deletes a session and all its events.")
        .answer_empty(204, "It is no more.")
        .errors(&[Code::SessionNotFound, Code::SessionLive])
}
