//! `LogLevel`: how much the daemon logs.

use std::fmt;
use std::str::FromStr;

/// A level, or directives such as `info,coven_store=debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogLevel(String);

impl LogLevel {
    /// The filter it stands for.
    pub(crate) fn filter(&self) -> tracing_subscriber::EnvFilter {
        tracing_subscriber::EnvFilter::new(&self.0)
    }
}

impl Default for LogLevel {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A word alone would be taken for the name of a module.
        let known = ["off", "error", "warn", "info", "debug", "trace"];
        let is_level = known.contains(&text.to_ascii_lowercase().as_str());
        let is_filter = text.contains('=') && tracing_subscriber::EnvFilter::try_new(text).is_ok();
        if is_level || is_filter {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "{text:?} is no log level; use {}, or directives like info,coven_store=debug",
            known.join(", ")
        ))
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
