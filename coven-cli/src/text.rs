//! Readable text from a terminal's output.
//!
//! What an agent writes may hold anything: what it read in a file or on a web page among it.
//! Shown later, outside the terminal it was written for, none of it may do more than show text.
//! So the output is read as a terminal would, line by line, and written anew: characters, line
//! breaks and (where wanted) a small set of colours. No sequence of the output passes.

mod line;
mod scanner;
mod style;

use line::Line;
use scanner::{Scanner, Token};

pub(crate) use style::Colours;

/// Reads output in pieces of any size and gives readable text. Lines that the output writes over
/// (progress bars, spinners) are given once, as they ended.
#[derive(Debug)]
pub(crate) struct Readable {
    colours: Colours,
    scanner: Scanner,
    line: Line,
    /// The row that the output last moved the cursor to, where it said so.
    row: Option<u32>,
    text: String,
}

impl Readable {
    /// A reader that keeps colours, or not.
    pub(crate) fn new(colours: Colours) -> Self {
        Self {
            colours,
            scanner: Scanner::default(),
            line: Line::default(),
            row: None,
            text: String::new(),
        }
    }

    /// Reads more output and gives the lines that are whole.
    pub(crate) fn read(&mut self, output: &[u8]) -> String {
        let mut scanner = std::mem::take(&mut self.scanner);
        scanner.scan(output, |token| self.take(&token));
        self.scanner = scanner;
        std::mem::take(&mut self.text)
    }

    /// Gives what has come of the line that is not whole yet, so that a question can be seen. If
    /// the output then writes over it, the new line is given on a line of its own.
    pub(crate) fn flush(&mut self) -> String {
        self.line.show(self.colours, &mut self.text);
        std::mem::take(&mut self.text)
    }

    /// Gives what has come, as [`finish`](Self::finish) does, where what comes next does not go on from it.
    pub(crate) fn cut(&mut self) -> String {
        let next = Self::new(self.colours);
        std::mem::replace(self, next).finish()
    }

    /// Gives the last line, ended, and with it the end of a sequence or character that was cut.
    pub(crate) fn finish(mut self) -> String {
        let mut scanner = std::mem::take(&mut self.scanner);
        scanner.finish(|token| self.take(&token));
        if !self.line.is_empty() {
            self.line.end(self.colours, &mut self.text);
        }
        self.text
    }

    fn take(&mut self, token: &Token) {
        match *token {
            Token::Character { character } => {
                self.line.put(character);
                if self.line.is_full() {
                    self.end_line();
                }
            }
            Token::LineFeed => {
                self.end_line();
                self.row = self.row.map(|row| row.saturating_add(1));
            }
            Token::CarriageReturn => self.line.column = 0,
            Token::Backspace => self.line.column = self.line.column.saturating_sub(1),
            Token::Csi {
                ref parameters,
                end,
            } => self.csi(parameters, end),
            Token::ScreenSwitch => self.leave_line(None),
        }
    }

    fn csi(&mut self, parameters: &[u16], end: u8) {
        let count = usize::from(parameters.first().copied().unwrap_or(0).max(1));
        let mode = parameters.first().copied().unwrap_or(0);
        match end {
            b'm' => self.line.style.select(parameters),
            b'C' => self.line.column = self.line.column.saturating_add(count),
            b'D' => self.line.column = self.line.column.saturating_sub(count),
            b'G' | b'`' => self.line.column = count - 1,
            b'H' | b'f' => {
                let column = parameters.get(1).copied().unwrap_or(0).max(1);
                self.go_to(u32::from(mode.max(1)), usize::from(column) - 1);
            }
            b'd' => self.go_to(u32::from(mode.max(1)), self.line.column),
            b'A' | b'B' | b'E' | b'F' => self.leave_line(None),
            b'J' if mode != 0 => self.leave_line(None),
            b'J' | b'K' => self.line.erase(mode),
            b'X' => self.line.blank(count),
            b'P' => self.line.delete(count),
            b'@' => self.line.insert(count),
            _ => {}
        }
    }

    fn go_to(&mut self, row: u32, column: usize) {
        if self.row != Some(row) {
            self.leave_line(Some(row));
        }
        self.line.column = column;
    }

    /// The cursor goes elsewhere on the screen: what it leaves is a line.
    fn leave_line(&mut self, row: Option<u32>) {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.row = row;
    }

    fn end_line(&mut self) {
        self.line.end(self.colours, &mut self.text);
    }
}

/// Text of somebody else on one line, for a table or a sentence.
pub(crate) fn one_line(text: &str) -> String {
    let mut readable = Readable::new(Colours::Drop);
    let lines = readable.read(text.as_bytes()) + &readable.finish();
    lines.lines().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
