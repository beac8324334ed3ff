//! `GET /sessions/{id}/export`: a session as lines of JSON, for keeping and sharing.

use std::io;

use bytes::Bytes;
use coven::{Code, Engine, ReadLimit, Seq, SessionId};
use futures_util::{Stream, stream};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use crate::app::{Call, Stopping, StreamPermit};
use crate::error::Error;
use crate::export::{Redaction, Writer};
use crate::limits;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::Time;

pub(crate) async fn get(call: &Call) -> Result<Reply, Error> {
    let id = call.session()?;
    let redaction = match call.query().flag("redact")? {
        Some(true) => Redaction::Redacted,
        Some(false) | None => Redaction::Exact,
    };
    let permit = call.app.stream()?;
    let engine = call.engine().clone();
    let record = engine.get(&id).await?;
    let events = count(&engine, &id, record.last_seq).await?;
    let (writer, header) = Writer::begin(&record, events, redaction, Time::now());
    let exporting = Exporting {
        engine,
        id,
        after: Seq::ZERO,
        last: record.last_seq,
        events,
        redaction,
        header: Some(header),
        writer: Some(writer),
        stopping: call.app.stopping(),
        _permit: permit,
    };
    call.switch.stream();
    let lines = HeaderValue::from_static("application/jsonl");
    Ok(Reply::stream(StatusCode::OK, None, bytes(exporting)).header(CONTENT_TYPE, lines))
}

const PAGE: ReadLimit = ReadLimit {
    events: limits::MAX_PAGE_ROWS,
    bytes: limits::STREAM_READ_BYTES,
};

/// How many events a session has up to `last`.
async fn count(engine: &Engine, id: &SessionId, last: Seq) -> Result<u64, Error> {
    let (mut after, mut events) = (Seq::ZERO, 0);
    while after < last {
        let page = engine.read(id, after, PAGE).await?;
        let Some(end) = page.last() else { break };
        after = end.seq;
        events += page.iter().filter(|event| event.seq <= last).count() as u64;
    }
    Ok(events)
}

/// An export on its way to a reader: read from the log as the reader takes it, up to where the
/// session was when it was asked for.
struct Exporting {
    engine: Engine,
    id: SessionId,
    after: Seq,
    last: Seq,
    events: u64,
    redaction: Redaction,
    header: Option<Vec<u8>>,
    writer: Option<Writer>,
    stopping: Stopping,
    _permit: StreamPermit,
}

fn bytes(exporting: Exporting) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
    stream::unfold(exporting, |mut exporting| async move {
        let piece = exporting.next().await.transpose()?;
        Some((piece, exporting))
    })
}

impl Exporting {
    /// The next lines; an error breaks the connection, so that the reader sees that some miss.
    async fn next(&mut self) -> Result<Option<Bytes>, io::Error> {
        if let Some(header) = self.header.take() {
            return Ok(Some(header.into()));
        }
        if self.after >= self.last {
            return match self.writer.take() {
                // Some of it was trimmed while it was read.
                Some(writer)
                    if self.redaction == Redaction::Exact && writer.events() != self.events =>
                {
                    Err(io::ErrorKind::UnexpectedEof.into())
                }
                writer => Ok(writer.map(|writer| writer.end().into())),
            };
        }
        let events = tokio::select! {
            biased;
            () = self.stopping.wait() => return Err(io::ErrorKind::ConnectionAborted.into()),
            events = self.engine.read(&self.id, self.after, PAGE) => events,
        }
        .map_err(io::Error::other)?;
        // It was deleted while it was read.
        let end = events.last().ok_or(io::ErrorKind::UnexpectedEof)?;
        self.after = end.seq;
        let writer = self.writer.as_mut().ok_or(io::ErrorKind::UnexpectedEof)?;
        let lines: Vec<u8> = events
            .iter()
            .filter(|event| event.seq <= self.last)
            .flat_map(|event| writer.event(event))
            .collect();
        Ok(Some(lines.into()))
    }
}

pub(crate) fn doc() -> Doc {
    use utoipa::openapi::schema::Type;
    Doc::new(
        "A session as lines of JSON (docs/export-format.md), as far as it is recorded now. It is \
         whole if its last line says so.",
    )
    .query(
        "redact",
        Type::Boolean,
        "`true`: for sharing, without control sequences and with secrets hidden.",
    )
    .answer_of(200, "The lines.", "application/jsonl")
    .errors(&[Code::InvalidRequest, Code::SessionNotFound])
}
