//! Which keys detach, as a person writes them: `ctrl-\ d`.

use std::fmt;
use std::str::FromStr;

/// One key, with Ctrl or alone. ASCII only, so that every terminal can send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chord {
    /// The key without Ctrl, a letter in lower case.
    pub(super) key: char,
    pub(super) ctrl: bool,
}

/// The keys that detach from a session, one after the other. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DetachKeys(Vec<Chord>);

/// The text names no keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidKeys {
    word: String,
}

impl DetachKeys {
    pub(super) fn chords(&self) -> &[Chord] {
        &self.0
    }
}

impl Default for DetachKeys {
    fn default() -> Self {
        let prefix = Chord {
            key: '\\',
            ctrl: true,
        };
        let detach = Chord {
            key: 'd',
            ctrl: false,
        };
        Self(vec![prefix, detach])
    }
}

impl FromStr for DetachKeys {
    type Err = InvalidKeys;

    /// Words separated by blanks: `ctrl-X` or one printable ASCII character. The first needs
    /// Ctrl, else a letter could not be typed without a delay.
    fn from_str(text: &str) -> Result<Self, InvalidKeys> {
        let invalid = |word: &str| InvalidKeys {
            word: word.to_owned(),
        };
        let chords = text
            .split_whitespace()
            .map(|word| chord(word).ok_or_else(|| invalid(word)))
            .collect::<Result<Vec<_>, _>>()?;
        match chords.first() {
            Some(first) if first.ctrl => Ok(Self(chords)),
            Some(_) | None => Err(invalid(text)),
        }
    }
}

impl fmt::Display for DetachKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, chord) in self.0.iter().enumerate() {
            let space = if place == 0 { "" } else { " " };
            let ctrl = if chord.ctrl { "ctrl-" } else { "" };
            write!(f, "{space}{ctrl}{}", chord.key)?;
        }
        Ok(())
    }
}

impl fmt::Display for InvalidKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} names no detach keys; write them like \"ctrl-\\ d\", the first with ctrl",
            self.word
        )
    }
}

fn chord(word: &str) -> Option<Chord> {
    let (ctrl, key) = match word.split_at_checked(5) {
        Some((prefix, key)) if prefix.eq_ignore_ascii_case("ctrl-") => (true, key),
        Some(_) | None => (false, word),
    };
    let mut characters = key.chars();
    let (key, None) = (characters.next()?, characters.next()) else {
        return None;
    };
    let key = key.to_ascii_lowercase();
    // Ctrl with these is a byte of its own in every encoding; Ctrl-[ is Escape itself, Ctrl-Z
    // suspends, and Ctrl-I and Ctrl-M are Tab and Enter.
    let has_ctrl = matches!(key, 'a'..='y' | '\\' | ']' | '^' | '_') && !matches!(key, 'i' | 'm');
    (key.is_ascii_graphic() && (!ctrl || has_ctrl)).then_some(Chord { key, ctrl })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_they_are_read() {
        for text in ["ctrl-\\ d", "ctrl-a", "ctrl-p ctrl-q", "ctrl-] ]"] {
            assert_eq!(text.parse::<DetachKeys>().unwrap().to_string(), text);
        }
        assert_eq!("CTRL-\\  D".parse(), Ok(DetachKeys::default()));
    }

    #[test]
    fn keys_that_no_terminal_can_send_alone_are_refused() {
        for text in [
            "", "d", "ctrl-", "ctrl-z", "ctrl-[", "ctrl-é", "ctrl-ab", "alt-d", "ctrl-i",
        ] {
            assert!(text.parse::<DetachKeys>().is_err(), "{text}");
        }
    }
}
