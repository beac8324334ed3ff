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

/// A session's record, and how many events there are to read up to its last. What is trimmed while
/// that is counted is counted again: the record must tell of all that is not there.
async fn counted(
    engine: &Engine,
    id: &SessionId,
    mut record: Record,
) -> Result<(Record, u64), coven::Error> {
    loop {
        let events = count(engine, id, record.last_seq).await?;
        let now = engine.get(id).await?;
        if now.session.trimmed_bytes == record.session.trimmed_bytes {
            return Ok((record, events));
        }
        record = now;
    }
}

/// How many events a session has up to `last`; where some cannot be read, how many come before those.
async fn count(engine: &Engine, id: &SessionId, last: Seq) -> Result<u64, coven::Error> {
    let (mut after, mut events) = (Seq::ZERO, 0);
    while after < last {
        let page = match engine.read(id, after, PAGE).await {
            // Who reads them meets it again, behind those.
            Err(_) if events > 0 => break,
            page => page?,
        };
        let Some(end) = page.last() else { break };
        after = end.seq;
        events += page.iter().filter(|event| event.seq <= last).count() as u64;
    }
    Ok(events)
}

/// An export on its way to a reader: read from the log as the reader takes it, up to where the
/// session was when it was counted.
struct Exporting {
    engine: Engine,
    id: SessionId,
    after: Seq,
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
    Begun {
        writer: Writer,
        events: u64,
        last: Seq,
    },
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
            _ = stopping.wait() => Err(io::ErrorKind::ConnectionAborted.into()),
            lines = self.lines() => lines,
        }
    }

    async fn lines(&mut self) -> Result<Option<Bytes>, io::Error> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::New { record } => {
                let counted = counted(&self.engine, &self.id, record).await;
                let (record, events) = counted.map_err(io::Error::other)?;
                let (writer, line) = Writer::begin(&record, events, self.redaction, Time::now());
                let last = record.last_seq;
                self.state = State::Begun {
                    writer,
                    events,
                    last,
                };
                Ok(Some(line.into()))
            }
            State::Begun {
                writer,
                events,
                last,
            } if self.after >= last => {
                if self.redaction == Redaction::Exact && writer.events() != events {
                    // Some of it was trimmed while it was read.
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(Some(writer.end().into()))
            }
            State::Begun {
                mut writer,
                events,
                last,
            } => {
                let page = self.engine.read(&self.id, self.after, PAGE).await;
                let page = page.map_err(io::Error::other)?;
                // It was deleted while it was read.
                let end = page.last().ok_or(io::ErrorKind::UnexpectedEof)?;
                self.after = end.seq;
                let told = page.iter().filter(|event| event.seq <= last);
                let lines: Vec<u8> = told.flat_map(|event| writer.event(event)).collect();
                self.state = State::Begun {
                    writer,
                    events,
                    last,
                };
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

#[cfg(test)]
mod tests {
    use coven::{Actor, LaunchRequest, Options, Pruning, Retention};

    use super::*;

    const SHELL: &str = r#"
id = "shell"
executable = "/bin/sh"
install_hint = "install a shell"
[interactive]
args = ["-c", "{prompt}"]
"#;

    #[tokio::test]
    async fn what_is_trimmed_between_the_record_and_the_count_is_told_in_the_header() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir_all(home.join("harnesses")).unwrap();
        std::fs::write(home.join("harnesses/shell.toml"), SHELL).unwrap();
        let engine = Engine::open(Options::at(&home)).await.unwrap();
        let me = || Actor {
            uid: 0,
            pid: None,
            client: None,
        };
        let request = LaunchRequest {
            project_root: dir.path().to_str().map(str::to_owned),
            harness: Some("shell".to_owned()),
            prompt: Some("seq 100000".to_owned()),
            ..LaunchRequest::default()
        };
        let id = engine
            .launch(request, me())
            .await
            .unwrap()
            .session
            .id
            .clone();
        let mut events = engine.follow(&id, Seq::ZERO);
        while events.next().await.unwrap().is_some() {}
        let before = engine.get(&id).await.unwrap();
        let budget = Retention {
            session_bytes: Some(1000),
            ..Retention::default()
        };
        let pruned = engine.prune(Some(budget), Pruning::Real, me()).await;
        assert_eq!(pruned.unwrap().sessions.len(), 1);
        let (record, events) = counted(&engine, &id, before).await.unwrap();
        assert_eq!(record, engine.get(&id).await.unwrap());
        let left = engine.read(&id, Seq::ZERO, PAGE).await.unwrap();
        assert_eq!(events, left.len() as u64);
        engine.shutdown().await;
    }
}
