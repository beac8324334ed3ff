//! `GET /sessions/{id}/output`: what a session wrote, as exact bytes.

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;
use coven::{Code, Engine, SessionId};
use futures_util::{Stream, stream};
use hyper::StatusCode;
use hyper::header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue};

use crate::app::{Call, Stopping, StreamPermit};
use crate::error::Error;
use crate::openapi::Doc;
use crate::range::{self, Asked};
use crate::reply::Reply;
use crate::wire::ErrorBody;
use crate::{OUTPUT_COMPLETE, limits};

/// How much of a session's output is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// More may come.
    SoFar,
    /// All there will ever be.
    Whole,
}

impl Recorded {
    pub(crate) const fn is_whole(self) -> bool {
        matches!(self, Self::Whole)
    }
}

pub(crate) async fn get(call: &Call) -> Result<Reply, Error> {
    let id = call.session()?;
    let record = call.engine().get(&id).await?;
    let recorded = record.session.output_bytes;
    let told = if record.session.phase.has_ended() {
        Recorded::Whole
    } else {
        Recorded::SoFar
    };
    // One that is no text is malformed, and means the whole.
    let header = call.header("Range").unwrap_or_default();
    let (status, start, end) = match range::parse(header, recorded) {
        Asked::Whole => (StatusCode::OK, 0, recorded),
        Asked::Part { start, end } => (StatusCode::PARTIAL_CONTENT, start, end),
        Asked::Nothing => {
            let error = Error::range_not_satisfiable(header.unwrap_or_default(), recorded, told);
            let whole = content_range(&format!("*/{recorded}"));
            return Ok(tell_complete(error.reply(), told).header(CONTENT_RANGE, whole));
        }
    };
    let trimmed = record.session.trimmed_bytes;
    if start < trimmed {
        return Err(Error::output_trimmed(id.as_str(), trimmed));
    }
    let mut reading = Reading {
        engine: call.engine().clone(),
        id,
        offset: start,
        end,
        ready: VecDeque::new(),
        stopping: call.app.stopping(),
        _permit: call.app.stream()?,
    };
    // Once the head is sent, what is wrong can only be told by breaking off.
    match reading.fill().await {
        Ok(()) => {}
        Err(Broken::Stopping) => return Err(Error::shutting_down()),
        Err(Broken::Failed(error)) => return Err(error.into()),
        Err(Broken::Gone) => return Err(gone_meanwhile(&reading).await),
    }
    call.switch.stream();
    let octets = HeaderValue::from_static("application/octet-stream");
    let reply = Reply::stream(status, Some(end - start), bytes(reading))
        .header(CONTENT_TYPE, octets)
        .header(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let reply = call.of_log(tell_complete(reply, told));
    Ok(if status == StatusCode::PARTIAL_CONTENT {
        let range = content_range(&format!("{start}-{}/{recorded}", end - 1));
        reply.header(CONTENT_RANGE, range)
    } else {
        reply
    })
}

/// What is wrong with a range of which nothing is left since its session was looked at.
async fn gone_meanwhile(reading: &Reading) -> Error {
    match reading.engine.get(&reading.id).await {
        Ok(record) => Error::output_trimmed(reading.id.as_str(), record.session.trimmed_bytes),
        Err(deleted) => deleted.into(),
    }
}

fn content_range(range: &str) -> HeaderValue {
    HeaderValue::try_from(format!("bytes {range}")).expect("digits make a header")
}

fn tell_complete(reply: Reply, told: Recorded) -> Reply {
    let complete = match told {
        Recorded::Whole => "true",
        Recorded::SoFar => "false",
    };
    reply.header(
        HeaderName::from_static(OUTPUT_COMPLETE),
        HeaderValue::from_static(complete),
    )
}

/// A range of output on its way to a reader: read from the log as the reader takes it.
struct Reading {
    engine: Engine,
    id: SessionId,
    offset: u64,
    end: u64,
    ready: VecDeque<Bytes>,
    stopping: Stopping,
    _permit: StreamPermit,
}

fn bytes(reading: Reading) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
    stream::unfold(reading, |mut reading| async move {
        let piece = reading.next().await.transpose()?;
        Some((piece.map_err(io::Error::from), reading))
    })
}

impl Reading {
    /// The next bytes; an error breaks the connection, so that the reader sees that some miss.
    async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        if self.ready.is_empty() {
            self.fill().await?;
        }
        let piece = self.ready.pop_front();
        self.offset += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Ok(piece)
    }

    /// Reads the next pieces; none at the end.
    async fn fill(&mut self) -> Result<(), Broken> {
        if self.offset == self.end {
            return Ok(());
        }
        let mut left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        let max_bytes = left.min(limits::STREAM_READ_BYTES);
        let chunks = tokio::select! {
            biased;
            _ = self.stopping.wait() => return Err(Broken::Stopping),
            chunks = self.engine.output(&self.id, self.offset, max_bytes) => chunks,
        }
        .map_err(Broken::Failed)?;
        let first = chunks.first().map(|chunk| chunk.offset);
        if first != Some(self.offset) {
            return Err(Broken::Gone);
        }
        for chunk in chunks {
            let taken = chunk.data.len().min(left);
            left -= taken;
            if taken > 0 {
                self.ready.push_back(chunk.data.slice(..taken));
            }
        }
        Ok(())
    }
}

/// Why a range is not told to its end.
enum Broken {
    Stopping,
    Failed(coven::Error),
    /// It was deleted, or trimmed, while it was read.
    Gone,
}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Stopping => io::ErrorKind::ConnectionAborted.into(),
            Broken::Failed(error) => Self::other(error),
            Broken::Gone => io::ErrorKind::UnexpectedEof.into(),
        }
    }
}

pub(crate) fn doc() -> Doc {
    Doc::new(
        "What a session wrote, as exact bytes. `X-Coven-Output-Complete` says whether that is all \
         there will ever be.",
    )
    .header(
        "Range",
        "One range of bytes; several, or a malformed one, mean the whole.",
    )
    .answer_of(200, "All that is recorded.", "application/octet-stream")
    .answer_of(206, "The range.", "application/octet-stream")
    .answer::<ErrorBody>(
        416,
        "The range holds nothing; `details` has `outputBytes` and `complete`.",
    )
    .errors(&[Code::SessionNotFound, Code::OutputTrimmed])
}
