//! Claude Code.

mod args;
mod capabilities;
mod files;
mod readiness;

use std::path::Path;

use coven_core::{HarnessId, Launch, LaunchMode, Refusal};

use crate::capabilities::HarnessCapabilities;
use crate::environment::Environment;
use crate::readiness::Readiness;
use crate::{
    CannotRun, CommandLine, ConversationPlan, Harness, IdentitySource, Keystroke, Source,
    submission,
};

/// Anthropic's Claude Code CLI. Observed with 2.1.197.
#[derive(Debug)]
pub(crate) struct Claude {
    id: HarnessId,
}

impl Claude {
    pub(crate) fn new() -> Self {
        Self {
            id: HarnessId::parse("claude").expect("it is an id"),
        }
    }
}

impl Harness for Claude {
    fn id(&self) -> &HarnessId {
        &self.id
    }

    fn label(&self) -> &'static str {
        "Claude Code"
    }

    fn executable(&self) -> &'static str {
        "claude"
    }

    fn install_hint(&self) -> &'static str {
        "npm install -g @anthropic-ai/claude-code"
    }

    fn source(&self) -> Source {
        Source::Bundled
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
