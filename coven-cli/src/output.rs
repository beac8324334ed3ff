//! What is printed: text, tables, JSON. stdout is for what was asked for, stderr for the rest.

mod age;
mod table;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;

pub(crate) use age::age;
pub(crate) use table::Table;

/// Prints text on stdout.
///
/// # Errors
/// When it cannot be written; quietly, when nobody reads it.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// Writes bytes to stdout, at once and exactly.
///
/// # Errors
/// As [`print()`].
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::output(&error))
}

/// Prints a value as JSON: indented for people, on one line for programs.
///
/// # Errors
/// As [`print()`].
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = if io::stdout().is_terminal() {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    };
    let text = text.map_err(|error| Failure::failed(format!("this has no JSON form: {error}")))?;
    print(&format!("{text}\n"))
}

/// Prints a value as JSON on one line, for streams of them.
///
/// # Errors
/// As [`print()`].
pub(crate) fn json_line<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string(value)
        .map_err(|error| Failure::failed(format!("this has no JSON form: {error}")))?;
    print(&format!("{text}\n"))
}

/// Prints a table: its lines cut to the terminal's width, whole where stdout is no terminal.
///
/// # Errors
/// As [`print()`].
pub(crate) fn table<const COLUMNS: usize>(table: &Table<COLUMNS>) -> Result<(), Failure> {
    match crate::terminal::size_of(io::stdout()) {
        Some(size) => print(&table.cut_to(size.cols().into())),
        None => print(&table.to_string()),
    }
}

/// Prints a line on stderr. Where it cannot be read, nothing can be done about it.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints a line on stderr for a person: nothing when stderr is no terminal.
pub(crate) fn tell(line: &str) {
    if io::stderr().is_terminal() {
        complain(line);
    }
}
