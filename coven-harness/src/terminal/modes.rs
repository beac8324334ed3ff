//! The modes a program has put its terminal into.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::scanner::{Sequence, Shift};

/// Kitty keeps this many keyboard flags per screen; the oldest are dropped.
const MAX_KEYBOARD_FLAGS: usize = 8;

/// Private modes that are simply on or off, and are off in a fresh terminal: cursor keys (1),
/// reverse video (5), origin (6), blinking cursor (12), left and right margins (69), focus
/// reports (1004), bracketed paste (2004), grapheme clusters (2027), and those of
/// [`ONLY_A_VIEWER_HAS`].
const OFF_AT_FIRST: [u16; 10] = [1, 5, 6, 12, 69, 1004, 2004, 2027, 2031, 2048];

/// Reports that need a terminal with a window: of its colours changing (2031), of its size (2048).
/// Whoever asks whether there are such is told that there are not, but a viewer's terminal may be
/// put into them all the same, and has to be taken out.
const ONLY_A_VIEWER_HAS: [u16; 2] = [2031, 2048];

/// Those that are on in a fresh terminal: wrapping (7), visible cursor (25), wheel as arrow keys
/// in the alternate screen (1007).
const ON_AT_FIRST: [u16; 3] = [7, 25, 1007];

/// Which mouse events are reported; the last one asked for counts.
const MOUSE_REPORTS: [u16; 5] = [9, 1000, 1001, 1002, 1003];

/// How mouse events are written; the last one asked for counts.
const MOUSE_ENCODINGS: [u16; 4] = [1005, 1006, 1015, 1016];

/// Entering and leaving the alternate screen.
const ALTERNATE_SCREENS: [u16; 3] = [47, 1047, 1049];

/// Synchronized output: known, but of no meaning between frames, so never restored.
const SYNCHRONIZED_OUTPUT: u16 = 2026;

/// The modes in force in a terminal, as far as they outlive what is drawn: enough to make another
/// terminal behave the same, and to leave it as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modes {
    /// Those of [`OFF_AT_FIRST`] and [`ON_AT_FIRST`] that are not as at first.
    changed: BTreeSet<u16>,
    mouse_reports: Option<u16>,
    mouse_encoding: Option<u16>,
    alternate_screen: Option<u16>,
    synchronized: bool,
    application_keypad: bool,
    /// The flags of kitty's keyboard protocol, the last in force, of the main screen and the
    /// alternate one.
    main_keyboard: Vec<u16>,
    alternate_keyboard: Vec<u16>,
    /// xterm's `modifyOtherKeys`; 0 is off.
    modify_other_keys: u16,
    /// DECSCUSR; 0 is the terminal's own.
    cursor_shape: u16,
    /// DECSTBM: top and bottom row.
    scroll_region: Option<(u16, u16)>,
    charsets: Charsets,
}

/// The character sets: what G0 and G1 mean, if not ASCII, and whether G1 is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Charsets {
    g0: Option<Vec<u8>>,
    g1: Option<Vec<u8>>,
    shifted_out: bool,
}

impl Modes {
    /// The flags of kitty's keyboard protocol in force.
    pub(super) fn keyboard_flags(&self) -> u16 {
        self.keyboard().last().copied().unwrap_or(0)
    }

    /// Whether a private mode is set; `None` for one that we do not know.
    pub(super) fn is_set(&self, mode: u16) -> Option<bool> {
        let changed = self.changed.contains(&mode);
        match mode {
            SYNCHRONIZED_OUTPUT => Some(self.synchronized),
            _ if ONLY_A_VIEWER_HAS.contains(&mode) => None,
            _ if OFF_AT_FIRST.contains(&mode) => Some(changed),
            _ if ON_AT_FIRST.contains(&mode) => Some(!changed),
            _ if MOUSE_REPORTS.contains(&mode) => Some(self.mouse_reports == Some(mode)),
            _ if MOUSE_ENCODINGS.contains(&mode) => Some(self.mouse_encoding == Some(mode)),
            _ if ALTERNATE_SCREENS.contains(&mode) => Some(self.alternate_screen.is_some()),
            _ => None,
        }
    }

