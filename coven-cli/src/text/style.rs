//! `Style`: the colours and weights that readable text keeps.

use std::io::IsTerminal;

/// Whether text keeps colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    /// It does: for a terminal.
    Keep,
    /// It does not: for a file or a program.
    Drop,
}

impl Colours {
    /// What suits a place to write to.
    pub(crate) fn suiting(place: &impl IsTerminal) -> Self {
        if place.is_terminal() {
            Self::Keep
        } else {
            Self::Drop
        }
    }
}

/// A colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colour {
    /// One of a terminal's 256.
    Indexed { index: u8 },
    /// Red, green, blue.
    Rgb { red: u8, green: u8, blue: u8 },
}

/// How characters look. Hidden text (SGR 8) and blinking have no place in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    reverse: bool,
    struck: bool,
    foreground: Option<Colour>,
    background: Option<Colour>,
}

impl Style {
    /// Applies the parameters of one SGR sequence.
    pub(super) fn select(&mut self, parameters: &[u16]) {
        let mut rest = parameters;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            match *first {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underline = true,
                7 => self.reverse = true,
                9 => self.struck = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                27 => self.reverse = false,
                29 => self.struck = false,
                code @ 30..=37 => self.foreground = indexed(code - 30),
                code @ 90..=97 => self.foreground = indexed(code - 90 + 8),
                code @ 40..=47 => self.background = indexed(code - 40),
                code @ 100..=107 => self.background = indexed(code - 100 + 8),
                38 => self.foreground = extended(&mut rest),
                48 => self.background = extended(&mut rest),
                // The underline's colour: read past, not kept.
                58 => _ = extended(&mut rest),
                39 => self.foreground = None,
                49 => self.background = None,
                _ => {}
            }
        }
    }

    /// The sequence that sets exactly this, whatever was set before.
    pub(super) fn sequence(self) -> String {
        let mut sequence = String::from("\x1b[0");
        let flags = [
            (self.bold, 1),
            (self.dim, 2),
            (self.italic, 3),
            (self.underline, 4),
            (self.reverse, 7),
            (self.struck, 9),
        ];
        for (_, code) in flags.into_iter().filter(|(set, _)| *set) {
            sequence.push_str(&format!(";{code}"));
        }
        for (place, colour) in [(38, self.foreground), (48, self.background)] {
            match colour {
                Some(Colour::Indexed { index }) => {
                    sequence.push_str(&format!(";{place};5;{index}"));
                }
                Some(Colour::Rgb { red, green, blue }) => {
                    sequence.push_str(&format!(";{place};2;{red};{green};{blue}"));
                }
                None => {}
            }
        }
        sequence.push('m');
        sequence
    }
}

fn indexed(index: u16) -> Option<Colour> {
    let index = u8::try_from(index).ok()?;
    Some(Colour::Indexed { index })
}

/// Reads `5;N` or `2;R;G;B` off the front.
fn extended(rest: &mut &[u16]) -> Option<Colour> {
    let byte = |number: u16| u8::try_from(number).ok();
    match **rest {
        [5, index, ..] => {
            *rest = &rest[2..];
            indexed(index)
        }
        [2, red, green, blue, ..] => {
            *rest = &rest[4..];
            let (red, green, blue) = (byte(red)?, byte(green)?, byte(blue)?);
            Some(Colour::Rgb { red, green, blue })
        }
        _ => {
            *rest = &[];
            None
        }
    }
}
