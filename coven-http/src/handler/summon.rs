//! `POST /sessions/{id}/summon`: bring a session back into plain lists.

use coven::Code;

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::render;
use crate::reply::Reply;
use crate::wire::SessionRecord;

pub(crate) async fn post(call: &Call) -> Result<Reply, Error> {
    let id = call.session()?;
    let record = call.engine().summon(&id, call.actor()).await?;
    Ok(Reply::ok(&render::record(&record)))
}

pub(crate) fn doc() -> Doc {
    Doc::new("Brings a session back into plain lists. A second time changes nothing.")
        .answer::<SessionRecord>(200, "The session as it is now.")
        .errors(&[Code::SessionNotFound])
}
