//! Finding a conversation's id in what a harness writes.

use coven_core::ConversationId;
use uuid::Uuid;

/// Lines longer than this are none of those looked for.
const MAX_LINE_BYTES: usize = 512;

/// Where in its output a harness tells the conversation's id: on a line that starts with `label`,
/// after a line that starts with `banner` and before one that is `end`, so that nothing which a
/// prompt or a model says is taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputMark {
    /// How the first line of the harness's own header starts.
    pub banner: &'static str,
    /// What is before the id, from the start of the line. The id is the line's rest.
    pub label: &'static str,
    /// The line by which the header is over.
    pub end: &'static str,
}

/// Looks for a conversation's id in output, however it is cut into pieces.
#[derive(Debug)]
pub struct IdentityScan {
    mark: OutputMark,
    line: Vec<u8>,
    at: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    // Of the header.
    Before,
    Inside,
    After,
}

impl IdentityScan {
    /// A scan that has seen nothing.
    pub const fn new(mark: OutputMark) -> Self {
        Self {
            mark,
            line: Vec::new(),
            at: Place::Before,
        }
    }

    /// Looks at the next bytes. Gives the id once, when it has been seen.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Option<ConversationId> {
        while !self.is_over() && !bytes.is_empty() {
            let line_end = bytes.iter().position(|&b| b == b'\n');
            let (piece, rest) = match line_end {
                Some(at) => (&bytes[..at], &bytes[at + 1..]),
                None => (bytes, &[][..]),
            };
            let room = MAX_LINE_BYTES - self.line.len();
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            bytes = rest;
            if line_end.is_some() {
                let line = std::mem::take(&mut self.line);
                if let Some(id) = self.line_ended(&line) {
                    return Some(id);
                }
            }
        }
        None
    }

    /// Whether it has looked at all it needs to: feeding it more is of no use.
    pub fn is_over(&self) -> bool {
        self.at == Place::After
    }

    fn line_ended(&mut self, line: &[u8]) -> Option<ConversationId> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match self.at {
            Place::Before if line.starts_with(self.mark.banner.as_bytes()) => {
                self.at = Place::Inside;
            }
            Place::Inside if line == self.mark.end.as_bytes() => self.at = Place::After,
            Place::Inside => {
                let id = line.strip_prefix(self.mark.label.as_bytes()).and_then(uuid);
                if id.is_some() {
                    self.at = Place::After;
                }
                return id;
            }
            Place::Before | Place::After => {}
        }
        None
    }
}

fn uuid(text: &[u8]) -> Option<ConversationId> {
    let text = std::str::from_utf8(text).ok()?;
    let id = ConversationId::parse("identity", text).ok()?;
    (text.len() == 36 && Uuid::try_parse(text).is_ok()).then_some(id)
}
