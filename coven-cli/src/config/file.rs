//! The configuration file: a TOML table of [`KEYS`], those with a dot in a table within it.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::config::KEYS;
use crate::failure::Failure;

/// A configuration file that was read: every key known, every value as text.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    values: BTreeMap<String, String>,
}

/// How alike two words must be (0 to 1) for one to be suggested for the other.
const ALIKE: f64 = 0.7;

impl File {
    /// Reads a file; one that does not exist is empty. A link is followed, to a regular file.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        match text_of(path) {
            Ok(Some(text)) => Self::parse(path.to_owned(), &text),
            Ok(None) => Err(Failure::usage(format!(
                "{} is not a regular file",
                path.display()
            ))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self {
                path: path.to_owned(),
                values: BTreeMap::new(),
            }),
            Err(error) => Err(Failure::usage(format!(
                "{} cannot be read: {error}",
                path.display()
            ))),
        }
    }

    pub(super) fn parse(path: PathBuf, text: &str) -> Result<Self, Failure> {
        let shown = path.display();
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error
                .span()
                .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            Failure::usage(format!("{shown} line {line}: {}", error.message()))
        })?;
        let mut values = BTreeMap::new();
        for (key, value) in flat(table) {
            if !KEYS.contains(&key.as_str()) {
                return Err(Failure::usage(format!(
                    "{shown} has an unknown key {key:?}; {}",
                    suggestion(&key)
                )));
            }
            let text = match value {
                toml::Value::String(text) if !text.trim().is_empty() => text,
                toml::Value::Integer(number) => number.to_string(),
                _ => {
                    return Err(Failure::usage(format!(
                        "{shown}: {key} must be a text or a number that is not empty"
                    )));
                }
            };
            // A number where a text belongs is a mistake too.
            let is_number = text.bytes().all(|b| b.is_ascii_digit());
            let fits = match key.as_str() {
                "kill_grace_ms" => is_number,
                // With a unit or without.
                "retention.session_bytes" | "retention.total_bytes" => true,
                // What it lacks is said by who reads it.
                "retention.max_age" => true,
                _ => !is_number,
            };
            if !fits {
                return Err(Failure::usage(format!("{shown}: {key} cannot be {text:?}")));
            }
            values.insert(key, text);
        }
        Ok(Self { path, values })
    }

    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// What a table has, that of the tables within it under their names and a dot.
fn flat(table: toml::Table) -> Vec<(String, toml::Value)> {
    let mut flat = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(within) => {
                let within = within.into_iter();
                flat.extend(within.map(|(name, value)| (format!("{key}.{name}"), value)));
            }
            value => flat.push((key, value)),
        }
    }
    flat
}

/// The text of a regular file; `None` for anything else.
fn text_of(path: &Path) -> io::Result<Option<String>> {
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        // Without it, opening a FIFO would wait for somebody to write to it.
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(Some(text))
}

fn suggestion(key: &str) -> String {
    KEYS.into_iter()
        .map(|known| (strsim::jaro_winkler(key, known), known))
        .filter(|(alike, _)| *alike > ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(
            || format!("known keys: {}", KEYS.join(", ")),
            |(_, known)| format!("did you mean {known:?}?"),
        )
}
