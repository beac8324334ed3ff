//! `GET /events?sessionId=…` and `GET /sessions/{id}/events`: a session's events, page by page.

use std::ops::Range;

use coven::{Code, ReadLimit, Record, Refusal, Seq, SessionId};
use hyper::StatusCode;

use crate::app::Call;
use crate::error::Error;
use crate::json_list::JsonList;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{EventsPage, TrimmedOutput, event};
use crate::{limits, render, trimmed};

/// Bytes of a page's envelope around its list, at most.
const ENVELOPE_BYTES: usize = 256;

pub(crate) async fn get(call: &Call) -> Result<Reply, Error> {
    let text = call
        .query()
        .get("sessionId")
        .ok_or_else(|| Refusal::invalid("sessionId", "", "is required"))?;
    let id = SessionId::parse(text).map_err(|_| Error::no_session(text))?;
    page(call, &id).await
}

pub(crate) async fn get_of_session(call: &Call) -> Result<Reply, Error> {
    page(call, &call.session()?).await
}

async fn page(call: &Call, id: &SessionId) -> Result<Reply, Error> {
    let query = call.query();
    let after = query.number("afterSeq")?.map(Seq::new);
    let limit = query
        .number("limit")?
        .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
        .map(|limit| limit.clamp(1, limits::MAX_PAGE_ROWS));
    // What is asked for is what there is now: a session that goes on writing is not chased.
    let record = call.engine().get(id).await?;
    let end = record.last_seq;
    let after = match (after, query.get("afterEventId")) {
        (Some(after), _) => after,
        (None, Some(event)) => place_of(call, &record, event).await?,
        (None, None) => Seq::ZERO,
    };
    let missing = trimmed::after(call.engine(), &record, after).await?;
    collect(call, id, after..end, limit, missing).await
}

async fn collect(
    call: &Call,
    id: &SessionId,
    Range { start, end }: Range<Seq>,
    limit: Option<usize>,
    missing: Option<TrimmedOutput>,
) -> Result<Reply, Error> {
    let mut list = JsonList::new("{\"events\":", limits::MAX_PAGE_BYTES - ENVELOPE_BYTES);
    let mut after = start;
    let mut last = None;
    let has_more = 'reading: loop {
        if after >= end {
            break false;
        }
        let read = ReadLimit {
            events: limits::MAX_PAGE_ROWS,
            bytes: limits::STREAM_READ_BYTES,
        };
        let envelopes = match call.engine().read(id, after, read).await {
            // The page ends before what cannot be read: who asks for the next one is told.
            Err(_) if last.is_some() => break true,
            envelopes => envelopes?,
        };
        let Some(newest) = envelopes.last() else {
            break false;
        };
        after = newest.seq;
        for event in envelopes.iter().filter_map(render::event) {
            if limit == Some(list.len()) {
                break 'reading true;
            }
            if list.push(&event).is_err() {
                if limit.is_none() {
                    return Err(Error::events_too_large(&event.id, event.seq));
                }
                break 'reading true;
            }
            last = Some(event.seq);
        }
    };
    let next = last.map_or("null".to_owned(), |seq| format!("{{\"afterSeq\":{seq}}}"));
    let missing = missing.map_or(String::new(), |missing| {
        let TrimmedOutput { offset, bytes } = missing;
        format!(",\"trimmed\":{{\"offset\":{offset},\"bytes\":{bytes}}}")
    });
    let envelope_end = format!(",\"nextCursor\":{next},\"hasMore\":{has_more}{missing}}}");
    Ok(Reply::raw_json(StatusCode::OK, list.finish(&envelope_end)))
}

/// The place of the event with this id; the start when the session has no such event. One that is
/// within its life may have been trimmed since it was read.
async fn place_of(call: &Call, record: &Record, event: &str) -> Result<Seq, Error> {
    let Some(place) = event::seq(event) else {
        return Ok(Seq::ZERO);
    };
    let before = Seq::new(place.get() - 1);
    let one = ReadLimit {
        events: 1,
        bytes: limits::STREAM_READ_BYTES,
    };
    let found = call.engine().read(&record.session.id, before, one).await?;
    let is_there = found.first().is_some_and(|found| found.seq == place);
    let may_be_trimmed =
        record.session.trimmed_bytes > 0 && (record.first_seq..=record.last_seq).contains(&place);
    Ok(if is_there || may_be_trimmed {
        place
    } else {
        Seq::ZERO
    })
}

pub(crate) fn doc() -> Doc {
    use utoipa::openapi::schema::Type;
    parameters(Doc::new("A session's events.").query(
        "sessionId",
        Type::String,
        "Required: the session.",
    ))
}

pub(crate) fn doc_of_session() -> Doc {
    parameters(Doc::new("A session's events."))
}

fn parameters(doc: Doc) -> Doc {
    use utoipa::openapi::schema::Type;
    doc.query("afterSeq", Type::Integer, "Only events after this place.")
        .query(
            "afterEventId",
            Type::String,
            "Only events after this one, when `afterSeq` is absent; an unknown id means all.",
        )
        .query(
            "limit",
            Type::Integer,
            "At most so many, 1 to 1000. Absent: all, or an error when they pass 4 MiB.",
        )
        .answer::<EventsPage>(200, "The events.")
        .errors(&[
            Code::InvalidRequest,
            Code::SessionNotFound,
            Code::EventResponseTooLarge,
        ])
}
