//! `Keyboard`: finds the keys meant for Coven in what a person types; all else is the session's.

use super::detach_keys::{Chord, DetachKeys};
use super::key::{Meaning, PASTE_END, Piece, first_piece, meaning};

/// Ctrl-Z: suspends the viewer.
const SUSPEND: Chord = Chord {
    key: 'z',
    ctrl: true,
};

/// What was typed, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// Bytes for the session.
    Bytes {
        /// Exactly as they came.
        data: Vec<u8>,
    },
    /// The detach keys.
    Detach,
    /// Ctrl-Z.
    Suspend,
}

/// What a keyboard waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// What comes after an Escape, which may be the whole key.
    Escape,
    /// The end of a sequence: that was no Escape key.
    Sequence,
}

/// Reads typed bytes, however they are split over reads, and knows keys in the plain, kitty and
/// modifyOtherKeys encodings. What is pasted is never taken for a key.
///
/// After the first detach key, the same key again or Ctrl-Z sends that one key to the session,
/// and any other key sends all that was typed.
#[derive(Debug)]
pub(crate) struct Keyboard {
    keys: DetachKeys,
    /// The start of a sequence whose end has not come yet.
    partial: Vec<u8>,
    /// How much of that the session was given all the same, since it was waited for too long.
    given: usize,
    /// What was typed since the first detach key, for the session if the rest does not follow.
    held: Vec<u8>,
    /// Detach keys seen so far.
    matched: usize,
    in_paste: bool,
}

impl Keyboard {
    /// A keyboard with these detach keys.
    pub(crate) const fn new(keys: DetachKeys) -> Self {
        Self {
            keys,
            partial: Vec::new(),
            given: 0,
            held: Vec::new(),
            matched: 0,
            in_paste: false,
        }
    }

    /// Reads what came. What follows a detach or a suspend in the same read is dropped: it was
    /// not meant for the session.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Vec<Typed> {
        let mut input = std::mem::take(&mut self.partial);
        input.extend_from_slice(bytes);
        let mut rest = input.as_slice();
        let mut typed = Vec::new();
        while !rest.is_empty() {
            let Piece::Whole { len } = first_piece(rest) else {
                self.partial = rest.to_vec();
                break;
            };
            let (piece, after) = rest.split_at(len);
            rest = after;
            // What was given is in a paste, and of a paste everything is passed on.
            let given = std::mem::take(&mut self.given);
            match self.take(piece) {
                Taken::Held => {}
                Taken::Pass { data } => pass(&mut typed, data[given..].to_vec()),
                Taken::Command { command } => {
                    typed.push(command);
                    break;
                }
            }
        }
        typed
    }

    /// What has begun and not ended; `None` when nothing is waited for. [`Keyboard::flush`] gives
    /// it up.
    pub(crate) fn awaited(&self) -> Option<Awaited> {
        match self.partial.as_slice() {
            all if all.len() == self.given => None,
            [0x1b] => Some(Awaited::Escape),
            _ => Some(Awaited::Sequence),
        }
    }

    /// Gives up waiting for the end of a sequence: its start is for the session. The start of a
    /// paste's end ends the paste all the same when the rest of it comes.
    pub(crate) fn flush(&mut self) -> Vec<Typed> {
        let mut data = std::mem::take(&mut self.held);
        self.matched = 0;
        data.extend_from_slice(&self.partial[self.given..]);
        if !self.in_paste || !PASTE_END.starts_with(&self.partial) {
            self.partial.clear();
        }
        self.given = self.partial.len();
        let mut typed = Vec::new();
        pass(&mut typed, data);
        typed
    }

    fn take(&mut self, piece: &[u8]) -> Taken {
        match meaning(piece) {
            Meaning::PasteEnd => self.in_paste = false,
            _ if self.in_paste => {}
            Meaning::PasteBegin => self.in_paste = true,
            Meaning::Press { chord } => return self.press(chord, piece),
            Meaning::Repeat { .. } | Meaning::Aside if self.matched > 0 => return self.hold(piece),
            Meaning::Repeat { .. } | Meaning::Aside | Meaning::Other => {}
        }
        self.give_up(piece)
    }

    fn press(&mut self, chord: Chord, piece: &[u8]) -> Taken {
        let chords = self.keys.chords();
        let first = chords.first() == Some(&chord);
        if chords.get(self.matched) == Some(&chord) {
            self.matched += 1;
            if self.matched < chords.len() {
                return self.hold(piece);
            }
            self.reset();
            return Taken::Command {
                command: Typed::Detach,
            };
        }
        if self.matched > 0 && (first || chord == SUSPEND) {
            self.reset();
            return Taken::Pass {
                data: piece.to_vec(),
            };
        }
        if chord == SUSPEND {
            return Taken::Command {
                command: Typed::Suspend,
            };
        }
        self.give_up(piece)
    }

    fn hold(&mut self, piece: &[u8]) -> Taken {
        self.held.extend_from_slice(piece);
        Taken::Held
    }

    fn give_up(&mut self, piece: &[u8]) -> Taken {
        let mut data = std::mem::take(&mut self.held);
        self.matched = 0;
        data.extend_from_slice(piece);
        Taken::Pass { data }
    }

    fn reset(&mut self) {
        self.held.clear();
        self.matched = 0;
    }
}

