//! `GET /sessions/{id}/events/stream`: a session's events, live.

use coven::{Code, Seq};

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::{sse, trimmed};

pub(crate) async fn get(call: &Call) -> Result<Reply, Error> {
    let id = call.session()?;
    let after = sse::cursor(call).await?.unwrap_or(Seq::ZERO);
    let record = call.engine().get(&id).await?;
    let missing = trimmed::after(call.engine(), &record, after).await?;
    let first = missing.as_ref().map(sse::missing);
    sse::reply(call, first, call.engine().follow(&id, after))
}

pub(crate) fn doc() -> Doc {
    use utoipa::openapi::schema::Type;
    Doc::new(
        "A session's events: caught up from a place (its first event when none is given), then \
         live. Ends once a session that has ended is told whole. Where output after that place was \
         trimmed, an event `missing` without an id says so first.",
    )
    .query("afterSeq", Type::Integer, "Only events after this place.")
    .header(
        "Last-Event-ID",
        "The same, and it wins: the last `id` that was read.",
    )
    .answer_of(200, "Server-Sent Events.", "text/event-stream")
    .errors(&[Code::InvalidRequest, Code::SessionNotFound])
}
