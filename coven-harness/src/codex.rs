//! Codex.

mod args;
mod capabilities;
mod files;
mod identity;
mod readiness;

use std::path::Path;

use coven_core::{Launch, LaunchMode, Refusal};

use crate::capabilities::HarnessCapabilities;
use crate::environment::Environment;
use crate::readiness::Readiness;
use crate::{
    About, CannotRun, CommandLine, ConversationPlan, Harness, IdentitySource, Keystroke, submission,
};

/// OpenAI's Codex CLI. Observed with 0.169.0.
#[derive(Debug)]
pub(crate) struct Codex {
    about: About,
}

impl Codex {
    pub(crate) fn new() -> Self {
        Self {
            about: About::bundled("codex", "Codex", "npm install -g @openai/codex"),
        }
    }
}

impl Harness for Codex {
    fn about(&self) -> &About {
        &self.about
    }

    fn command(
        &self,
        launch: &Launch,
        conversation: &ConversationPlan,
    ) -> Result<CommandLine, CannotRun> {
        args::command(launch, conversation)
    }

    /// Enter in the same write as plain text is a line break to Codex; after a bracketed paste it
    /// submits.
    fn submission(&self, text: &str) -> Result<Vec<Keystroke>, Refusal> {
        submission::paste(text)
    }

    fn identity(&self, mode: LaunchMode) -> IdentitySource {
        identity::source(mode)
    }

    fn capabilities(&self, environment: &Environment) -> HarnessCapabilities {
        capabilities::read(environment)
    }

    fn readiness(&self, environment: &Environment, project: &Path) -> Readiness {
        readiness::read(environment, project)
    }
}
