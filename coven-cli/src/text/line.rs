//! `Line`: the line being written, as a row of cells that can be written over.

use unicode_width::UnicodeWidthChar;

use super::style::{Colours, Style};

/// A line longer than this is broken: it bounds what a file without line feeds takes in memory.
const MAX_CELLS: usize = 8 * 1024;

/// More marks than this on one character are no writing of anybody: it bounds what they take.
const MAX_MARKS_BYTES: usize = 64;

/// One column. A wide character has two.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cell {
    /// A character, and what takes no column of its own: accents, joiners.
    Character {
        character: char,
        marks: String,
        style: Style,
    },
    /// The right half of the wide character before it.
    RightHalf,
}

const BLANK: char = ' ';

/// One line, its cursor, and how much of it has been given already.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Where the next character goes.
    pub(super) column: usize,
    /// How the next character looks.
    pub(super) style: Style,
    cells: Vec<Cell>,
    /// The cells that were given before the line was whole.
    shown: Vec<Cell>,
}

impl Line {
    /// Whether nothing is on it, and nothing of it was given.
    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.shown.is_empty()
    }

    /// Whether it should be ended now.
    pub(super) fn is_full(&self) -> bool {
        self.column >= MAX_CELLS
    }

    /// Writes a character at the cursor.
    pub(super) fn put(&mut self, character: char) {
        self.column = self.column.min(MAX_CELLS);
        let columns = match character.width() {
            _ if character.is_ascii() => 1,
            Some(0) => return self.mark(character),
            Some(2) => 2,
            // A tab among others: it stays one, whatever it spans.
            Some(_) | None => 1,
        };
        let written = Cell::Character {
            character,
            marks: String::new(),
            style: self.style,
        };
        let end = self.column + columns;
        if self.column < self.cells.len() {
            self.part(self.column);
            self.part(end);
            self.cells
                .resize(end.max(self.cells.len()), Cell::RightHalf);
            self.cells[self.column] = written;
            self.cells[self.column + 1..end].fill(Cell::RightHalf);
        } else {
            // Nearly always: at its end.
            self.cells.resize(self.column, blank());
            self.cells.push(written);
            self.cells.resize(end, Cell::RightHalf);
        }
        self.column = end;
    }

    /// Adds to the character before the cursor what takes no column. Where there is none, there is
    /// nothing to see.
    fn mark(&mut self, mark: char) {
        let before = self.cells.get_mut(..self.column).unwrap_or_default();
        let marked = before.iter_mut().rev().find_map(|cell| match cell {
            Cell::Character { marks, .. } => Some(marks),
            Cell::RightHalf => None,
        });
        if let Some(marks) = marked
            && marks.len() < MAX_MARKS_BYTES
        {
            marks.push(mark);
        }
    }

    /// Parts what is left of a column from what is not: of a wide character across it, neither
    /// half is left.
    fn part(&mut self, column: usize) {
        if self.cells.get(column) == Some(&Cell::RightHalf) {
            self.cells[column - 1..=column].fill(blank());
        }
    }

    /// Erases to the end (0), from the start (1), or all of it (2).
    pub(super) fn erase(&mut self, mode: u16) {
        match mode {
            0 => {
                self.part(self.column);
                self.cells.truncate(self.column);
            }
            1 => {
                self.part(self.column.saturating_add(1));
                let end = self.column.saturating_add(1).min(self.cells.len());
                self.cells[..end].fill(blank());
            }
            _ => self.cells.clear(),
        }
    }

    /// Blanks `count` cells from the cursor on.
    pub(super) fn blank(&mut self, count: usize) {
        let (start, end) = self.parted(count);
        self.cells[start..end].fill(blank());
    }

    /// Deletes `count` cells at the cursor; what is right of them moves left.
    pub(super) fn delete(&mut self, count: usize) {
        let (start, end) = self.parted(count);
        self.cells.drain(start..end);
    }

    /// Inserts `count` blanks at the cursor.
    pub(super) fn insert(&mut self, count: usize) {
        if self.column < self.cells.len() {
            self.part(self.column);
            let count = count.min(MAX_CELLS - self.cells.len().min(MAX_CELLS));
            let blanks = std::iter::repeat_n(blank(), count);
            self.cells.splice(self.column..self.column, blanks);
        }
    }

    /// Gives what is on it and was not given yet; it goes on.
    pub(super) fn show(&mut self, colours: Colours, text: &mut String) {
        self.give(colours, text);
        self.shown = self.visible().to_vec();
    }

    fn give(&self, colours: Colours, text: &mut String) {
        let cells = self.visible();
        if let Some(marks) = marks_since(&self.shown, cells) {
            text.push_str(marks);
            render(&cells[self.shown.len()..], colours, text);
        } else {
            // It was written over: what was given stands, and this is a new line.
            text.push('\n');
            render(cells, colours, text);
        }
    }

    /// Ends it: gives what is left of it and a line feed, and begins the next. The look stays.
    pub(super) fn end(&mut self, colours: Colours, text: &mut String) {
        if !self.visible().is_empty() {
            self.give(colours, text);
        }
        text.push('\n');
        self.cells.clear();
        self.shown.clear();
        self.column = 0;
    }

    /// Its cells without the blanks at its end.
    fn visible(&self) -> &[Cell] {
        let end = self
            .cells
            .iter()
            .rposition(|cell| !cell.is_blank())
            .map_or(0, |last| last + 1);
        &self.cells[..end]
    }

    /// Where `count` cells from the cursor on begin and end, parted from what is around them.
    fn parted(&mut self, count: usize) -> (usize, usize) {
        let start = self.column.min(self.cells.len());
        let end = start.saturating_add(count).min(self.cells.len());
        self.part(start);
        self.part(end);
        (start, end)
    }
}

