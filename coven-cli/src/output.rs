//! What is printed: text, tables, JSON. stdout is for what was asked for, stderr for the rest.
//!
//! Who only prints may block on a reader that does not read, and a signal ends that. Who catches
//! signals writes to [`Stdout`].

mod age;
mod stdout;
mod table;

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use crate::failure::Failure;

pub(crate) use age::age;
pub(crate) use stdout::Stdout;
pub(crate) use table::Table;

/// How long a line on stderr is waited for: a terminal that is stopped takes none.
const LINE_PATIENCE: Duration = Duration::from_secs(1);

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

/// A value as JSON on one line, for streams of them.
///
/// # Errors
/// When it has no JSON form.
pub(crate) fn json_line<T: Serialize>(value: &T) -> Result<String, Failure> {
    let text = serde_json::to_string(value)
        .map_err(|error| Failure::failed(format!("this has no JSON form: {error}")))?;
    Ok(text + "\n")
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

/// Prints a line on stderr. Where it cannot be read, nothing can be done about it; one who does
/// not read it keeps nobody for long.
pub(crate) fn complain(line: &str) {
    let line = format!("{line}\n");
    let (done, written) = mpsc::channel();
    let copy = line.clone();
    let writing = thread::Builder::new().spawn(move || {
        let _ = io::stderr().write_all(copy.as_bytes());
        let _ = done.send(());
    });
    let _ = match writing {
        Ok(_) => written
            .recv_timeout(LINE_PATIENCE)
            .map_err(io::Error::other),
        Err(_no_thread) => io::stderr().write_all(line.as_bytes()),
    };
}

/// Puts a question to whoever is at the terminal that stderr is, on a line that the answer ends.
pub(crate) fn ask(question: &str) {
    // Where it cannot be read there is no answer either.
    let _ = io::stderr().write_all(question.as_bytes());
}

/// Prints a line on stderr for a person: nothing when stderr is no terminal.
pub(crate) fn tell(line: &str) {
    if io::stderr().is_terminal() {
        complain(line);
    }
}
