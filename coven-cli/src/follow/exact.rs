//! `ExactOutput`: a session's output as its process wrote it, byte for byte.

use std::num::NonZeroU64;

use coven_http::client::{Client, Error, Follow};
use coven_http::wire::{Channel, Event, Output, Payload};

use crate::absence::{Absence, QUIET};
use crate::failure::Failure;
use crate::home::Home;

/// The most that is asked for at once: it bounds what is held, at many times what one request costs.
const MOST_BYTES: u64 = 1 << 20;

/// What a session wrote and writes, from its first byte to its last.
///
/// The text of an output event is exact unless it shows a U+FFFD, which may stand for what is not
/// UTF-8: then the bytes themselves are asked for, and with them those of the events that have
/// come already and go on right there.
#[derive(Debug)]
pub(crate) struct ExactOutput {
    id: String,
    events: Follow,
    absence: Absence,
    /// What was looked at, and not taken.
    ahead: Option<Result<Option<Output>, Error>>,
}

/// Some of it.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Where it was written to.
    pub(crate) channel: Channel,
    /// Exactly.
    pub(crate) bytes: Vec<u8>,
}

impl ExactOutput {
    /// That of one session, from its start.
    pub(crate) fn of(home: &Home, client: &Client, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            events: client.follow(id, None).patience(QUIET),
            absence: Absence::of(home, client),
            ahead: None,
        }
    }

    /// How its daemon is borne to be away.
    pub(crate) const fn absence(&mut self) -> &mut Absence {
        &mut self.absence
    }

    /// The next piece; `None` once the session has ended and all is told.
    ///
    /// # Errors
    /// When the daemon cannot give it, or is away for good.
    pub(crate) async fn next(&mut self) -> Result<Option<Piece>, Failure> {
        let part = loop {
            match self.ahead.take() {
                Some(Ok(part)) => break part,
                Some(Err(error)) => self.absence.bear(error).await?,
                None => self.ahead = part_of(self.events.next().await),
            }
        };
        self.absence.is_over();
        let Some(part) = part else {
            return Ok(None);
        };
        let channel = part.channel;
        let bytes = if is_exact(&part) {
            part.data.into_bytes()
        } else {
            let start = part.offset;
            let mut end = start + part.bytes;
            while end - start < MOST_BYTES
                && let Some(more) = self.go_on(channel, end).await
            {
                end += more.bytes;
            }
            self.recorded(start, end).await?
        };
        Ok(Some(Piece { channel, bytes }))
    }

    /// The next event, if it has come already and is to be asked for together with what ends at
    /// `end`.
    async fn go_on(&mut self, channel: Channel, end: u64) -> Option<Output> {
        while self.ahead.is_none() {
            let event = tokio::select! {
                biased;
                event = self.events.next() => event,
                // One turn for whoever reads the connection: then, it has not come yet.
                () = tokio::task::yield_now() => return None,
            };
            self.ahead = part_of(event);
        }
        let fits = |part: &Output| part.channel == channel && part.offset == end && !is_exact(part);
        match self.ahead.take() {
            Some(Ok(Some(part))) if fits(&part) => Some(part),
            other => {
                self.ahead = other;
                None
            }
        }
    }

    async fn recorded(&mut self, start: u64, end: u64) -> Result<Vec<u8>, Failure> {
        let Some(len_bytes) = NonZeroU64::new(end - start) else {
            return Ok(Vec::new());
        };
        let Self { id, absence, .. } = self;
        let read = async |client: &Client| {
            let mut bytes = Vec::new();
            let output = client.output_part(id, start, len_bytes).await?;
            let mut output = output.patience(QUIET);
            while let Some(more) = output.next().await? {
                bytes.extend_from_slice(&more);
            }
            Ok(bytes)
        };
        absence.ask(read).await
    }
}

/// What an event tells of the output, if anything: a part of it, its end, or a failure.
fn part_of(event: Result<Option<Event>, Error>) -> Option<Result<Option<Output>, Error>> {
    match event {
        Ok(Some(event)) => match event.payload() {
            Payload::Output(part) => Some(Ok(Some(part))),
            _ => None,
        },
        Ok(None) => Some(Ok(None)),
        Err(error) => Some(Err(error)),
    }
}

fn is_exact(part: &Output) -> bool {
    !part.data.contains(char::REPLACEMENT_CHARACTER)
}
