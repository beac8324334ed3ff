//! `ExactOutput`: a session's output as its process wrote it, byte for byte.

use std::num::NonZeroU64;
use std::ops::Range;

use coven::Code;
use coven_http::client::{Client, Error, Follow};
use coven_http::wire::{Channel, Event, Output, Payload};

use crate::absence::{Absence, QUIET};
use crate::failure::Failure;
use crate::home::Home;

/// The most that is asked for at once: it bounds what is held, at many times what one request costs.
const MOST_BYTES: u64 = 1 << 20;

/// What a session wrote and writes, from a byte of it to its last.
///
/// The text of an output event is exact unless it shows a U+FFFD, which may stand for what is not
/// UTF-8: then the bytes themselves are asked for, and with them those of the events that have
/// come already and go on right there.
///
/// What is trimmed before it was read is told where it was.
#[derive(Debug)]
pub(crate) struct ExactOutput {
    id: String,
    events: Follow,
    absence: Absence,
    /// What was looked at, and not taken.
    ahead: Option<Result<Option<Told>, Error>>,
    /// Where what was given ends: the next byte, unless it is trimmed.
    given: u64,
    /// What is to be asked for.
    wanted: Option<Wanted>,
    /// What is there to be given.
    ready: Option<Ready>,
}

/// Some of it.
#[derive(Debug)]
pub(crate) enum Piece {
    /// What was written.
    Written {
        /// Where to.
        channel: Channel,
        /// Exactly.
        bytes: Vec<u8>,
    },
    /// Where something was written that was trimmed before it was read.
    Trimmed {
        /// The bytes of the session's output that are missing, counted from 0.
        missing: Range<u64>,
    },
}

/// What an event tells of the output.
#[derive(Debug)]
enum Told {
    /// A part of it.
    Output(Output),
    /// What is left begins here, or later.
    Trimmed { end: u64 },
}

/// Output whose bytes are not known yet.
#[derive(Debug)]
struct Wanted {
    channel: Channel,
    range: Range<u64>,
}

/// Output whose bytes are known.
#[derive(Debug)]
struct Ready {
    channel: Channel,
    offset: u64,
    bytes: Vec<u8>,
}

impl ExactOutput {
    /// That of one session, from byte `first` on.
    pub(crate) fn of(home: &Home, client: &Client, id: &str, first: u64) -> Self {
        Self {
            id: id.to_owned(),
            events: client.follow(id, None).patience(QUIET),
            absence: Absence::of(home, client),
            ahead: None,
            given: first,
            wanted: None,
            ready: None,
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
        loop {
            if let Some(ready) = self.ready.take() {
                return Ok(Some(self.give(ready)));
            }
            if let Some(wanted) = self.wanted.take() {
                self.ask(wanted).await?;
                continue;
            }
            match self.told().await? {
                None => return Ok(None),
                Some(Told::Trimmed { end }) => {
                    if let Some(missing) = self.missing_before(end) {
                        return Ok(Some(Piece::Trimmed { missing }));
                    }
                }
                Some(Told::Output(part)) if is_exact(&part) => {
                    self.ready = Some(Ready {
                        channel: part.channel,
                        offset: part.offset,
                        bytes: part.data.into_bytes(),
                    });
                }
                Some(Told::Output(part)) => self.wanted = Some(self.run_from(&part).await),
            }
        }
    }

    /// What is there to be given, or first what is missing before it.
    fn give(&mut self, ready: Ready) -> Piece {
        if let Some(missing) = self.missing_before(ready.offset) {
            self.ready = Some(ready);
            return Piece::Trimmed { missing };
        }
        let Ready {
            channel,
            offset,
            bytes,
        } = ready;
        self.given = offset + bytes.len() as u64;
        Piece::Written { channel, bytes }
    }

    /// What is missing before `offset`, to be told now.
    fn missing_before(&mut self, offset: u64) -> Option<Range<u64>> {
        let missing = self.given..offset;
        (!missing.is_empty()).then(|| {
            self.given = offset;
            missing
        })
    }

    /// What the next event tells that is about output.
    async fn told(&mut self) -> Result<Option<Told>, Failure> {
        let told = loop {
            match self.ahead.take() {
                Some(Ok(told)) => break told,
                Some(Err(error)) => self.absence.bear(error).await?,
                None => self.ahead = told_by(self.events.next().await),
            }
        };
        self.absence.is_over();
        Ok(told)
    }

    /// The range of a part that is not exact, and of those that have come already and go on there.
    async fn run_from(&mut self, part: &Output) -> Wanted {
        let (channel, start) = (part.channel, part.offset);
        let mut end = start + part.bytes;
        while end - start < MOST_BYTES
            && let Some(more) = self.go_on(channel, end).await
        {
            end += more.bytes;
        }
        let range = start..end;
        Wanted { channel, range }
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
            self.ahead = told_by(event);
        }
        let fits = |part: &Output| part.channel == channel && part.offset == end && !is_exact(part);
        match self.ahead.take() {
            Some(Ok(Some(Told::Output(part)))) if fits(&part) => Some(part),
            other => {
                self.ahead = other;
                None
            }
        }
    }