impl Cell {
    fn is_blank(&self) -> bool {
        match self {
            Self::Character {
                character, marks, ..
            } => *character == BLANK && marks.is_empty(),
            Self::RightHalf => false,
        }
    }

    /// What was added to it since it was like `before`; `None` where it is another.
    fn marks_since(&self, before: &Self) -> Option<&str> {
        match (before, self) {
            (
                Self::Character {
                    character,
                    marks,
                    style,
                },
                Self::Character {
                    character: now,
                    marks: marks_now,
                    style: style_now,
                },
            ) if (character, style) == (now, style_now) => marks_now.strip_prefix(marks.as_str()),
            (Self::RightHalf, Self::RightHalf) => Some(""),
            (Self::Character { .. } | Self::RightHalf, _) => None,
        }
    }
}

fn blank() -> Cell {
    Cell::Character {
        character: BLANK,
        marks: String::new(),
        style: Style::default(),
    }
}

/// What was added to the last character of `shown`, where `cells` go on from there; `None` where
/// they do not.
fn marks_since<'a>(shown: &[Cell], cells: &'a [Cell]) -> Option<&'a str> {
    let mut added = "";
    for (before, now) in shown.iter().zip(cells) {
        let since = now.marks_since(before)?;
        match now {
            // Added to one that is not the last.
            Cell::Character { .. } if !added.is_empty() => return None,
            Cell::Character { .. } => added = since,
            Cell::RightHalf => {}
        }
    }
    (shown.len() <= cells.len()).then_some(added)
}

fn render(cells: &[Cell], colours: Colours, text: &mut String) {
    let mut style = Style::default();
    for cell in cells {
        let Cell::Character {
            character,
            marks,
            style: its_style,
        } = cell
        else {
            continue;
        };
        if colours == Colours::Keep && *its_style != style {
            style = *its_style;
            text.push_str(&style.sequence());
        }
        text.push(*character);
        text.push_str(marks);
    }
    if style != Style::default() {
        text.push_str(&Style::default().sequence());
    }
}
