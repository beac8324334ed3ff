//! A conversation that is written down as bytes, and what in it differs each time.

/// The committed one of version 1, from a launch to the end.
const VERSION_1: &str = include_str!("conversation-v1.txt");

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Engine,
    Shim,
}

/// A frame of the transcript.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) by: Side,
    pub(crate) name: &'static str,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Bytes(Vec<u8>),
    Number(u64),
    Text(&'static str),
    Length,
    Crc,
}

pub(crate) fn version_1() -> Vec<Line> {
    let lines = VERSION_1.lines().filter(|line| !line.starts_with('#'));
    lines.map(Line::parse).collect()
}

impl Line {
    fn parse(line: &'static str) -> Self {
        let (side, rest) = line.split_at(2);
        let (name, pieces) = rest.split_once(": ").unwrap();
        Self {
            by: match side {
                "> " => Side::Engine,
                "< " => Side::Shim,
                _ => panic!("{line}"),
            },
            name,
            pieces: pieces.split(' ').map(Piece::parse).collect(),
        }
    }

    /// Its bytes, with their values in the places that are masked.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => out.extend_from_slice(bytes),
                Piece::Number(number) => put_number(*number, &mut out),
                Piece::Text(text) => {
                    put_number(text.len() as u64, &mut out);
                    out.extend_from_slice(text.as_bytes());
                }
                Piece::Length => out.extend_from_slice(&[0; 4]),
                Piece::Crc => {
                    let len_bytes = u32::try_from(out.len() - 6).unwrap();
                    out[..4].copy_from_slice(&len_bytes.to_le_bytes());
                    let crc = crc32fast::hash(&out[4..]);
                    out.extend_from_slice(&crc.to_le_bytes());
                }
            }
        }
        out
    }

    /// Whether these are its bytes, whatever is in the places that are masked.
    pub(crate) fn is(&self, frame: &[u8]) -> bool {
        let mut left = frame;
        let all = self.pieces.iter().all(|piece| {
            let fits = piece.len_bytes(left, frame);
            fits.inspect(|len_bytes| left = &left[*len_bytes..])
                .is_some()
        });
        all && left.is_empty()
    }
}

impl Piece {
    fn parse(text: &'static str) -> Self {
        let Some(masked) = text.strip_prefix('{').and_then(|it| it.strip_suffix('}')) else {
            let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
            return Self::Bytes((0..text.len()).step_by(2).map(byte).collect());
        };
        match masked.split_once(':') {
            Some(("number", value)) => Self::Number(value.parse().unwrap()),
            Some(("text", value)) => Self::Text(value),
            None if masked == "length" => Self::Length,
            None if masked == "crc" => Self::Crc,
            _ => panic!("{text}"),
        }
    }

    /// How many bytes of `left`, the rest of `frame`, are this piece; `None` if they are not.
    fn len_bytes(&self, left: &[u8], frame: &[u8]) -> Option<usize> {
        match self {
            Self::Bytes(bytes) => left.starts_with(bytes).then_some(bytes.len()),
            Self::Number(_) => Some(take_number(left)?.1),
            Self::Text(_) => {
                let (length, len_bytes) = take_number(left)?;
                let end = len_bytes.checked_add(usize::try_from(length).ok()?)?;
                std::str::from_utf8(left.get(len_bytes..end)?).ok()?;
                Some(end)
            }
            Self::Length => {
                let length = u32::from_le_bytes(*left.first_chunk()?);
                (usize::try_from(length).ok()? + 10 == frame.len()).then_some(4)
            }
            Self::Crc => {
                let checked = frame.get(4..frame.len() - left.len())?;
                let crc = crc32fast::hash(checked).to_le_bytes();
                left.starts_with(&crc).then_some(4)
            }
        }
    }
}

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// A varint at the start of this, and how many bytes it has.
fn take_number(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((number, at + 1));
        }
    }
    None
}
