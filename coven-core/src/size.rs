//! `TermSize`: how large a terminal is.

use crate::Refusal;

/// A terminal's size in character cells, 1 to 1000 each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TermSize {
    cols: u16,
    rows: u16,
}

impl TermSize {
    /// 80 × 24, what a launch gets that names no size.
    pub const DEFAULT: Self = Self { cols: 80, rows: 24 };

    /// The most columns, or rows, a terminal may have.
    pub const MAX: u16 = 1000;

    /// Checks a size that came from outside.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming `cols` or `rows` when it is not 1 to 1000.
    pub fn parse(cols: i64, rows: i64) -> Result<Self, Refusal> {
        Ok(Self {
            cols: side("cols", cols)?,
            rows: side("rows", rows)?,
        })
    }

    /// Columns.
    pub const fn cols(self) -> u16 {
        self.cols
    }

    /// Rows.
    pub const fn rows(self) -> u16 {
        self.rows
    }
}

impl Default for TermSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

fn side(field: &'static str, cells: i64) -> Result<u16, Refusal> {
    u16::try_from(cells)
        .ok()
        .filter(|cells| (1..=TermSize::MAX).contains(cells))
        .ok_or_else(|| Refusal::invalid(field, cells.to_string(), "must be 1 to 1000"))
}
