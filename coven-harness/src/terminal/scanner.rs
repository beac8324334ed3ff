//! Finding control sequences in a stream of bytes, whatever the chunks it comes in.
//!
//! The state machine of DEC's VT500 parser, less what UTF-8 terminals leave out: bytes over 0x7F
//! are text, never C1 controls (the title `✳` holds a 0x9C).

use std::ops::Range;

use memchr::memchr3;
use serde::{Deserialize, Serialize};

/// Longer sequences are pictures or clipboards: passed over, never reported.
pub(super) const MAX_SEQUENCE_BYTES: usize = 4096;

const BEL: u8 = 0x07;
const SHIFT_OUT: u8 = 0x0e;
const SHIFT_IN: u8 = 0x0f;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const ESC: u8 = 0x1b;

/// A complete control sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sequence<'a> {
    /// SO or SI, which switch between character sets.
    Shift { out: Shift },
    /// `ESC`, intermediates, a last byte.
    Escape { intermediates: &'a [u8], last: u8 },
    /// `ESC [`, parameters with a private mark before them, intermediates, a last byte.
    Csi {
        params: &'a [u8],
        intermediates: &'a [u8],
        last: u8,
    },
    /// `ESC ]`, `ESC P` or another string, and how it ended.
    String {
        kind: StringKind,
        data: &'a [u8],
        end: StringEnd,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shift {
    Out,
    In,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum StringKind {
    /// Operating system command: colours, titles, clipboard.
    Osc,
    /// Device control: requests for settings and capabilities, pictures.
    Dcs,
    /// Application program command: kitty's pictures.
    Apc,
    /// Start of string, privacy message: nobody's.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StringEnd {
    Bel,
    St,
}

/// Finds sequences and says where they stand, in bytes since the first byte it was ever given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Scanner {
    state: State,
    /// Where the next byte stands.
    offset: u64,
    /// Where the unfinished sequence began.
    start: u64,
    /// What it holds after its introducer, up to the limit.
    #[serde(with = "serde_bytes")]
    data: Vec<u8>,
    overflowed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Text,
    Escape,
    Csi,
    String(StringKind),
    /// ESC within a string: its end, or the start of another sequence.
    StringEscape(StringKind),
}

impl Scanner {
    pub(super) fn starting_at(offset: u64) -> Self {
        let (state, data) = (State::Text, Vec::new());
        Self {
            state,
            offset,
            start: offset,
            data,
            overflowed: false,
        }
    }

    /// Whether its state is one that bytes lead to.
    pub(super) fn is_sound(&self) -> bool {
        let at_least = match self.state {
            State::Text => 0,
            State::Escape => 1,
            State::Csi | State::String(_) => 2,
            State::StringEscape(_) => 3,
        };
        let unfinished = self.offset.checked_sub(self.start);
        unfinished.is_some_and(|bytes| bytes >= at_least) && self.data.len() <= MAX_SEQUENCE_BYTES
    }

    /// Where the next byte stands.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where an unfinished sequence began that may yet be reported.
    pub(super) fn unfinished(&self) -> Option<u64> {
        match (self.state, self.overflowed) {
            (State::Text, _) => None,
            (_, false) => Some(self.start),
            // Its ESC may be the beginning of another.
            (State::StringEscape(_), true) => Some(self.offset - 1),
            (State::Escape | State::Csi | State::String(_), true) => None,
        }
    }

    /// Reads on, and reports every sequence as it ends.
    pub(super) fn scan(&mut self, bytes: &[u8], mut report: impl FnMut(Range<u64>, Sequence<'_>)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.state == State::Text {
                let text = memchr3(ESC, SHIFT_OUT, SHIFT_IN, rest).unwrap_or(rest.len());
                self.offset += text as u64;
                rest = &rest[text..];
                let passed = self.pass_whole_csi(rest, &mut report);
                rest = &rest[passed..];
                if passed > 0 {
                    continue;
                }
            }
            if let Some((&byte, after)) = rest.split_first() {
                self.offset += 1;
                self.step(byte, &mut report);
                rest = after;
            }
        }
    }

    /// Reports the CSI sequence that `rest` begins with, if all of it is there, and says how many
    /// bytes it has; else 0, and [`step`](Self::step) takes it byte by byte. Nearly all sequences of
    /// a flood are such, and a flood waits for whoever reads it.
    fn pass_whole_csi(
        &mut self,
        rest: &[u8],
        report: &mut impl FnMut(Range<u64>, Sequence<'_>),
    ) -> usize {
        let Some(body) = rest.strip_prefix(b"\x1b[") else {
            return 0;
        };
        let within = &body[..body.len().min(MAX_SEQUENCE_BYTES)];
        let Some(len) = within.iter().position(|byte| !matches!(byte, 0x20..0x40)) else {
            return 0;
        };
        let last @ 0x40..=0x7e = within[len] else {
            return 0;
        };
        let passed = 2 + len + 1;
        let start = self.offset;
        self.offset += passed as u64;
        if let Some(sequence) = csi(&within[..len], last) {
            report(start..self.offset, sequence);
        }
        passed
    }

    /// One byte, of which `offset` is already past.
    fn step(&mut self, byte: u8, report: &mut impl FnMut(Range<u64>, Sequence<'_>)) {
        match (self.state, byte) {
            (State::String(kind), ESC) => self.state = State::StringEscape(kind),
            (State::StringEscape(kind), b'\\') => {
                self.finish(report, |data| Some(string(kind, data, StringEnd::St)));
            }
            (State::StringEscape(_), _) => {
                self.begin(2);
                self.step(byte, report);
            }
            (_, ESC) => self.begin(1),
            (_, CAN | SUB) => self.state = State::Text,
            (State::String(kind @ StringKind::Osc), BEL) => {
                self.finish(report, |data| Some(string(kind, data, StringEnd::Bel)));
            }
            (State::String(_), _) => self.collect(byte),
            // Within a sequence, controls act at once and do not end it.
            (_, SHIFT_OUT | SHIFT_IN) => {
                let out = if byte == SHIFT_OUT {
                    Shift::Out
                } else {
                    Shift::In
                };
                report(self.offset - 1..self.offset, Sequence::Shift { out });
            }
            (_, 0x00..0x20 | 0x7f) | (State::Text, _) => {}
            (_, 0x80..) => self.state = State::Text,
            (State::Escape, _) => self.step_escape(byte, report),
            (State::Csi, 0x40..=0x7e) => self.finish(report, |data| csi(data, byte)),
            (State::Csi, _) => self.collect(byte),
        }
    }

    fn step_escape(&mut self, byte: u8, report: &mut impl FnMut(Range<u64>, Sequence<'_>)) {
        // After an intermediate, what else would introduce is an ordinary last byte.
        self.state = match (self.data.is_empty(), byte) {
            (_, 0x20..0x30) => return self.collect(byte),
            (true, b'[') => State::Csi,
            (true, b']') => State::String(StringKind::Osc),
            (true, b'P') => State::String(StringKind::Dcs),
            (true, b'_') => State::String(StringKind::Apc),
            (true, b'X' | b'^') => State::String(StringKind::Other),
            (_, last) => {
                return self.finish(report, |intermediates| {
                    Some(Sequence::Escape {
                        intermediates,
                        last,
                    })
                });
            }
        };
    }

    /// A new sequence, whose ESC is `back` bytes back.
    fn begin(&mut self, back: u64) {
        self.state = State::Escape;
        self.start = self.offset - back;
        self.data.clear();
        self.overflowed = false;
    }

    fn collect(&mut self, byte: u8) {
        if self.data.len() < MAX_SEQUENCE_BYTES {
            self.data.push(byte);
        } else {
            self.overflowed = true;
        }
    }

    fn finish(
        &mut self,
        report: &mut impl FnMut(Range<u64>, Sequence<'_>),
        sequence: impl for<'a> FnOnce(&'a [u8]) -> Option<Sequence<'a>>,
    ) {
        self.state = State::Text;
        if self.overflowed {
            return;
        }
        // A malformed one is none, as it is to a terminal.
        if let Some(sequence) = sequence(&self.data) {
            report(self.start..self.offset, sequence);
        }
    }
}

fn string(kind: StringKind, data: &[u8], end: StringEnd) -> Sequence<'_> {
    Sequence::String { kind, data, end }
}

/// Parameters are 0x30 to 0x3F, intermediates 0x20 to 0x2F, in this order.
fn csi(data: &[u8], last: u8) -> Option<Sequence<'_>> {
    let params = data
        .iter()
        .position(|byte| *byte < 0x30)
        .unwrap_or(data.len());
    let (params, intermediates) = data.split_at(params);
    intermediates
        .iter()
        .all(|byte| *byte < 0x30)
        .then_some(Sequence::Csi {
            params,
            intermediates,
            last,
        })
}