    /// Asks for output, and keeps what there is of it. What is not is missing before what comes next.
    async fn ask(&mut self, wanted: Wanted) -> Result<(), Failure> {
        let Wanted { channel, range } = wanted;
        let (bytes, trimmed) = self.recorded(&range).await?;
        let offset = range.start;
        let end = offset + bytes.len() as u64;
        let left = match trimmed {
            None => range.end..range.end,
            Some(_) if !bytes.is_empty() => end..range.end,
            Some(refusal) => self.left_of(&range, refusal).await?,
        };
        self.ready = (!bytes.is_empty()).then_some(Ready {
            channel,
            offset,
            bytes,
        });
        self.wanted = (!left.is_empty()).then_some(Wanted {
            channel,
            range: left,
        });
        Ok(())
    }

    /// The bytes of a range, and the refusal of the rest where that was trimmed meanwhile.
    async fn recorded(&mut self, range: &Range<u64>) -> Result<(Vec<u8>, Option<Error>), Failure> {
        let Some(len_bytes) = NonZeroU64::new(range.end - range.start) else {
            return Ok((Vec::new(), None));
        };
        let Self { id, absence, .. } = self;
        let read = async |client: &Client| {
            let mut bytes = Vec::new();
            match read(client, id, range.start, len_bytes, &mut bytes).await {
                Ok(()) => Ok((bytes, None)),
                Err(error) if error.code() == Some(Code::OutputTrimmed) => Ok((bytes, Some(error))),
                Err(error) => Err(error),
            }
        };
        absence.ask(read).await
    }

    /// What is left of a range whose first byte, at least, was trimmed.
    async fn left_of(&mut self, range: &Range<u64>, refusal: Error) -> Result<Range<u64>, Failure> {
        let Self { id, absence, .. } = self;
        let record = absence.ask(async |client| client.session(id).await).await?;
        if record.trimmed_bytes <= range.start {
            return Err(refusal.into());
        }
        Ok(record.trimmed_bytes..range.end)
    }
}

/// Reads a part of the recorded output into `bytes`, which has what came before it failed, if it does.
async fn read(
    client: &Client,
    id: &str,
    start: u64,
    len_bytes: NonZeroU64,
    bytes: &mut Vec<u8>,
) -> Result<(), Error> {
    let output = client.output_part(id, start, len_bytes).await?;
    let mut output = output.patience(QUIET);
    while let Some(more) = output.next().await? {
        bytes.extend_from_slice(&more);
    }
    Ok(())
}

/// What an event tells of the output, if anything; or that there is no more, or a failure.
fn told_by(event: Result<Option<Event>, Error>) -> Option<Result<Option<Told>, Error>> {
    match event {
        Ok(Some(event)) => match event.payload() {
            Payload::Output(part) => Some(Ok(Some(Told::Output(part)))),
            Payload::Trimmed(trim) => {
                let end = trim.offset + trim.bytes;
                Some(Ok(Some(Told::Trimmed { end })))
            }
            _ => None,
        },
        Ok(None) => Some(Ok(None)),
        Err(error) => Some(Err(error)),
    }
}

fn is_exact(part: &Output) -> bool {
    !part.data.contains(char::REPLACEMENT_CHARACTER)
}
