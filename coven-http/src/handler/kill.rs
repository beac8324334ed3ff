//! `POST /sessions/{id}/kill`: end a session's process. A body is ignored.

use coven::Code;

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::Accepted;

pub(crate) async fn post(call: &Call) -> Result<Reply, Error> {
    let id = call.session()?;
    call.engine().kill(&id, call.actor()).await?;
    Ok(Reply::accepted())
}

pub(crate) fn doc() -> Doc {
    Doc::new("Ends a session's process. It is over once its record has `ended_at`.")
        .answer::<Accepted>(202, "It is on record and under way.")
        .errors(&[
            Code::SessionNotFound,
            Code::SessionNotLive,
            Code::ExternalSessionNotKillable,
            Code::KillFailed,
        ])
}
