//! Following events live, over whatever happens to the connection.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header;
use tokio::time::Instant;

use super::exchange::{Ask, Connection};
use super::sse::{Parser, Said};
use super::{Client, Error, exchange};
use crate::wire::{DamagedEvents, Event, TrimmedOutput};

/// The first wait before connecting again; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// The longest wait before connecting again.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// A stream that says nothing for this long, no heartbeat either, is taken for dead.
const SILENCE: Duration = Duration::from_secs(60);

/// Events as they come: caught up from a place, then live, without gap or repeat. When the
/// connection breaks or the daemon restarts, it connects again from the last event it gave.
///
/// Dropping it ends it. [`Follow::next`] can be cancelled and called again.
#[derive(Debug)]
pub struct Follow {
    client: Client,
    path: String,
    after: Option<u64>,
    patience: Duration,
    ready: VecDeque<Event>,
    state: State,
    /// Why the daemon broke the stream off, to be told after what it gave.
    last_words: Option<Error>,
    /// Since when nothing was said, though it tries to connect.
    since: Option<Instant>,
    /// How long it waits before it connects again.
    wait: Duration,
    connected_before: bool,
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
    _connection: Connection,
}

impl Follow {
    pub(super) fn new(client: Client, path: String, after: Option<u64>) -> Self {
        Self {
            client,
            path,
            after,
            patience: Duration::from_secs(30),
            ready: VecDeque::new(),
            state: State::Apart,
            last_words: None,
            since: None,
            wait: Duration::ZERO,
            connected_before: false,
            trimmed: None,
            damaged: Vec::new(),
        }
    }

    /// How long it goes on trying while no daemon answers (30 s unless this says otherwise). With
    /// [`Duration::ZERO`] the first failure is returned.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
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
    /// - [`Error::Answer`]: the daemon refuses, such as for a session that it does not know, or
    ///   its log is damaged there. With the reason `shutting_down` it stops: calling again waits
    ///   for the next one.
    /// - Any other: no daemon told anything for as long as [`Follow::patience`] says. Calling
    ///   again tries for as long again.
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
                    self.since.get_or_insert_with(Instant::now);
                    tokio::time::sleep(self.wait).await;
                    if let Err(error) = self.connect().await {
                        self.stay_apart(error)?;
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
        let (body, connection) = self.client.open(ask).await?.into_stream();
        self.connected_before = true;
        self.state = State::Connected(Box::new(Connected {
            body,
            parser: Parser::default(),
            has_said: false,
            _connection: connection,
        }));
        Ok(())
    }

    /// The stream ended before its end. One that said nothing is as good as none.
    fn broken_off(&mut self, error: Error) -> Result<(), Error> {
        let state = std::mem::replace(&mut self.state, State::Apart);
        if matches!(state, State::Connected(connected) if connected.has_said) {
            self.start_anew(FIRST_WAIT);
        }
        if error.is_stopping() {
            self.start_anew(FIRST_WAIT);
            return Err(error);
        }
        if self.since.is_none() && error.is_passing() {
            return Ok(());
        }
        self.stay_apart(error)
    }

    fn start_anew(&mut self, wait: Duration) {
        (self.since, self.wait) = (None, wait);
    }

    fn stay_apart(&mut self, error: Error) -> Result<(), Error> {
        let gone = error.code() == Some(coven::Code::SessionNotFound);
        if gone && self.connected_before {
            // It was deleted while the connection was away.
            self.state = State::Ended;
            return Ok(());
        }
        let is_late = |since: Instant| since.elapsed() >= self.patience;
        if !error.is_passing() || self.since.is_some_and(is_late) {
            self.start_anew(Duration::ZERO);
            return Err(error);
        }
        self.wait = (self.wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT);
        Ok(())
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