    /// What to write to a fresh terminal so that it has these modes. It clears what is shown if
    /// the program is in the alternate screen, and moves the cursor home if it scrolls a region.
    pub fn restore(&self) -> Vec<u8> {
        let mut out = String::new();
        push_keyboard(&mut out, &self.main_keyboard);
        if let Some(mode) = self.alternate_screen {
            set(&mut out, mode, true);
            push_keyboard(&mut out, &self.alternate_keyboard);
        }
        if self.modify_other_keys != 0 {
            let _ = write!(out, "\x1b[>4;{}m", self.modify_other_keys);
        }
        if let Some((top, bottom)) = self.scroll_region {
            let _ = write!(out, "\x1b[{top};{bottom}r");
        }
        if self.cursor_shape != 0 {
            let _ = write!(out, "\x1b[{} q", self.cursor_shape);
        }
        if self.application_keypad {
            out.push_str("\x1b=");
        }
        let mut out = out.into_bytes();
        self.charsets.restore(&mut out);
        let mut modes = String::new();
        for mode in &self.changed {
            set(&mut modes, *mode, OFF_AT_FIRST.contains(mode));
        }
        for mode in [self.mouse_encoding, self.mouse_reports]
            .into_iter()
            .flatten()
        {
            set(&mut modes, mode, true);
        }
        out.extend_from_slice(modes.as_bytes());
        out
    }

    /// What to write to a terminal that has these modes so that it is as before: the main screen,
    /// a visible cursor, the terminal's own keys. A viewer's terminal has the modes that a
    /// [`Listener`](super::Listener) of all it was shown has heard, those restored included.
    pub fn reset(&self) -> Vec<u8> {
        let mut out = String::new();
        for mode in [self.mouse_reports, self.mouse_encoding]
            .into_iter()
            .flatten()
        {
            set(&mut out, mode, false);
        }
        for mode in &self.changed {
            set(&mut out, *mode, ON_AT_FIRST.contains(mode));
        }
        if self.synchronized {
            set(&mut out, SYNCHRONIZED_OUTPUT, false);
        }
        if self.charsets != Charsets::default() {
            out.push_str("\x1b(B\x1b)B\x0f");
        }
        if self.application_keypad {
            out.push_str("\x1b>");
        }
        if self.cursor_shape != 0 {
            out.push_str("\x1b[0 q");
        }
        if self.scroll_region.is_some() {
            // The cursor, which this moves, stays where it is.
            out.push_str("\x1b7\x1b[r\x1b8");
        }
        if self.modify_other_keys != 0 {
            out.push_str("\x1b[>4;0m");
        }
        if let Some(mode) = self.alternate_screen {
            pop_keyboard(&mut out, &self.alternate_keyboard);
            set(&mut out, mode, false);
        }
        pop_keyboard(&mut out, &self.main_keyboard);
        out.into_bytes()
    }

    /// The terminal's size changed: terminals forget the scroll region then.
    pub fn resized(&mut self) {
        self.scroll_region = None;
    }

    pub(super) fn apply(&mut self, sequence: &Sequence<'_>) {
        match *sequence {
            Sequence::Shift { out } => self.charsets.shifted_out = out == Shift::Out,
            Sequence::Escape {
                intermediates,
                last,
            } => self.apply_escape(intermediates, last),
            Sequence::Csi {
                params,
                intermediates,
                last,
            } => {
                if let Ok(params) = std::str::from_utf8(params) {
                    self.apply_csi(params, intermediates, last);
                }
            }
            Sequence::String { .. } => {}
        }
    }

    fn apply_escape(&mut self, intermediates: &[u8], last: u8) {
        match (intermediates, last) {
            ([], b'=') => self.application_keypad = true,
            ([], b'>') => self.application_keypad = false,
            ([], b'c') => *self = Self::default(),
            ([b'(', rest @ ..], _) => self.charsets.g0 = Charsets::designated(rest, last),
            ([b')', rest @ ..], _) => self.charsets.g1 = Charsets::designated(rest, last),
            _ => {}
        }
    }

