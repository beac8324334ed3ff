//! Between a program and the terminals of those who watch it.
//!
//! Coven answers the program's queries itself. So a viewer's terminal is not shown them, and what
//! it answers all the same, to something it was shown earlier, is not typed into the program.

use bytes::Bytes;

use super::answer::answer;
use super::modes::Modes;
use super::scanner::{Scanner, Sequence, StringKind};

/// What ends a paste.
const PASTE_END: &[u8] = b"\x1b[201~";

/// Takes the queries out of a program's output, for one viewer.
#[derive(Debug)]
pub struct ToViewer {
    filter: Filter,
}

/// Takes the answers of a viewer's terminal out of what the viewer types.
#[derive(Debug)]
pub struct FromViewer {
    filter: Filter,
    /// What is pasted is passed on whole.
    in_paste: bool,
}

impl ToViewer {
    /// Begins where a sequence or text starts ([`resume_point`](super::resume_point)).
    pub fn new() -> Self {
        Self {
            filter: Filter::new(),
        }
    }

    /// Whether something is held back. Where nothing is, whoever was shown all up to there can be
    /// shown the rest by another that begins there.
    pub fn holds(&self) -> bool {
        !self.filter.held.is_empty()
    }

    /// The next output, less queries. The beginning of a sequence is held back until its end has
    /// come (at most 4 KiB of it): a terminal shows nothing of it before that either.
    pub fn pass(&mut self, output: Bytes) -> Bytes {
        let modes = Modes::default();
        self.filter
            .pass(output, |sequence| answer(sequence, &modes).is_some())
    }
}

impl FromViewer {
    /// Begins with the first key.
    pub fn new() -> Self {
        Self {
            filter: Filter::new(),
            in_paste: false,
        }
    }

    /// The next input, less answers. The beginning of a sequence is held back, since it may become
    /// an answer; but it may be the Escape key: when [`holds`](Self::holds) and nothing follows
    /// for some 50 ms, call [`flush`](Self::flush).
    pub fn pass(&mut self, input: Bytes) -> Bytes {
        let in_paste = &mut self.in_paste;
        self.filter.pass(input, |sequence| {
            match sequence {
                Sequence::Csi {
                    params: b"200",
                    intermediates: [],
                    last: b'~',
                } => *in_paste = true,
                Sequence::Csi {
                    params: b"201",
                    intermediates: [],
                    last: b'~',
                } => *in_paste = false,
                _ => {}
            }
            !*in_paste && is_answer(sequence)
        })
    }

    /// Whether something is held back.
    pub fn holds(&self) -> bool {
        self.filter.given < self.filter.held.len()
    }

    /// Gives what is held back: it was no answer, or half of one that is too late. What may be the
    /// first half of a paste's end is given too, and still ends the paste when the rest comes.
    pub fn flush(&mut self) -> Bytes {
        let kept = if self.in_paste {
            start_of_paste_end(&self.filter.held)
        } else {
            0
        };
        self.filter.flush(kept)
    }
}

/// How many bytes at the end of `held` a paste's end may begin with.
fn start_of_paste_end(held: &[u8]) -> usize {
    let start = held.iter().rposition(|byte| *byte == 0x1b);
    let tail = start.map_or(&[][..], |start| &held[start..]);
    if PASTE_END.starts_with(tail) {
        tail.len()
    } else {
        0
    }
}

/// What a terminal sends unasked (keys, mouse, focus, paste) is no answer.
fn is_answer(sequence: &Sequence<'_>) -> bool {
    match *sequence {
        Sequence::Csi {
            params,
            intermediates,
            last,
        } => {
            let private = matches!(params.first(), Some(b'?' | b'>' | b'='));
            match (intermediates, last) {
                // Attributes, kitty's flags, modes, settings, checksums; but not its keys.
                ([], b'n') | ([b'$'], b'y') => true,
                ([], b'c' | b'u' | b'm' | b'S') => private,
                ([], b'R') => private || !is_f3(params),
                ([], b'x') => params.starts_with(b"2;") || params.starts_with(b"3;"),
                // Reports about the window; a terminal sends these as answers only, or because of
                // a resize, of which Coven tells the program itself.
                ([], b't') => true,
                _ => false,
            }
        }
        // People type no such strings; a paste is passed on whole.
        Sequence::String {
            kind: StringKind::Osc | StringKind::Dcs | StringKind::Apc,
            ..
        } => true,
        Sequence::String {
            kind: StringKind::Other,
            ..
        }
        | Sequence::Escape { .. }
        | Sequence::Shift { .. } => false,
    }
}

/// F3 with modifiers looks like a cursor in row 1: `CSI 1 ; modifiers R`, with modifiers from 2 to
/// 16 (or, with kitty's event types, `1;2:3`). A cursor that far left in the first row is rare.
fn is_f3(params: &[u8]) -> bool {
    let Some(modifiers) = params.strip_prefix(b"1;") else {
        return params.is_empty();
    };
    let digits = modifiers
        .split(|byte| *byte == b':')
        .next()
        .unwrap_or_default();
    let modifiers = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok());
    matches!(modifiers, Some(2..=16_u16))
}

/// Takes sequences out of a stream. Nothing is copied where there is nothing to take out.
#[derive(Debug)]
struct Filter {
    scanner: Scanner,
    /// An unfinished sequence.
    held: Vec<u8>,
    /// How much of its beginning was passed on all the same. Such a sequence is never taken.
    given: usize,
}

impl Filter {
    fn new() -> Self {
        Self {
            scanner: Scanner::starting_at(0),
            held: Vec::new(),
            given: 0,
        }
    }

    fn pass(&mut self, bytes: Bytes, mut takes: impl FnMut(&Sequence<'_>) -> bool) -> Bytes {
        let from = self.scanner.offset() - self.held.len() as u64;
        let mut taken = Vec::new();
        self.scanner.scan(&bytes, |range, sequence| {
            if takes(&sequence) {
                taken.push(range);
            }
        });
        let to = self.scanner.unfinished().unwrap_or(self.scanner.offset());
        if taken.is_empty() && self.held.is_empty() && to == self.scanner.offset() {
            return bytes;
        }
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(&bytes);
        // Everything below stands in `all`, which begins at `from`.
        let place = |offset: u64| usize::try_from(offset - from).expect("it is in memory");
        let mut passed = Vec::with_capacity(all.len());
        let mut done = 0;
        for range in taken {
            passed.extend_from_slice(&all[done..place(range.start)]);
            done = place(range.end);
        }
        passed.extend_from_slice(&all[done..place(to)]);
        self.held = all.split_off(place(to));
        if passed.is_empty() {
            return Bytes::new();
        }
        passed.drain(..std::mem::take(&mut self.given));
        passed.into()
    }

    /// Gives what is held back, and goes on to look for the end of the sequence that its last
    /// `kept` bytes begin.
    fn flush(&mut self, kept: usize) -> Bytes {
        let mut all = std::mem::take(&mut self.held);
        self.held = all[all.len() - kept..].to_vec();
        self.scanner = Scanner::starting_at(self.scanner.offset() - kept as u64);
        self.scanner.scan(&self.held, |_, _| {});
        all.drain(..std::mem::replace(&mut self.given, kept));
        all.into()
    }
}

impl Default for ToViewer {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for FromViewer {
    fn default() -> Self {
        Self::new()
    }
}
