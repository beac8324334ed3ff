//! Claude Code.

mod args;
mod capabilities;
mod files;
mod readiness;

use std::path::Path;

use coven_core::{Launch, LaunchMode, Refusal};

use crate::capabilities::HarnessCapabilities;
use crate::environment::Environment;
use crate::readiness::Readiness;
use crate::{
    About, CannotRun, CommandLine, ConversationPlan, Harness, IdentitySource, Keystroke, submission,
};

/// Anthropic's Claude Code CLI. Observed with 2.1.197.
#[derive(Debug)]
pub(crate) struct Claude {
    about: About,
}

impl Claude {
    pub(crate) fn new() -> Self {
        Self {
            about: About::bundled(
                "claude",
                "Claude Code",
                "npm install -g @anthropic-ai/claude-code",
            ),
        }
    }
}

impl Harness for Claude {
    fn about(&self) -> &About {
        &self.about
    }

    fn command(
        &self,
        launch: &Launch,
        conversation: &ConversationPlan,
    ) -> Result<CommandLine, CannotRun> {
        Ok(args::command(launch, conversation)?)
    }

    fn submission(&self, text: &str) -> Result<Vec<Keystroke>, Refusal> {
        submission::paste(text)
    }

    fn identity(&self, _mode: LaunchMode) -> IdentitySource {
        IdentitySource::CommandLine
    }

    fn capabilities(&self, environment: &Environment) -> HarnessCapabilities {
        capabilities::read(environment)
    }

    fn readiness(&self, environment: &Environment, project: &Path) -> Readiness {
        readiness::read(environment, project)
    }
}
