//! Whether a harness would start to work in a project, or first ask somebody something.

use crate::environment::Environment;
use crate::user_files::Warning;

/// What can be told by reading the harness's files, of what keeps its first prompt from running:
/// where it waits in a dialog, Coven does not answer for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether it can reach its model's provider as somebody.
    pub signed_in: Finding,
    /// Whether the user trusts the project's folder. A harness asks in interactive mode only.
    pub folder_trusted: Finding,
}

/// Something found out, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is so.
    pub answer: Answer,
    /// A sentence for people: how it is known, or what to do.
    pub note: String,
}

/// Whether something is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It is.
    Yes,
    /// It is not: the harness will ask, or fail.
    No,
    /// The files do not tell.
    Unknown,
}

impl Answer {
    /// The word clients see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

impl Readiness {
    /// Nothing can be told, for this reason.
    pub(crate) fn unknown(note: &str) -> Self {
        Self {
            signed_in: Finding::unknown(note),
            folder_trusted: Finding::unknown(note),
        }
    }
}

impl Finding {
    pub(crate) fn yes(note: impl Into<String>) -> Self {
        Self::new(Answer::Yes, note)
    }

    pub(crate) fn no(note: impl Into<String>) -> Self {
        Self::new(Answer::No, note)
    }

    pub(crate) fn unknown(note: impl Into<String>) -> Self {
        Self::new(Answer::Unknown, note)
    }

    /// The file that would tell could not be used.
    pub(crate) fn untold(warning: &Warning) -> Self {
        Self::unknown(format!("{} {}", warning.path.display(), warning.message))
    }

    fn new(answer: Answer, note: impl Into<String>) -> Self {
        let note = note.into();
        Self { answer, note }
    }
}

/// The first of these variables that has a value.
pub(crate) fn first_set<'a>(environment: &Environment, names: &[&'a str]) -> Option<&'a str> {
    names.iter().copied().find(|name| is_set(environment, name))
}

/// Whether a variable has a value.
pub(crate) fn is_set(environment: &Environment, name: &str) -> bool {
    environment.get(name).is_some_and(|value| !value.is_empty())
}
