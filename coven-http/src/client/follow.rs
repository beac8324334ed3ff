//! Following events live, over whatever happens to the connection.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header;
use tokio::time::Instant;

use super::away::{Away, PATIENCE};
use super::error::Cursor;
use super::exchange::{Ask, Connection};
use super::sse::{Parser, Said};
use super::{Client, Error, exchange};
use crate::wire::{DamagedEvents, Event, TrimmedOutput};

/// A stream that says nothing for this long, no heartbeat either, is taken for dead.
const SILENCE: Duration = Duration::from_secs(60);

/// A stream that was open for this long had a daemon, though that had nothing to say.
const OPEN_FOR_LONG: Duration = Duration::from_secs(1);

/// Events as they come: caught up from a place, then live, without gap or repeat. When the
/// connection breaks, or the daemon stops, dies or restarts, it connects again from the last event
/// it gave.
///
/// Dropping it ends it. [`Follow::next`] can be cancelled and called again.
#[derive(Debug)]
pub struct Follow {
    client: Client,
    path: String,
    after: Option<u64>,
    ready: VecDeque<Event>,
    state: State,
    /// Why the daemon broke the stream off, to be told after what it gave.
    last_words: Option<Error>,
    away: Away,
    trimmed: Option<TrimmedOutput>,
    damaged: Vec<DamagedEvents>,
}

#[derive(Debug)]
enum State {
    Apart,
    Connected(Box<Connected>),
    Ended,
}

struct Connected {
    body: Incoming,
    parser: Parser,
    /// Whether it said anything but where it begins.
    has_said: bool,
    since: Instant,
    _connection: Connection,
}

impl Follow {
    pub(super) fn new(client: Client, path: String, after: Option<u64>) -> Self {
        Self {
            client,
            path,
            after,
            ready: VecDeque::new(),
            state: State::Apart,
            last_words: None,
            away: Away::new(PATIENCE),
            trimmed: None,
            damaged: Vec::new(),
        }
    }

    /// How long it goes on trying while no daemon answers (30 s unless this says otherwise). With
    /// [`Duration::ZERO`] the first failure is returned.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.away.set_patience(patience);
        self
    }

    /// The place of the last event given, or where it began; `None` while it is not known.
    pub const fn after(&self) -> Option<u64> {
        self.after
    }

    /// The next event; `None` once a session that has ended is told whole, or is deleted. The
    /// events of all sessions never end.
    ///
    /// # Errors
    /// - [`Error::Answer`]: the daemon refuses, such as for a session that it does not know (one
    ///   that was deleted while no daemon answered among them), for a place that its log has not
    ///   come to, which is then another log, or because its log is damaged there.
    /// - [`Error::Away`]: no daemon told anything for as long as [`Follow::patience`] says. Calling
    ///   again tries for as long again.
    /// - Any other: what answers there is no daemon to be talked to.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.after = Some(event.seq);
                return Ok(Some(event));
            }
            if let Some(error) = self.last_words.take() {
                self.broken_off(error)?;
            }
            match &mut self.state {
                State::Ended => return Ok(None),
                State::Apart => {
                    self.away.pause().await;
                    let begun = Instant::now();
                    if let Err(error) = self.connect().await {
                        self.failed(error, begun)?;
                    }
                }
                State::Connected(connected) => {
                    let piece = tokio::time::timeout(SILENCE, connected.body.frame()).await;
                    let data = match piece {
                        Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                        Ok(Some(Err(_)) | None) | Err(_) => {
                            self.broken_off(Error::Broken {
                                reason: "the stream broke off".to_owned(),
                            })?;
                            continue;
                        }
                    };
                    self.take(&data)?;
                }
            }
        }
    }

    /// The output that the stream does not tell because it was trimmed before it was read; known
    /// with the first event.
    pub const fn trimmed(&self) -> Option<TrimmedOutput> {
        self.trimmed
    }

    /// What the stream of all sessions passed over because it is damaged, since this was asked last.
    /// It lies before or between the events given since, or before the next one; after the
    /// connection broke it may be told again.
    pub fn take_damaged(&mut self) -> Vec<DamagedEvents> {
        std::mem::take(&mut self.damaged)
    }

    async fn connect(&mut self) -> Result<(), Error> {
        let mut ask = Ask::get(&self.path).header(header::ACCEPT, "text/event-stream");
        if let Some(after) = self.after {
            ask = ask.header(
                header::HeaderName::from_static("last-event-id"),
                after.to_string(),
            );
        }
        let opened = self.client.open(ask).await?;
        let headers = opened.response.headers();
        self.away.is_of_same_log(headers, self.client.socket())?;
        let (body, connection) = opened.into_stream();
        self.state = State::Connected(Box::new(Connected {
            body,
            parser: Parser::default(),
            has_said: false,
            since: Instant::now(),
            _connection: connection,
        }));
        Ok(())
    }

    /// The stream ended before its end. One that said nothing, and that soon, is as good as none.
    fn broken_off(&mut self, error: Error) -> Result<(), Error> {
        let state = std::mem::replace(&mut self.state, State::Apart);
        if let State::Connected(connected) = state {
            // One that is silent for too long is as good as none, too.
            let is_long = (OPEN_FOR_LONG..SILENCE).contains(&connected.since.elapsed());
            if connected.has_said || is_long {
                self.away.is_over();
            }
        }
        self.failed(error, Instant::now())
    }

    fn failed(&mut self, error: Error, begun: Instant) -> Result<(), Error> {
        let cursor = match self.after {
            Some(seq) => Cursor::AfterSeq { seq },
            None => Cursor::Start,
        };
        self.away.failed(error, begun, self.client.socket(), cursor)
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), Error> {
        let State::Connected(connected) = &mut self.state else {
            return Ok(());
        };
        let Ok(said) = connected.parser.feed(piece) else {
            return Err(garbled(&self.path, "an event without end"));
        };
        for said in said {
            match said {
                Said::Event { data } => {
                    connected.has_said = true;
                    let event: Event = serde_json::from_str(&data)
                        .map_err(|error| garbled(&self.path, &error.to_string()))?;
                    let told = self.ready.back().map(|event| event.seq).or(self.after);
                    if told.is_none_or(|told| event.seq > told) {
                        self.ready.push_back(event);
                    }
                }
                Said::Note { name, data } if name == crate::STREAM_MISSING => {
                    self.trimmed = serde_json::from_str(&data).ok();
                }
                Said::Note { name, data } if name == crate::STREAM_DAMAGED => {
                    self.damaged.extend(serde_json::from_str(&data).ok());
                }
                // One of a newer daemon.
                Said::Note { .. } => {}
                Said::Place { id } => {
                    if self.after.is_none() && self.ready.is_empty() {
                        self.after = id.parse().ok();
                    }
                }
                Said::Comment { text } if text == crate::STREAM_END => {
                    self.state = State::Ended;
                    return Ok(());
                }
                Said::Comment { text } => match text.strip_prefix(crate::STREAM_ERROR) {
                    Some(envelope) => {
                        let status = hyper::StatusCode::OK;
                        let what = format!("GET {}", self.path);
                        let error = exchange::answer(status, envelope.as_bytes(), &what);
                        self.last_words = Some(error);
                    }
                    None => connected.has_said = true,
                },
            }
        }
        Ok(())
    }
}

fn garbled(path: &str, reason: &str) -> Error {
    Error::Garbled {
        what: format!("GET {path}"),
        reason: reason.to_owned(),
    }
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connected").finish_non_exhaustive()
    }
}