    fn apply_csi(&mut self, params: &str, intermediates: &[u8], last: u8) {
        let (mark, numbers) = match params.as_bytes().first() {
            Some(mark @ b'<'..=b'?') => (*mark, &params[1..]),
            _ => (0, params),
        };
        let mut numbers = numbers.split(';').map(|digits| digits.parse::<u16>().ok());
        let mut next = |default: u16| numbers.next().flatten().unwrap_or(default);
        match (mark, intermediates, last) {
            (b'?', [], b'h') => numbers.flatten().for_each(|mode| self.set(mode, true)),
            (b'?', [], b'l') => numbers.flatten().for_each(|mode| self.set(mode, false)),
            (b'>', [], b'u') => self.push_keyboard_flags(next(0)),
            (b'<', [], b'u') => {
                let stack = self.keyboard_mut();
                stack.truncate(stack.len().saturating_sub(next(1).max(1).into()));
            }
            (b'=', [], b'u') => {
                let (flags, how) = (next(0), next(1));
                self.set_keyboard_flags(flags, how);
            }
            (b'>', [], b'm') => match (next(0), next(0)) {
                (4, value) => self.modify_other_keys = value,
                (0, _) if params == ">" => self.modify_other_keys = 0,
                _ => {}
            },
            (b'>', [], b'n') if next(0) == 4 => self.modify_other_keys = 0,
            (0, [b' '], b'q') => self.cursor_shape = next(0),
            (0, [], b'r') => {
                let (top, bottom) = (next(0), next(0));
                self.scroll_region = (bottom > top.max(1)).then_some((top.max(1), bottom));
            }
            (0, [b'!'], b'p') => self.soft_reset(),
            _ => {}
        }
    }

    fn set(&mut self, mode: u16, on: bool) {
        match mode {
            SYNCHRONIZED_OUTPUT => self.synchronized = on,
            _ if OFF_AT_FIRST.contains(&mode) => self.change(mode, on),
            _ if ON_AT_FIRST.contains(&mode) => self.change(mode, !on),
            _ if MOUSE_REPORTS.contains(&mode) => self.mouse_reports = on.then_some(mode),
            _ if MOUSE_ENCODINGS.contains(&mode) => self.mouse_encoding = on.then_some(mode),
            _ if ALTERNATE_SCREENS.contains(&mode) && on => {
                self.alternate_screen.get_or_insert(mode);
            }
            _ if ALTERNATE_SCREENS.contains(&mode) => {
                self.alternate_screen = None;
                self.alternate_keyboard.clear();
            }
            _ => {}
        }
    }

    fn change(&mut self, mode: u16, changed: bool) {
        if changed {
            self.changed.insert(mode);
        } else {
            self.changed.remove(&mode);
        }
    }

    fn keyboard(&self) -> &Vec<u16> {
        if self.alternate_screen.is_some() {
            &self.alternate_keyboard
        } else {
            &self.main_keyboard
        }
    }

    fn keyboard_mut(&mut self) -> &mut Vec<u16> {
        if self.alternate_screen.is_some() {
            &mut self.alternate_keyboard
        } else {
            &mut self.main_keyboard
        }
    }

    fn push_keyboard_flags(&mut self, flags: u16) {
        let stack = self.keyboard_mut();
        if stack.len() == MAX_KEYBOARD_FLAGS {
            stack.remove(0);
        }
        stack.push(flags);
    }

    /// `how`: 1 replaces the flags in force, 2 adds, 3 takes away.
    fn set_keyboard_flags(&mut self, flags: u16, how: u16) {
        let stack = self.keyboard_mut();
        if stack.is_empty() {
            stack.push(0);
        }
        let Some(last) = stack.last_mut() else { return };
        match how {
            1 => *last = flags,
            2 => *last |= flags,
            3 => *last &= !flags,
            _ => {}
        }
    }

    /// DECSTR.
    fn soft_reset(&mut self) {
        for mode in [1, 6, 69] {
            self.changed.remove(&mode);
        }
        self.changed.remove(&25);
        self.application_keypad = false;
        self.scroll_region = None;
        self.charsets = Charsets::default();
    }
}

impl Charsets {
    /// B is ASCII.
    fn designated(intermediates: &[u8], last: u8) -> Option<Vec<u8>> {
        let name: Vec<u8> = intermediates.iter().copied().chain([last]).collect();
        (name != b"B").then_some(name)
    }

    fn restore(&self, out: &mut Vec<u8>) {
        for (introducer, name) in [(b'(', &self.g0), (b')', &self.g1)] {
            if let Some(name) = name {
                out.extend_from_slice(&[0x1b, introducer]);
                out.extend_from_slice(name);
            }
        }
        if self.shifted_out {
            out.push(0x0e);
        }
    }
}

fn set(out: &mut String, mode: u16, on: bool) {
    let _ = write!(out, "\x1b[?{mode}{}", if on { 'h' } else { 'l' });
}

fn push_keyboard(out: &mut String, stack: &[u16]) {
    for flags in stack {
        let _ = write!(out, "\x1b[>{flags}u");
    }
}

fn pop_keyboard(out: &mut String, stack: &[u16]) {
    if !stack.is_empty() {
        let _ = write!(out, "\x1b[<{}u", stack.len());
    }
}
