//! `Line`: the line being written, as a row of cells that can be written over.

use super::style::{Colours, Style};

/// A line longer than this is broken: it bounds what a file without line feeds takes in memory.
const MAX_CELLS: usize = 8 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    character: char,
    style: Style,
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
        let style = self.style;
        if self.column >= self.cells.len() {
            self.pad(self.column);
            self.cells.push(Cell { character, style });
        } else {
            self.cells[self.column] = Cell { character, style };
        }
        self.column += 1;
    }

    /// Erases to the end (0), from the start (1), or all of it (2).
    pub(super) fn erase(&mut self, mode: u16) {
        match mode {
            0 => self.cells.truncate(self.column),
            1 => {
                let end = (self.column + 1).min(self.cells.len());
                self.cells[..end].fill(blank());
            }
            _ => self.cells.clear(),
        }
    }

    /// Blanks `count` cells from the cursor on.
    pub(super) fn blank(&mut self, count: usize) {
        let start = self.column.min(self.cells.len());
        let end = start.saturating_add(count).min(self.cells.len());
        self.cells[start..end].fill(blank());
    }

    /// Deletes `count` cells at the cursor; what is right of them moves left.
    pub(super) fn delete(&mut self, count: usize) {
        let start = self.column.min(self.cells.len());
        let end = start.saturating_add(count).min(self.cells.len());
        self.cells.drain(start..end);
    }

    /// Inserts `count` blanks at the cursor.
    pub(super) fn insert(&mut self, count: usize) {
        if self.column < self.cells.len() {
            let count = count.min(MAX_CELLS - self.cells.len().min(MAX_CELLS));
            let blanks = std::iter::repeat_n(blank(), count);
            self.cells.splice(self.column..self.column, blanks);
        }
    }

    /// Gives what is on it and was not given yet; it goes on.
    pub(super) fn show(&mut self, colours: Colours, text: &mut String) {
        let cells = self.visible();
        if cells.len() == self.shown.len() && cells == self.shown {
            return;
        }
        let shown = self.shown.len();
        if cells.starts_with(&self.shown) {
            render(&cells[shown..], colours, text);
        } else {
            // It was written over: what was given stands, and this is a new line.
            text.push('\n');
            render(cells, colours, text);
        }
        self.shown = cells.to_vec();
    }

    /// Ends it: gives what is left of it and a line feed, and begins the next. The look stays.
    pub(super) fn end(&mut self, colours: Colours, text: &mut String) {
        if !self.visible().is_empty() {
            self.show(colours, text);
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
            .rposition(|cell| cell.character != BLANK)
            .map_or(0, |last| last + 1);
        &self.cells[..end]
    }

    fn pad(&mut self, column: usize) {
        self.cells.resize(column, blank());
    }
}

fn blank() -> Cell {
    Cell {
        character: BLANK,
        style: Style::default(),
    }
}

fn render(cells: &[Cell], colours: Colours, text: &mut String) {
    let mut style = Style::default();
    for cell in cells {
        if colours == Colours::Keep && cell.style != style {
            style = cell.style;
            text.push_str(&style.sequence());
        }
        text.push(cell.character);
    }
    if style != Style::default() {
        text.push_str(&Style::default().sequence());
    }
}
