//! Hearing what a program says to its terminal.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::answer::answer;
use super::modes::Modes;
use super::scanner::Scanner;

/// Hears all output of one program, in order: the queries in it, each once, and the modes it
/// leaves the terminal in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listener {
    scanner: Scanner,
    modes: Modes,
}

/// A question a program asks its terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Where it stands in the output, in bytes since the first: its name, so that it is answered
    /// once even if it is read twice.
    pub range: Range<u64>,
    /// What to type in answer. Empty where silence is the honest answer: the clipboard, the size
    /// in pixels, what the screen shows. The cursor's position is told as row 1, column 1.
    pub reply: Vec<u8>,
}

impl Listener {
    /// Hears a program from its first byte.
    pub fn new() -> Self {
        Self::starting_at(0)
    }

    /// Hears a program from `offset` on, where a sequence or text starts.
    pub fn starting_at(offset: u64) -> Self {
        Self {
            scanner: Scanner::starting_at(offset),
            modes: Modes::default(),
        }
    }

    /// Hears the next bytes. A query that is cut is given once its end has come.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<Query> {
        let Self { scanner, modes } = self;
        let mut queries = Vec::new();
        scanner.scan(bytes, |range, sequence| {
            modes.apply(&sequence);
            if let Some(reply) = answer(&sequence, modes) {
                queries.push(Query { range, reply });
            }
        });
        queries
    }

    /// Where the next byte stands, in bytes since the first.
    pub fn offset(&self) -> u64 {
        self.scanner.offset()
    }

    /// Whether it is one that can be, however it was stored.
    pub fn is_sound(&self) -> bool {
        self.scanner.is_sound()
    }

    /// Hears nothing before `offset` any more, where a sequence or text starts. The modes stay as they are.
    pub fn pass_over_to(&mut self, offset: u64) {
        self.scanner = Scanner::starting_at(offset);
    }

    /// The modes in force after all that was heard.
    pub fn modes(&self) -> &Modes {
        &self.modes
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self::new()
    }
}
