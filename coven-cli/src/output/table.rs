//! `Table`: rows of cells in columns.

use std::fmt;

use unicode_width::UnicodeWidthStr;

/// A table with a header. The last column is never padded, and every cell is one line. Widths are
/// columns of a terminal: a wide character takes two, a combining one none.
#[derive(Debug)]
pub(crate) struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

/// Blanks between columns.
const GAP: usize = 2;

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// A table with this header.
    pub(crate) fn new(header: [&str; COLUMNS]) -> Self {
        Self {
            rows: vec![header.map(str::to_owned)],
        }
    }

    /// Adds a row. What would break the line or steer the terminal is shown by name.
    pub(crate) fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows
            .push(cells.map(|cell| crate::text::one_line(&cell)));
    }
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// The table, each of its lines cut to `width` columns.
    pub(crate) fn cut_to(&self, width: usize) -> String {
        self.to_string()
            .lines()
            .map(|line| {
                if line.width() <= width {
                    format!("{line}\n")
                } else {
                    format!("{}…\n", start_of(line, width.saturating_sub(1)))
                }
            })
            .collect()
    }
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| self.rows.iter().map(|row| row[column].width()).max();
        let widths: [usize; COLUMNS] = std::array::from_fn(|column| width(column).unwrap_or(0));
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                if column + 1 == COLUMNS {
                    writeln!(f, "{cell}")?;
                } else {
                    let padding = widths[column] + GAP - cell.width();
                    write!(f, "{cell}{:padding$}", "")?;
                }
            }
        }
        Ok(())
    }
}

/// The most of a line that fits `width` columns. What belongs to its last character stays with it:
/// the width of a whole start is looked at, since joined characters take less than their sum.
fn start_of(line: &str, width: usize) -> &str {
    let ends = line.char_indices().map(|(start, c)| start + c.len_utf8());
    let fits = ends.take_while(|end| line[..*end].width() <= width);
    &line[..fits.last().unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_a_cell_is_one_line() {
        let mut table = Table::new(["ID", "TITLE"]);
        table.row(["12345".into(), "two\nlines\x1b[31m ✓".into()]);
        table.row(["é".into(), String::new()]);
        assert_eq!(table.cut_to(9), "ID     T…\n12345  t…\né      \n");
        assert_eq!(
            table.to_string(),
            "ID     TITLE\n12345  two lines ✓\né      \n"
        );
    }

    #[test]
    fn wide_characters_take_two_columns_and_combining_ones_none() {
        let mut table = Table::new(["PROJECT", "TITLE"]);
        table.row(["修复测试".into(), "修复失败的测试".into()]);
        table.row([
            "e\u{301}te\u{301}".into(),
            "👩\u{200d}👩\u{200d}👧 x".into(),
        ]);
        assert_eq!(
            table.to_string(),
            "PROJECT   TITLE\n修复测试  修复失败的测试\ne\u{301}te\u{301}       👩\u{200d}👩\u{200d}👧 x\n"
        );
        // Half a character is none.
        assert_eq!(
            table.cut_to(14),
            "PROJECT   TIT…\n修复测试  修…\ne\u{301}te\u{301}       👩\u{200d}👩\u{200d}👧 x\n"
        );
        assert_eq!(table.cut_to(4), "PRO…\n修…\ne\u{301}te\u{301}…\n");
    }
}
