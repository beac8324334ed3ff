//! `LaunchMode`: how a harness is wired.

use crate::Refusal;

/// How a harness is wired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LaunchMode {
    /// In a terminal, for a person to drive.
    Interactive,
    /// It does its task and ends; output in a terminal, no input.
    NonInteractive,
    /// JSON lines in and out over pipes.
    Stream,
}

impl LaunchMode {
    /// Reads `launchMode`.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for another word.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        [Self::Interactive, Self::NonInteractive, Self::Stream]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| {
                Refusal::invalid(
                    "launchMode",
                    text,
                    "must be interactive, nonInteractive or stream",
                )
            })
    }

    /// The word requests and records use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::NonInteractive => "nonInteractive",
            Self::Stream => "stream",
        }
    }

    /// Whether input can be sent to it.
    pub const fn takes_input(self) -> bool {
        match self {
            Self::Interactive | Self::Stream => true,
            Self::NonInteractive => false,
        }
    }

    /// Whether it has a terminal.
    pub const fn has_terminal(self) -> bool {
        match self {
            Self::Interactive | Self::NonInteractive => true,
            Self::Stream => false,
        }
    }
}
