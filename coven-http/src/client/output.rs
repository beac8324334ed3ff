//! A session's output as exact bytes.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header;
use tokio::time::Instant;

use super::away::{Away, PATIENCE};
use super::error::Cursor;
use super::exchange::{Ask, Connection, Open};
use super::{Answer, Client, Error};
use crate::OUTPUT_COMPLETE;

/// A session's output, read piece by piece. When the connection breaks, or the daemon stops, dies
/// or restarts, it is asked for from the last byte it gave. Dropping it ends the reading.
pub struct Output {
    complete: bool,
    rest: Option<Rest>,
    again: Option<Again>,
}

struct Rest {
    body: Incoming,
    _connection: Connection,
}

/// What is asked for where the connection breaks.
struct Again {
    client: Client,
    path: String,
    /// The next byte.
    offset: u64,
    /// After the last.
    end: u64,
    away: Away,
}

impl Output {
    /// An answer that cannot be gone on with.
    pub(super) fn new(opened: Open) -> Self {
        let complete = opened
            .response
            .headers()
            .get(OUTPUT_COMPLETE)
            .is_some_and(|value| value == "true");
        Self {
            complete,
            rest: Some(Rest::of(opened)),
            again: None,
        }
    }

    /// An answer that begins at byte `offset` of what `path` has.
    pub(super) fn of_range(opened: Open, client: &Client, path: String, offset: u64) -> Self {
        let len = opened.response.headers().get(header::CONTENT_LENGTH);
        let len_bytes = len.and_then(|len| len.to_str().ok()?.parse::<u64>().ok());
        let mut away = Away::new(PATIENCE);
        // The first that it is told of is the one that it stays with.
        let _ = away.is_of_same_log(opened.response.headers(), client.socket());
        let again = len_bytes.map(|len_bytes| Again {
            client: client.clone(),
            path,
            offset,
            end: offset.saturating_add(len_bytes),
            away,
        });
        Self {
            again,
            ..Self::new(opened)
        }
    }

    /// How long it goes on trying while no daemon answers (30 s unless this says otherwise). With
    /// [`Duration::ZERO`] the first failure is returned.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        if let Some(again) = &mut self.again {
            again.away.set_patience(patience);
        }
        self
    }

    /// What there is from the end of what is recorded: nothing yet, or nothing ever.
    pub(super) fn nothing(answer: &Answer) -> Self {
        let details = answer.details.as_ref();
        let complete = details.and_then(|details| details.get("complete"));
        Self {
            complete: complete.is_some_and(|complete| *complete == true),
            rest: None,
            again: None,
        }
    }

    /// Whether this is all the output there will ever be. When it is not, read on later from
    /// where this ends.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The next bytes; `None` at the end of what was recorded when it was asked for. Can be
    /// cancelled and called again.
    ///
    /// # Errors
    /// - [`Error::Answer`]: the daemon that answers now refuses: the session was deleted, or what is
    ///   next was trimmed, or is damaged.
    /// - [`Error::Away`]: none answered for as long as [`Output::patience`] says. Calling again tries
    ///   for as long again.
    /// - [`Error::Broken`]: of an export, which cannot be gone on with.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let Some(rest) = &mut self.rest else {
                match &mut self.again {
                    Some(again) if again.offset < again.end => self.rest = again.open().await?,
                    Some(_) | None => return Ok(None),
                }
                continue;
            };
            let frame = rest.body.frame().await;
            match (frame, &mut self.again) {
                (Some(Ok(frame)), again) => {
                    let data = frame.into_data().unwrap_or_default();
                    if data.is_empty() {
                        continue;
                    }
                    if let Some(again) = again {
                        again.offset += data.len() as u64;
                        again.away.is_over();
                    }
                    return Ok(Some(data));
                }
                (Some(Err(error)), again) => {
                    let error = Error::Broken {
                        reason: error.to_string(),
                    };
                    let Some(again) = again else {
                        return Err(error);
                    };
                    self.rest = None;
                    again.failed(error, Instant::now())?;
                }
                (None, _) => self.rest = None,
            }
        }
    }
}

impl Rest {
    fn of(opened: Open) -> Self {
        let (body, connection) = opened.into_stream();
        Self {
            body,
            _connection: connection,
        }
    }
}

impl Again {
    /// What is left, from whoever answers; `None` where to ask again.
    async fn open(&mut self) -> Result<Option<Rest>, Error> {
        self.away.pause().await;
        let begun = Instant::now();
        let range = format!("bytes={}-{}", self.offset, self.end - 1);
        let ask = Ask::get(&self.path).header(header::RANGE, range);
        let opened = self.client.open(ask).await;
        let opened = opened.and_then(|opened| {
            let headers = opened.response.headers();
            self.away.is_of_same_log(headers, self.client.socket())?;
            Ok(opened)
        });
        match opened {
            Ok(opened) => Ok(Some(Rest::of(opened))),
            Err(error) => self.failed(error, begun).map(|()| None),
        }
    }

    fn failed(&mut self, error: Error, begun: Instant) -> Result<(), Error> {
        let cursor = Cursor::AtOffset {
            offset: self.offset,
        };
        self.away.failed(error, begun, self.client.socket(), cursor)
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output")
            .field("complete", &self.complete)
            .finish_non_exhaustive()
    }
}
