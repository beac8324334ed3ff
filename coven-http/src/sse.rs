//! Server-Sent Events: writing them, and the stream that a follower is given.

use std::collections::VecDeque;
use std::future::Future;
use std::io;

use bytes::Bytes;
use coven::{Engine, Envelope, Follow, FollowAll, Lost, ReadLimit};
use futures_util::{Stream, stream};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use tokio::time::{Instant, sleep_until};

use crate::app::{Call, Stopping, StreamPermit};
use crate::error::Error;
use crate::query::number;
use crate::reply::Reply;
use crate::wire::{DamagedEvents, Event, TrimmedOutput};
use crate::{STREAM_DAMAGED, STREAM_END, STREAM_ERROR, STREAM_MISSING, render};

/// Where events come from, page by page.
pub(crate) trait Source: Send + 'static {
    /// Whether its last page means that there will never be more. Otherwise only the engine ended,
    /// and the client is to connect again.
    const ENDS: bool;

    /// The next page; `None` when there will be no more. Can be cancelled and called again.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<Envelope>>, coven::Error>> + Send;

    /// What the page that was given last does not have because it is damaged.
    fn lost(&mut self) -> Vec<Lost> {
        Vec::new()
    }
}

impl Source for Follow {
    const ENDS: bool = true;

    async fn next(&mut self) -> Result<Option<Vec<Envelope>>, coven::Error> {
        Self::next(self).await
    }
}

impl Source for FollowAll {
    const ENDS: bool = false;

    async fn next(&mut self) -> Result<Option<Vec<Envelope>>, coven::Error> {
        Self::next(self).await
    }

    fn lost(&mut self) -> Vec<Lost> {
        self.take_lost()
    }
}

/// The place that a follower has told up to: `Last-Event-ID`, which a client that connects again
/// sends by itself, before `afterSeq`.
pub(crate) async fn cursor(call: &Call) -> Result<Option<coven::Seq>, Error> {
    const LAST_EVENT_ID: &str = "Last-Event-ID";
    let (field, after) = match call.header(LAST_EVENT_ID)? {
        Some(text) => (LAST_EVENT_ID, Some(number(LAST_EVENT_ID, text)?)),
        None => ("afterSeq", call.query().number("afterSeq")?),
    };
    let Some(seq) = after.map(coven::Seq::new) else {
        return Ok(None);
    };
    if !is_there(call.engine(), seq).await? {
        // A place of another home, or of one that was put back: nothing comes after it for long.
        return Err(
            coven::Refusal::invalid(field, seq.to_string(), "is past the last event").into(),
        );
    }
    Ok(Some(seq))
}

/// Whether the log has come to `seq`. It can be read a moment before anybody is told of it.
async fn is_there(engine: &Engine, seq: coven::Seq) -> Result<bool, Error> {
    if seq <= engine.last_seq() {
        return Ok(true);
    }
    let one = ReadLimit {
        events: 1,
        bytes: 0,
    };
    let before = coven::Seq::new(seq.get() - 1);
    Ok(!engine.read_all(before, one).await?.is_empty())
}