enum Taken {
    Held,
    Pass { data: Vec<u8> },
    Command { command: Typed },
}

fn pass(typed: &mut Vec<Typed>, mut more: Vec<u8>) {
    if more.is_empty() {
        return;
    }
    match typed.last_mut() {
        Some(Typed::Bytes { data }) => data.append(&mut more),
        Some(Typed::Detach | Typed::Suspend) | None => typed.push(Typed::Bytes { data: more }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ctrl-\ then d, in every encoding a terminal may use.
    const DETACHES: &[&[u8]] = &[
        b"\x1cd",
        b"\x1cD",
        b"\x1b[92;5ud",
        b"\x1b[92;5u\x1b[100u",
        b"\x1b[92;5u\x1b[100;1u",
        b"\x1b[92;5:1u\x1b[100;1:1u",
        b"\x1b[27;5;92~d",
        b"\x1b[27;5;92~\x1b[27;1;100~",
        // Every key reported, going up too, the Ctrl key itself among them.
        b"\x1b[57442;5:1u\x1b[92;5:1u\x1b[92;5:2u\x1b[92;5:3u\x1b[57442;1:3u\x1b[100;;100u",
        // With num lock and caps lock on.
        b"\x1b[92;197u\x1b[68;193u",
        // An alternate (shifted) code beside the key's own.
        b"\x1b[92:124;5u\x1b[100:68;1u",
    ];

    fn keyboard() -> Keyboard {
        Keyboard::new(DetachKeys::default())
    }

    fn bytes(data: &[u8]) -> Vec<Typed> {
        vec![Typed::Bytes {
            data: data.to_vec(),
        }]
    }

    /// Reads in pieces of one byte.
    fn byte_by_byte(keyboard: &mut Keyboard, input: &[u8]) -> Vec<Typed> {
        let mut all = Vec::new();
        for byte in input {
            for typed in keyboard.read(&[*byte]) {
                match typed {
                    Typed::Bytes { data } => pass(&mut all, data),
                    Typed::Detach | Typed::Suspend => all.push(typed),
                }
            }
        }
        all
    }

    #[test]
    fn the_detach_keys_are_known_in_every_encoding() {
        for keys in DETACHES {
            let shown = String::from_utf8_lossy(keys);
            let typed = keyboard().read(keys);
            assert_eq!(typed.last(), Some(&Typed::Detach), "{shown:?}");
            let leaked = typed.iter().any(|typed| match typed {
                // The Ctrl key going down comes before the first detach key.
                Typed::Bytes { data } => !data.starts_with(b"\x1b[57442;5:1u"),
                Typed::Detach | Typed::Suspend => false,
            });
            assert!(!leaked, "{shown:?}: {typed:?}");
        }
    }

    #[test]
    fn the_detach_keys_are_known_when_every_byte_is_a_read_of_its_own() {
        for keys in DETACHES {
            let typed = byte_by_byte(&mut keyboard(), keys);
            assert_eq!(typed.last(), Some(&Typed::Detach), "{keys:?}");
        }
    }

    #[test]
    fn everything_else_reaches_the_session_byte_for_byte() {
        let mut input =
            b"hello \xff\xfe\x00\x1b[A\x1b[1;5C\x1bOP\x1b\x1b[A\x1bf\xe2\x9c\x93".to_vec();
        input.extend_from_slice(b"\x1b[<35;10;20M\x1b]11;rgb:0/0/0\x1b\\\x1b[?1;2c\x03\x04");
        assert_eq!(keyboard().read(&input), bytes(&input));
        assert_eq!(byte_by_byte(&mut keyboard(), &input), bytes(&input));
    }

    #[test]
    fn a_detach_key_followed_by_another_key_is_passed_on_with_it() {
        assert_eq!(keyboard().read(b"\x1cx"), bytes(b"\x1cx"));
        assert_eq!(
            keyboard().read(b"\x1b[92;5u\x1b[A"),
            bytes(b"\x1b[92;5u\x1b[A")
        );
    }

    #[test]
    fn the_first_detach_key_twice_sends_it_once() {
        assert_eq!(keyboard().read(b"\x1c\x1cd"), bytes(b"\x1cd"));
        let mut typed = keyboard().read(b"\x1c\x1c");
        assert_eq!(typed.pop(), bytes(b"\x1c").pop());
    }

    #[test]
    fn a_plain_d_or_a_held_d_does_not_detach() {
        assert_eq!(keyboard().read(b"d"), bytes(b"d"));
        assert_eq!(keyboard().read(b"\x1b[100;5u"), bytes(b"\x1b[100;5u"));
    }

    #[test]
    fn ctrl_z_suspends_and_after_the_first_detach_key_is_sent() {
        for suspend in [&b"\x1a"[..], b"\x1b[122;5u", b"\x1b[27;5;122~"] {
            assert_eq!(keyboard().read(suspend), [Typed::Suspend]);
        }
        assert_eq!(keyboard().read(b"\x1c\x1a"), bytes(b"\x1a"));
    }

    #[test]
    fn nothing_in_a_paste_is_a_key() {
        let paste = b"\x1b[200~a\x1cd\x1a\x1b[92;5ud\x1b[201~";
        assert_eq!(keyboard().read(paste), bytes(paste));
        assert_eq!(byte_by_byte(&mut keyboard(), paste), bytes(paste));
        let mut after = paste.to_vec();
        after.extend_from_slice(b"\x1cd");
        assert_eq!(keyboard().read(&after).last(), Some(&Typed::Detach));
    }

    #[test]
    fn a_paste_that_ends_within_a_sequence_has_ended() {
        let paste = b"\x1b[200~text\x1b[\x1b[201~\x1cd";
        assert_eq!(keyboard().read(paste).last(), Some(&Typed::Detach));
        assert_eq!(
            byte_by_byte(&mut keyboard(), paste).last(),
            Some(&Typed::Detach)
        );
    }

    #[test]
    fn a_paste_whose_end_comes_in_two_halves_long_apart_has_ended() {
        const END: &[u8] = b"\x1b[201~";
        for cut in 1..END.len() {
            let (first, rest) = END.split_at(cut);
            let mut keyboard = keyboard();
            keyboard.read(b"\x1b[200~text");
            assert_eq!(keyboard.read(first), []);
            assert_eq!(keyboard.flush(), bytes(first));
            assert_eq!((keyboard.awaited(), keyboard.flush()), (None, vec![]));
            assert_eq!(keyboard.read(rest), bytes(rest));
            assert_eq!(keyboard.read(b"\x1cd"), [Typed::Detach], "{cut}");
        }
    }

    #[test]
    fn what_looked_like_a_pastes_end_and_was_none_does_not_end_it() {
        let mut keyboard = keyboard();
        keyboard.read(b"\x1b[200~\x1b[2");
        assert_eq!(keyboard.flush(), bytes(b"\x1b[2"));
        assert_eq!(keyboard.read(b"0"), []);
        assert_eq!(keyboard.flush(), bytes(b"0"));
        for more in [&b"\x1b[A"[..], b"\x1cd\x1a"] {
            assert_eq!(keyboard.read(more), bytes(more));
        }
    }

    #[test]
    fn a_lone_escape_waits_for_its_sequence_and_is_sent_when_none_comes() {
        let mut keyboard = keyboard();
        assert_eq!(keyboard.read(b"\x1b"), []);
        assert_eq!(keyboard.awaited(), Some(Awaited::Escape));
        assert_eq!(keyboard.flush(), bytes(b"\x1b"));
        assert_eq!(keyboard.awaited(), None);
        assert_eq!(keyboard.flush(), []);
    }

    #[test]
    fn a_sequence_that_has_begun_is_no_lone_escape() {
        for begun in [&b"\x1b["[..], b"\x1b[92;5", b"\x1b[200~\x1b[2"] {
            let mut keyboard = keyboard();
            keyboard.read(begun);
            assert_eq!(keyboard.awaited(), Some(Awaited::Sequence), "{begun:?}");
        }
    }

    #[test]
    fn a_sequence_without_end_is_passed_on_rather_than_held_for_ever() {
        let mut endless = b"\x1b[".to_vec();
        endless.resize(4096, b'1');
        let mut keyboard = keyboard();
        let mut passed = 0;
        for typed in keyboard.read(&endless) {
            if let Typed::Bytes { data } = typed {
                passed += data.len();
            }
        }
        assert_eq!(passed, endless.len());
    }

    #[test]
    fn other_keys_can_be_chosen() {
        let mut keyboard = Keyboard::new("ctrl-p ctrl-q".parse().unwrap());
        assert_eq!(keyboard.read(b"\x1cd\x10"), bytes(b"\x1cd"));
        assert_eq!(keyboard.read(b"\x1b[113;5u"), [Typed::Detach]);
    }
}
