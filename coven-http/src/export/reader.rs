//! Reading an export back: every line is checked before anything is made of it.

use std::fmt;
use std::io::{self, BufRead, Read};

use coven::store::NewEvent;
use coven::{Code, Event, Record, SessionId};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::line::{End, Header, Line};
use super::writer::hash_of;
use super::{FORMAT, MAX_LINE_BYTES, VERSION};

/// Reads an export from its second line on.
#[derive(Debug)]
pub struct Reader<R> {
    lines: Lines<R>,
    heading: Heading,
    events: u64,
    hash: Sha256,
    is_over: bool,
}

/// What the first line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// The session's id.
    pub session: SessionId,
    /// How many events follow.
    pub events: u64,
    /// Bytes of its output.
    pub output_bytes: u64,
    /// Bytes of it, from the beginning, that are not in the events any more.
    pub trimmed_bytes: u64,
    /// The status it had.
    pub status: String,
}

/// Why an export is not taken.
#[derive(Debug)]
pub struct Malformed {
    line: u64,
    code: Code,
    problem: String,
}

impl Malformed {
    fn new(line: u64, problem: impl Into<String>) -> Self {
        Self {
            line,
            code: Code::InvalidRequest,
            problem: problem.into(),
        }
    }

    /// The line that is wrong; the first is 1.
    pub const fn line(&self) -> u64 {
        self.line
    }

