//! `GET /sessions`: sessions, newest first.

use coven::{Archived, Code, Page, Position, Refusal};
use hyper::StatusCode;

use crate::app::Call;
use crate::error::Error;
use crate::json_list::JsonList;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{SessionRecord, SessionsPage};
use crate::{cursor, limits, render};

/// Bytes of a page's envelope around its list, at most.
const ENVELOPE_BYTES: usize = 1024;

pub(crate) async fn get(call: &Call) -> Result<Reply, Error> {
    let query = call.query();
    let paged = ["limit", "cursor", "includeArchived"]
        .iter()
        .any(|key| query.get(key).is_some());
    let json = if paged {
        page(call).await?
    } else {
        newest(call).await?
    };
    Ok(Reply::raw_json(StatusCode::OK, json))
}

/// A plain list: the newest that are not archived, as many as known clients read.
async fn newest(call: &Call) -> Result<Vec<u8>, Error> {
    let mut list = JsonList::new("", limits::MAX_PLAIN_ANSWER_BYTES);
    let mut before = None;
    loop {
        let listing = call
            .engine()
            .list(Page {
                before,
                limit: limits::MAX_PAGE_ROWS,
                archived: Archived::Hidden,
            })
            .await?;
        for record in &listing.records {
            if list.push(&render::record(record)).is_err() {
                return Ok(list.finish(""));
            }
        }
        before = listing.next;
        if before.is_none() {
            return Ok(list.finish(""));
        }
    }
}

/// A page: complete, and where a page would be too large for known clients, shorter.
async fn page(call: &Call) -> Result<Vec<u8>, Error> {
    let query = call.query();
    let limit = match query.number("limit")? {
        None => limits::DEFAULT_PAGE_ROWS,
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=limits::MAX_PAGE_ROWS).contains(limit))
            .ok_or_else(|| Refusal::invalid("limit", limit.to_string(), "must be 1 to 1000"))?,
    };
    let before = query.get("cursor").map(cursor::decode).transpose()?;
    let archived = if query.flag("includeArchived")?.unwrap_or(false) {
        Archived::Included
    } else {
        Archived::Hidden
    };
    let listing = call
        .engine()
        .list(Page {
            before,
            limit,
            archived,
        })
        .await?;
    let mut list = JsonList::new("{\"sessions\":", limits::MAX_PAGE_BYTES - ENVELOPE_BYTES);
    let mut next = listing.next;
    let mut last: Option<Position> = None;
    for record in &listing.records {
        if list.push(&render::record(record)).is_err() {
            next = last;
            break;
        }
        last = Some(Position {
            created_at: record.created_at,
            id: record.session.id.clone(),
        });
    }
    let next = match next {
        Some(position) => format!("\"{}\"", cursor::encode(&position)),
        None => "null".to_owned(),
    };
    let damaged = match listing.damaged {
        0 => String::new(),
        damaged => format!(",\"damaged\":{damaged}"),
    };
    Ok(list.finish(&format!(",\"next_cursor\":{next}{damaged}}}")))
}

pub(crate) fn doc() -> Doc {
    use utoipa::openapi::schema::Type;
    Doc::new(
        "Sessions, newest first. With none of the parameters: a plain list of those that are not \
         archived, as many as fit 1,000,000 bytes. With any of them: a page.",
    )
    .query("limit", Type::Integer, "1 to 1000; 100 when absent.")
    .query(
        "cursor",
        Type::String,
        "The `next_cursor` of the page before.",
    )
    .query(
        "includeArchived",
        Type::Boolean,
        "Whether archived ones are shown too.",
    )
    .answer_page_or_list::<SessionsPage, SessionRecord>(
        200,
        "With no parameter the sessions alone, with any a page of them.",
    )
    .errors(&[Code::InvalidRequest])
}
