//! `GET /events/stream`: the events of all sessions, live.

use coven::Code;

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::sse;

pub(crate) async fn get(call: &Call) -> Result<Reply, Error> {
    let cursor = sse::cursor(call).await?;
    // Where "now" is must be known to the client too, so that it can go on from there.
    let after = cursor.unwrap_or_else(|| call.engine().last_seq());
    let first = Some(sse::place(after));
    sse::reply(call, first, call.engine().follow_all(Some(after)))
}

pub(crate) fn doc() -> Doc {
    use utoipa::openapi::schema::Type;
    Doc::new(
        "The events of all sessions: caught up from a place (now when none is given), then live.",
    )
    .query(
        "afterSeq",
        Type::Integer,
        "Only events after this place; 0 for all there are.",
    )
    .header(
        "Last-Event-ID",
        "The same, and it wins: the last `id` that was read.",
    )
    .answer_of(200, "Server-Sent Events.", "text/event-stream")
    .errors(&[Code::InvalidRequest])
}
