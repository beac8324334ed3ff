//! `Table`: rows of cells in columns.

use std::fmt;

/// A table with a header. The last column is never padded, and every cell is one line.
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
    /// The table, each of its lines cut to `width` characters.
    pub(crate) fn cut_to(&self, width: usize) -> String {
        self.to_string()
            .lines()
            .map(|line| match line.char_indices().nth(width) {
                Some(_) => {
                    let kept: String = line.chars().take(width.saturating_sub(1)).collect();
                    format!("{kept}…\n")
                }
                None => format!("{line}\n"),
            })
            .collect()
    }
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            self.rows
                .iter()
                .map(|row| row[column].chars().count())
                .max()
        };
        let widths: [usize; COLUMNS] = std::array::from_fn(|column| width(column).unwrap_or(0));
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                if column + 1 == COLUMNS {
                    writeln!(f, "{cell}")?;
                } else {
                    write!(f, "{cell:<width$}", width = widths[column] + GAP)?;
                }
            }
        }
        Ok(())
    }
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
}