    /// The stable code.
    pub const fn code(&self) -> Code {
        self.code
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl std::error::Error for Malformed {}

impl<R: BufRead> Reader<R> {
    /// Reads the first line. Blocks for the input; so does all of this.
    ///
    /// # Errors
    /// [`Malformed`]: it is no export, one of a newer version, or one that was redacted.
    pub fn begin(input: R) -> Result<Self, Malformed> {
        let mut lines = Lines { input, number: 0 };
        let (header, _) = match lines.next()? {
            (Line::Header(header), bytes) => (header, bytes),
            (Line::Event(_) | Line::End(_), _) => {
                return Err(Malformed::new(1, "an export begins with a header"));
            }
        };
        let heading = heading(header)?;
        Ok(Self {
            hash: hash_of(heading.session.as_str()),
            lines,
            heading,
            events: 0,
            is_over: false,
        })
    }

    /// What the first line says.
    pub const fn heading(&self) -> &Heading {
        &self.heading
    }

    /// The line that was read last.
    pub const fn line(&self) -> u64 {
        self.lines.number
    }

    /// The next event; `None` once all were read and the last line has said so. Whether an event
    /// can follow those before it is for who folds them to say.
    ///
    /// # Errors
    /// [`Malformed`]: nothing may be made of any of it.
    pub fn next_event(&mut self) -> Result<Option<NewEvent>, Malformed> {
        if self.is_over {
            return Ok(None);
        }
        let (line, bytes) = self.lines.next()?;
        let number = self.lines.number;
        match line {
            Line::Header(_) => Err(Malformed::new(number, "there is a second header")),
            Line::Event(event) => {
                if event.index != self.events {
                    let problem = format!(
                        "the event's index is {}, and {} is next",
                        event.index, self.events
                    );
                    return Err(Malformed::new(number, problem));
                }
                self.events += 1;
                self.hash.update(&bytes);
                let what = event.what.into_event();
                let what = what.map_err(|refusal| Malformed::new(number, refusal.to_string()))?;
                self.check_output(&what)?;
                Ok(Some(NewEvent {
                    at: event.at.timestamp(),
                    actor: event.actor.map(Into::into),
                    event: what,
                }))
            }
            Line::End(end) => {
                self.check_end(&end)?;
                self.lines.nothing_more()?;
                self.is_over = true;
                Ok(None)
            }
        }
    }

    /// Whether the session that the events came to is the one that the first line tells of.
    ///
    /// # Errors
    /// [`Malformed`]: it is another.
    pub fn check(&self, record: &Record) -> Result<(), Malformed> {
        let Heading { status, .. } = &self.heading;
        let found = record.session.status();
        for (what, told, there) in [
            (
                "bytes of output",
                self.heading.output_bytes,
                record.session.output_bytes,
            ),
            (
                "trimmed bytes",
                self.heading.trimmed_bytes,
                record.session.trimmed_bytes,
            ),
        ] {
            if told != there {
                let problem = format!("it tells of {told} {what}, and the events of {there}");
                return Err(Malformed::new(1, problem));
            }
        }
        if found.as_str() != status {
            let problem = format!(
                "it tells of a session that is {status:?}, and the events come to one that is {found}"
            );
            return Err(Malformed::new(1, problem));
        }
        Ok(())
    }

    /// No export has output that is gone from the log. What is trimmed ends where an event does.
    fn check_output(&self, event: &Event) -> Result<(), Malformed> {
        let trimmed_bytes = self.heading.trimmed_bytes;
        match event {
            Event::Output { offset, .. } if *offset < trimmed_bytes => {
                let problem = format!(
                    "its output at {offset} is, or begins with, some of the first {trimmed_bytes} bytes, \
                     which the header says were trimmed"
                );
                Err(Malformed::new(self.lines.number, problem))
            }
            _ => Ok(()),
        }
    }

    fn check_end(&self, end: &End) -> Result<(), Malformed> {
        let wrong = |problem: String| Err(Malformed::new(self.lines.number, problem));
        let (there, told) = (self.events, self.heading.events);
        if end.events != there {
            return wrong(format!(
                "it counts {} events, and there are {there}",
                end.events
            ));
        }
        if told != there {
            return wrong(format!(
                "the header tells of {told} events, and there are {there}"
            ));
        }
        let found = HEXLOWER.encode(&self.hash.clone().finalize());
        if end.sha256 != found {
            return wrong(format!(
                "the lines are not those that were written: their SHA-256 is {found}"
            ));
        }
        Ok(())
    }
}

fn heading(header: Header) -> Result<Heading, Malformed> {
    let wrong = |problem: String| Err(Malformed::new(1, problem));
    if header.format != FORMAT {
        return wrong(format!("its format is {:?}, not {FORMAT:?}", header.format));
    }
    if header.version != VERSION {
        return wrong(format!(
            "it has version {} of the format, and this version of Coven reads {VERSION}",
            header.version
        ));
    }
    if header.redacted {
        return wrong(
            "it is redacted, which is for sharing; only an exact export can be imported".to_owned(),
        );
    }
    let session = SessionId::parse_new(&header.session)
        .map_err(|problem| Malformed::new(1, format!("session {problem}")))?;
    Ok(Heading {
        session,
        events: header.events,
        output_bytes: header.output_bytes,
        trimmed_bytes: header.trimmed_bytes,
        status: header.status,
    })
}

#[derive(Debug)]
struct Lines<R> {
    input: R,
    /// Of the line that was read last.
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// The next line, and its bytes.
    fn next(&mut self) -> Result<(Line, Vec<u8>), Malformed> {
        self.number += 1;
        let wrong = |problem: String| Malformed::new(self.number, problem);
        let mut bytes = Vec::new();
        let mut limited = (&mut self.input).take(MAX_LINE_BYTES);
        limited
            .read_until(b'\n', &mut bytes)
            .map_err(|error| unreadable(self.number, &error))?;
        if bytes.last() != Some(&b'\n') {
            if bytes.len() as u64 == MAX_LINE_BYTES {
                return Err(Malformed {
                    code: Code::PayloadTooLarge,
                    ..wrong(format!("it is over {MAX_LINE_BYTES} bytes long"))
                });
            }
            let what = if bytes.is_empty() {
                "is missing"
            } else {
                "is cut off"
            };
            return Err(wrong(format!("it {what}: the export is not whole")));
        }
        let line = serde_json::from_slice(&bytes);
        let line = line.map_err(|error| wrong(told(&error)))?;
        Ok((line, bytes))
    }

    fn nothing_more(&mut self) -> Result<(), Malformed> {
        let more = self.input.fill_buf();
        let more = more.map_err(|error| unreadable(self.number + 1, &error))?;
        if more.is_empty() {
            return Ok(());
        }
        let problem = "there is more after the last line";
        Err(Malformed::new(self.number + 1, problem))
    }
}

fn unreadable(line: u64, error: &io::Error) -> Malformed {
    Malformed {
        code: Code::InternalError,
        ..Malformed::new(line, format!("it cannot be read: {error}"))
    }
}

/// What is wrong with a line. It is the only one that the parser saw.
fn told(error: &serde_json::Error) -> String {
    let told = error.to_string();
    told.replace(" at line 1 column ", ", at byte ")
        .replace(" at line 2 column ", ", at the end, byte ")
}
