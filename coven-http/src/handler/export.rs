//! `GET /sessions/{id}/export`: a session as lines of JSON, for keeping and sharing.

use std::io;

use bytes::Bytes;
use coven::{Code, Engine, ReadLimit, Record, Seq, SessionId};
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
    let record = call.engine().get(&id).await?;
    let exporting = Exporting {
        engine: call.engine().clone(),
        id,
        after: Seq::ZERO,
        last: record.last_seq,
        redaction,
        state: State::New { record },
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
async fn count(engine: &Engine, id: &SessionId, last: Seq) -> Result<u64, coven::Error> {
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
    redaction: Redaction,
    state: State,
    stopping: Stopping,
    _permit: StreamPermit,
}

/// How far an export is.
enum State {
    /// Nothing is told yet.
    New { record: Record },
    /// The first line is told, and with it how many events follow.
    Begun { writer: Writer, events: u64 },
    /// The last line is told, or never will be.
    Over,
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
        let mut stopping = self.stopping.clone();
        tokio::select! {
            biased;
            () = stopping.wait() => Err(io::ErrorKind::ConnectionAborted.into()),
            lines = self.lines() => lines,
        }
    }

    async fn lines(&mut self) -> Result<Option<Bytes>, io::Error> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::New { record } => {
                let events = count(&self.engine, &self.id, self.last).await;
                let events = events.map_err(io::Error::other)?;
                let (writer, line) = Writer::begin(&record, events, self.redaction, Time::now());
                self.state = State::Begun { writer, events };
                Ok(Some(line.into()))
            }
            State::Begun { writer, events } if self.after >= self.last => {
                if self.redaction == Redaction::Exact && writer.events() != events {
                    // Some of it was trimmed while it was read.
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(Some(writer.end().into()))
            }
            State::Begun { mut writer, events } => {
                let page = self.engine.read(&self.id, self.after, PAGE).await;
                let page = page.map_err(io::Error::other)?;
                // It was deleted while it was read.
                let end = page.last().ok_or(io::ErrorKind::UnexpectedEof)?;
                self.after = end.seq;
                let told = page.iter().filter(|event| event.seq <= self.last);
                let lines: Vec<u8> = told.flat_map(|event| writer.event(event)).collect();
                self.state = State::Begun { writer, events };
                Ok(Some(lines.into()))
            }
            State::Over => Ok(None),
        }
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