/// The answer that is a stream: `first`, then what `source` gives, as its reader takes it.
pub(crate) fn reply(
    call: &Call,
    first: Option<Bytes>,
    source: impl Source,
) -> Result<Reply, Error> {
    let permit = call.app.stream()?;
    call.switch.stream();
    let state = Told {
        first: first.into_iter().collect(),
        page: VecDeque::new(),
        source,
        stopping: call.app.stopping(),
        heartbeat: call.app.timeouts.heartbeat,
        quiet_since: Instant::now(),
        over: false,
        _permit: permit,
    };
    let reply = Reply::stream(StatusCode::OK, None, events(state));
    let reply = reply.header(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(call.of_log(reply))
}

/// One event, as the stream writes it. JSON has no raw line breaks, so `data` is one line.
pub(crate) fn event(event: &Event) -> Bytes {
    let head = format!("id: {}\nevent: {}\ndata: ", event.seq, event.kind);
    let mut written = head.into_bytes();
    serde_json::to_writer(&mut written, event).expect("a wire type has a JSON form");
    written.extend_from_slice(b"\n\n");
    Bytes::from(written)
}

/// What the stream will not tell, because it was trimmed. It has no place.
pub(crate) fn missing(output: &TrimmedOutput) -> Bytes {
    let json = serde_json::to_string(output).expect("a wire type has a JSON form");
    Bytes::from(format!("event: {STREAM_MISSING}\ndata: {json}\n\n"))
}

/// What the stream will not tell, because it is damaged. It has no place.
fn damaged(lost: &Lost) -> Bytes {
    let told = DamagedEvents {
        session_id: lost.damage.session.as_ref().map(ToString::to_string),
        first_seq: lost.first.get(),
        last_seq: lost.last.get(),
        problem: lost.damage.problem.clone(),
    };
    let json = serde_json::to_string(&told).expect("a wire type has a JSON form");
    Bytes::from(format!("event: {STREAM_DAMAGED}\ndata: {json}\n\n"))
}

/// A place with no event: where the stream begins, for a client that connects again.
pub(crate) fn place(seq: coven::Seq) -> Bytes {
    Bytes::from(format!("id: {seq}\n\n"))
}

/// Why a stream ends before its end: an error envelope, in a comment.
fn last_words(error: &Error) -> Bytes {
    let json = serde_json::to_string(&error.body()).expect("a wire type has a JSON form");
    comment(&format!("{STREAM_ERROR}{json}"))
}

fn comment(text: &str) -> Bytes {
    Bytes::from(format!(": {text}\n\n"))
}

struct Told<S> {
    /// What is told before the page.
    first: VecDeque<Bytes>,
    /// Encoded one by one, as the reader takes them: JSON may be seven times as long.
    page: VecDeque<Envelope>,
    source: S,
    stopping: Stopping,
    heartbeat: std::time::Duration,
    quiet_since: Instant,
    over: bool,
    _permit: StreamPermit,
}

fn events<S: Source>(state: Told<S>) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
    stream::unfold(state, |mut state| async move {
        let piece = state.next().await?;
        state.quiet_since = Instant::now();
        Some((Ok(piece), state))
    })
}

impl<S: Source> Told<S> {
    /// The last piece. The client may connect again from where it is.
    fn breaks_off(&mut self, error: &Error) -> Bytes {
        self.over = true;
        last_words(error)
    }

    /// The next piece. Nothing is read from the log before its reader has taken what there was.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.first.pop_front() {
                return Some(piece);
            }
            if let Some(envelope) = self.page.pop_front() {
                match render::event(&envelope) {
                    Some(told) => return Some(event(&told)),
                    None => continue,
                }
            }
            if self.over {
                return None;
            }
            let page = tokio::select! {
                biased;
                _ = self.stopping.wait() => return Some(self.breaks_off(&Error::shutting_down())),
                page = self.source.next() => page,
                () = sleep_until(self.quiet_since + self.heartbeat) => {
                    return Some(comment("heartbeat"));
                }
            };
            match page {
                Ok(Some(page)) => {
                    self.first = self.source.lost().iter().map(damaged).collect();
                    self.page = page.into();
                }
                Ok(None) if S::ENDS => {
                    self.over = true;
                    return Some(comment(STREAM_END));
                }
                Ok(None) => return Some(self.breaks_off(&Error::shutting_down())),
                Err(error) => {
                    tracing::warn!(%error, "event stream broken off");
                    return Some(self.breaks_off(&error.into()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_three_lines_whatever_it_holds() {
        let written = event(&Event {
            seq: 7,
            id: "ev-7".to_owned(),
            session_id: "s".to_owned(),
            kind: "output".to_owned(),
            payload_json: "{\"data\":\"a\\nb\"}".to_owned(),
            created_at: crate::wire::Time::now(),
        });
        let text = std::str::from_utf8(&written).unwrap();
        assert!(text.starts_with("id: 7\nevent: output\ndata: {\"seq\":7,"));
        assert!(text.ends_with("\n\n"));
        assert_eq!(text.trim_end().lines().count(), 3);
    }
}
