//! `Failure`: why a command did not do what was asked, in one sentence.

use std::fmt;
use std::io;

use crate::exit::Exit;
use crate::{output, text};

/// What is printed on stderr, and how the process ends.
///
/// The message is one sentence without a full stop: the cause, and after it what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    unheard: bool,
}

impl Failure {
    /// A failure with its exit and its sentence.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            unheard: false,
        }
    }

    /// The same, where no answer was heard: no daemon took the question (there was none, or it is
    /// about to end), or its connection broke, and what was asked may have been done.
    pub(crate) fn unheard(self) -> Self {
        Self {
            unheard: true,
            ..self
        }
    }

    /// Wrong arguments, or wrong content of something the caller wrote.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Any other failure.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// An end that needs no words.
    pub(crate) fn quiet(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// Writing to stdout failed. A pipe that nobody reads any more is a quiet end.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::quiet(Exit::BROKEN_PIPE);
        }
        Self::failed(format!("the output could not be written: {error}"))
    }

    /// The same with a word more, unless it needs none.
    pub(crate) fn and(mut self, more: &str) -> Self {
        if !self.message.is_empty() {
            self.message.push_str("; ");
            self.message.push_str(more);
        }
        self
    }

    /// How the process ends.
    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    /// Whether no answer was heard: who may ask twice asks the next daemon.
    pub(crate) const fn is_unheard(&self) -> bool {
        self.unheard
    }

    /// Prints it on stderr, unless it is a quiet one. What somebody else said is in some
    /// messages: one line, and nothing that steers.
    pub(crate) fn tell(&self) {
        if !self.message.is_empty() {
            output::complain(&format!("coven: {}", text::one_line(&self.message)));
        }
    }

    /// The same, where it is one of many: it says `whose` it is.
    pub(crate) fn tell_of(&self, whose: &str) {
        if self.message.is_empty() || self.message.contains(whose) {
            return self.tell();
        }
        Self::new(self.exit, format!("{whose}: {}", self.message)).tell();
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
