//! Finding a conversation's id in what a harness writes.

use coven_core::ConversationId;
use serde::{Deserialize, Serialize};
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
    so_far: Scanned,
}

/// How far a scan has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scanned {
    /// The beginning of the line that has not ended.
    line: Vec<u8>,
    at: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    // Of the header.
    Before,
    Inside,
    After,
}

impl Scanned {
    /// That of one that has looked at all it needs to.
    pub const OVER: Self = Self {
        line: Vec::new(),
        at: Place::After,
    };
}

impl IdentityScan {
    /// A scan that has seen nothing.
    pub const fn new(mark: OutputMark) -> Self {
        let so_far = Scanned {
            line: Vec::new(),
            at: Place::Before,
        };
        Self { mark, so_far }
    }

    /// One that goes on where another of this mark was.
    pub fn resume(mark: OutputMark, mut so_far: Scanned) -> Self {
        so_far.line.truncate(MAX_LINE_BYTES);
        Self { mark, so_far }
    }

    /// How far it has come.
    pub const fn so_far(&self) -> &Scanned {
        &self.so_far
    }

    /// Looks at the next bytes. Gives the id once, when it has been seen.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Option<ConversationId> {
        while !self.is_over() && !bytes.is_empty() {
            let line_end = bytes.iter().position(|&b| b == b'\n');
            let (piece, rest) = match line_end {
                Some(at) => (&bytes[..at], &bytes[at + 1..]),
                None => (bytes, &[][..]),
            };
            let room = MAX_LINE_BYTES - self.so_far.line.len();
            self.so_far
                .line
                .extend_from_slice(&piece[..piece.len().min(room)]);
            bytes = rest;
            if line_end.is_some() {
                let line = std::mem::take(&mut self.so_far.line);
                if let Some(id) = self.line_ended(&line) {
                    return Some(id);
                }
            }
        }
        None
    }

    /// Whether it has looked at all it needs to: feeding it more is of no use.
    pub fn is_over(&self) -> bool {
        self.so_far.at == Place::After
    }

    fn line_ended(&mut self, line: &[u8]) -> Option<ConversationId> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match self.so_far.at {
            Place::Before if line.starts_with(self.mark.banner.as_bytes()) => {
                self.so_far.at = Place::Inside;
            }
            Place::Inside if line == self.mark.end.as_bytes() => self.so_far.at = Place::After,
            Place::Inside => {
                let id = line.strip_prefix(self.mark.label.as_bytes()).and_then(uuid);
                if id.is_some() {
                    self.so_far.at = Place::After;
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

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "019a9f5e-1d6b-7c3e-8c1d-2f4b6a7c8d9e";
    const OTHER: &str = "0b5e6c1e-7f43-4a53-9f0a-1f5d1c2b3a49";
    const MARK: OutputMark = OutputMark {
        banner: "Agent v",
        label: "session id: ",
        end: "user",
    };

    fn found(output: &str, piece_bytes: usize) -> Option<String> {
        let mut scan = IdentityScan::new(MARK);
        let ids: Vec<_> = output
            .as_bytes()
            .chunks(piece_bytes)
            .filter_map(|piece| scan.feed(piece))
            .collect();
        assert!(ids.len() <= 1, "an id is given once");
        ids.first().map(|id| id.as_str().to_owned())
    }

    #[test]
    fn the_id_in_the_header_is_found_however_the_output_is_cut() {
        let output = format!(
            "Reading…\r\nsession id: {OTHER}\r\nAgent v1\r\n----\r\ndir: /p\r\nsession id: {ID}\r\n\
             ----\r\nuser\r\nsession id: {OTHER}\r\n"
        );
        for piece_bytes in 1..output.len() {
            assert_eq!(found(&output, piece_bytes).as_deref(), Some(ID));
        }
    }

    #[test]
    fn what_the_prompt_says_is_not_taken_for_it() {
        let output = format!("Agent v1\nuser\nAgent v1\nsession id: {ID}\n");
        for piece_bytes in [1, 7, output.len()] {
            assert_eq!(found(&output, piece_bytes), None);
        }
    }

    #[test]
    fn what_is_not_wholly_an_id_is_none() {
        for line in [
            format!("session id: {}", &ID[1..]),
            format!("session id: {ID}0"),
            format!("session id: {}", ID.replace('-', "")),
            format!("  session id: {ID}"),
            format!("session id: \u{1b}[1m{ID}"),
        ] {
            assert_eq!(found(&format!("Agent v1\n{line}\n"), 5), None, "{line}");
        }
    }

    #[test]
    fn endless_lines_and_bytes_that_are_no_text_are_passed_over() {
        let mut scan = IdentityScan::new(MARK);
        for _ in 0..10_000 {
            assert_eq!(scan.feed(&[0xff; 100]), None);
        }
        assert!(scan.so_far.line.len() <= MAX_LINE_BYTES);
        assert_eq!(scan.feed(b"\nAgent v1\n\xff\n"), None);
        let id = scan.feed(format!("session id: {ID}\n").as_bytes());
        assert_eq!(id.unwrap().as_str(), ID);
        assert!(scan.is_over());
    }
}
