//! `Harness`: what Coven knows of one kind of coding agent.

use std::fmt;
use std::path::Path;

use bytes::Bytes;
use coven_core::{HarnessId, Launch, LaunchMode, Refusal};

use crate::capabilities::HarnessCapabilities;
use crate::environment::Environment;
use crate::readiness::Readiness;
use crate::{CommandLine, ConversationPlan, IdentitySource, Keystroke, stream};

/// One kind of coding agent: how it is started, spoken to and recognised. Codex, Claude Code and
/// every manifest have one; a [`Registry`](crate::Registry) holds them.
///
/// The methods are pure and do not block, but for the two that read the user's files and say so.
pub trait Harness: fmt::Debug + Send + Sync {
    /// What it is called and where it is found.
    fn about(&self) -> &About;

    /// The command line of a launch. Ask before anything is written.
    ///
    /// # Errors
    /// - [`CannotRun::Refused`]: the request asks for what this harness never takes, such as a
    ///   conversation id that is not a UUID. Nothing is to be written.
    /// - [`CannotRun::Unsupported`]: the request is well formed, but this harness has no such
    ///   mode. The launch is recorded, and has failed.
    fn command(
        &self,
        launch: &Launch,
        conversation: &ConversationPlan,
    ) -> Result<CommandLine, CannotRun>;

    /// How a further prompt is typed into an interactive session. It ends with Enter: where the
    /// harness shows a question instead of its prompt, Enter answers it.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming `text` when it cannot be typed exactly: it is blank, holds a
    /// control character, or is longer or has more lines than the harness takes.
    fn submission(&self, text: &str) -> Result<Vec<Keystroke>, Refusal>;

    /// How its own id of the conversation becomes known in this mode.
    fn identity(&self, mode: LaunchMode) -> IdentitySource;

    /// One input of a stream session, as the line its stdin takes, line feed included.
    fn stream_input(&self, text: &str) -> Bytes {
        stream::user_message(text)
    }

    /// What it has configured for the user whose environment this is. Blocks for reading the
    /// user's files, which it never writes.
    fn capabilities(&self, _environment: &Environment) -> HarnessCapabilities {
        HarnessCapabilities::default()
    }

    /// Whether it would start to work in `project`, a canonical path, or first ask something.
    /// Blocks for reading the user's files, which it never writes.
    fn readiness(&self, _environment: &Environment, _project: &Path) -> Readiness {
        Readiness::unknown("Coven does not know where this harness keeps that")
    }
}

/// What a harness is called and where it is found: the same for every launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The word by which a launch asks for it.
    pub id: HarnessId,
    /// Its name for people.
    pub label: String,
    /// Its program: a name to look up in the launch's PATH, or an absolute path.
    pub executable: String,
    /// What to do where the program is missing: a command, or a sentence.
    pub install_hint: String,
    /// Where it was declared.
    pub source: Source,
}

impl About {
    /// A harness of Coven itself, whose program has its id for a name.
    pub(crate) fn bundled(id: &str, label: &str, install_hint: &str) -> Self {
        Self {
            id: HarnessId::parse(id).expect("it is an id"),
            label: label.to_owned(),
            executable: id.to_owned(),
            install_hint: install_hint.to_owned(),
            source: Source::Bundled,
        }
    }
}

/// Where a harness was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// In Coven itself.
    Bundled,
    /// In a manifest in the Coven home.
    Manifest,
}

impl Source {
    /// The word lists use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bundled => "bundled",
            Self::Manifest => "manifest",
        }
    }
}

/// Why a launch has no command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotRun {
    /// The request is at fault: answer `invalid_request` and write nothing.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The harness has no such mode: the launch has failed (`launch_failed`), for this reason.
    #[error("{reason}")]
    Unsupported {
        /// A sentence for people: what is missing, and what to use instead.
        reason: String,
    },
}
