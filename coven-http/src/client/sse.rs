//! Reading Server-Sent Events as they come, in whatever pieces.

/// Bytes of one event's text: far over any that a daemon sends.
const MAX_EVENT_BYTES: usize = 8 << 20;

/// What a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// An event.
    Event {
        /// Its `data`.
        data: String,
    },
    /// Something about the stream itself: it has a name and no place.
    Note {
        /// Its name.
        name: String,
        /// Its `data`.
        data: String,
    },
    /// A place, with no event: where the stream begins.
    Place {
        /// The `id`.
        id: String,
    },
    /// A comment.
    Comment {
        /// Its text.
        text: String,
    },
}

/// Splits a stream of bytes into what it says.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    data: String,
    id: Option<String>,
    name: String,
    has_data: bool,
}

/// A stream that is not one of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Parser {
    /// Takes the next piece; says what became whole with it.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<Vec<Said>, TooLong> {
        let mut said = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.len() + self.data.len() > MAX_EVENT_BYTES {
                return Err(TooLong);
            }
            if self.line.last() == Some(&b'\n') {
                let line = std::mem::take(&mut self.line);
                said.extend(self.take_line(&String::from_utf8_lossy(&line)));
            }
        }
        Ok(said)
    }

    fn take_line(&mut self, line: &str) -> Option<Said> {
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return self.finish();
        }
        if let Some(text) = line.strip_prefix(':') {
            let text = text.trim_start().to_owned();
            return Some(Said::Comment { text });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            "id" => self.id = Some(value.to_owned()),
            "event" => self.name = value.to_owned(),
            // `retry` is ours to choose.
            _ => {}
        }
        None
    }

    fn finish(&mut self) -> Option<Said> {
        let data = std::mem::take(&mut self.data);
        let (id, name) = (self.id.take(), std::mem::take(&mut self.name));
        match (std::mem::take(&mut self.has_data), id) {
            // The name of an event that has a place repeats what the data says.
            (true, Some(_)) => Some(Said::Event { data }),
            (true, None) => Some(Said::Note { name, data }),
            (false, id) => id.map(|id| Said::Place { id }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "id: 4\n\n: heartbeat\n\nevent: missing\ndata: {}\n\nid: 5\nevent: output\ndata: {\"a\":\"é\"}\n\nid: 6\r\ndata: one\r\ndata: two\r\n\r\n: end\n\n";

    fn expected() -> Vec<Said> {
        vec![
            Said::Place { id: "4".to_owned() },
            Said::Comment {
                text: "heartbeat".to_owned(),
            },
            Said::Note {
                name: "missing".to_owned(),
                data: "{}".to_owned(),
            },
            Said::Event {
                data: "{\"a\":\"é\"}".to_owned(),
            },
            Said::Event {
                data: "one\ntwo".to_owned(),
            },
            Said::Comment {
                text: "end".to_owned(),
            },
        ]
    }

    #[test]
    fn a_stream_says_the_same_however_it_is_cut() {
        for size in 1..=STREAM.len() {
            let mut parser = Parser::default();
            let said: Vec<Said> = STREAM
                .as_bytes()
                .chunks(size)
                .flat_map(|piece| parser.feed(piece).unwrap())
                .collect();
            assert_eq!(said, expected(), "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; 1 << 20];
        let given_up = (0..64).any(|_| parser.feed(&piece) == Err(TooLong));
        assert!(given_up);
    }
}
