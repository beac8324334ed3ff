//! Harnesses that users declare in TOML files of their Coven home, `harnesses/*.toml`.
//!
//! `docs/harnesses.md` shows how to write one.

mod declaration;
mod folder;
mod template;

use std::fmt;
use std::path::{Path, PathBuf};

use coven_core::{Launch, LaunchMode, Refusal};

use crate::{
    About, CannotRun, CommandLine, ConversationPlan, Harness, IdentitySource, Keystroke, Stdin,
    Wiring, prompt, submission,
};
use declaration::{Declaration, Mode, Submit};
use template::{PromptPlace, Template};

/// A manifest that was passed over, and why. The others are not affected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadManifest {
    /// The file, or the folder where it is the folder that cannot be used.
    pub file: PathBuf,
    /// What to mend, with the line and the key where there is one.
    pub problem: String,
}

impl fmt::Display for BadManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.problem)
    }
}

/// A harness as a manifest declares it.
#[derive(Debug)]
pub(crate) struct Declared(Declaration);

/// Reads all manifests of a folder, by file name; one that does not exist has none. Blocks for
/// reading them.
pub(crate) fn load(folder: &Path) -> Vec<(PathBuf, Result<Declared, String>)> {
    match folder::read(folder) {
        Ok(files) => files
            .into_iter()
            .map(|(file, text)| (file, text.and_then(|text| Declared::parse(&text))))
            .collect(),
        Err(problem) => vec![(folder.to_owned(), Err(problem))],
    }
}

impl Declared {
    /// The harness that a manifest's text declares; or what is wrong with it, as a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Declaration::parse(text).map(Self)
    }
}

impl Harness for Declared {
    fn about(&self) -> &About {
        &self.0.about
    }

    fn command(
        &self,
        launch: &Launch,
        conversation: &ConversationPlan,
    ) -> Result<CommandLine, CannotRun> {
        if let Some(policy) = &launch.policy {
            return Err(policy.refused().into());
        }
        let Some(mode) = self.0.mode(launch.mode) else {
            let (label, asked) = (&self.0.about.label, launch.mode.as_str());
            let reason = format!("{label} has no {asked} mode: its manifest declares none");
            return Err(CannotRun::Unsupported { reason });
        };
        let line = command(mode, launch, conversation)?;
        let variables = self.0.environment.iter();
        Ok(variables.fold(line, |line, (name, value)| line.variable(name, value)))
    }

    fn submission(&self, text: &str) -> Result<Vec<Keystroke>, Refusal> {
        match self.0.submit {
            Submit::Line => submission::line(text),
            Submit::Paste => submission::paste(text),
        }
    }

    fn identity(&self, mode: LaunchMode) -> IdentitySource {
        match self.0.mode(mode) {
            Some(mode) if mode.args.takes_conversation() => IdentitySource::CommandLine,
            Some(_) | None => IdentitySource::Never,
        }
    }
}

fn command(
    mode: &Mode,
    launch: &Launch,
    conversation: &ConversationPlan,
) -> Result<CommandLine, Refusal> {
    let (template, id) = match conversation {
        ConversationPlan::New { id } => (&mode.args, id),
        ConversationPlan::Resume { id } => {
            let problem = "is not to be had: this harness declares no way to resume in this mode";
            let none = || Refusal::invalid("conversation.mode", "resume", problem);
            (mode.resume.as_ref().ok_or_else(none)?, id)
        }
    };
    check_takes(template, launch)?;
    let wiring = match launch.mode {
        LaunchMode::Interactive => Wiring::Terminal,
        LaunchMode::NonInteractive | LaunchMode::Stream => {
            let prompt = prompt::of_task(launch)?;
            let stdin = match mode.prompt {
                PromptPlace::Stdin => prompt::by_stdin(prompt),
                PromptPlace::Argument => Stdin::Null,
            };
            Wiring::TerminalOutput { stdin }
        }
    };
    let prompt = match mode.prompt {
        PromptPlace::Stdin => None,
        PromptPlace::Argument => launch.prompt.as_ref(),
    };
    let prompt = prompt.map(prompt::as_argument).transpose()?;
    let line = template.fill(wiring, prompt, launch.model.as_ref(), id)?;
    Ok(if template.takes_conversation() {
        line.identified(id.clone())
    } else {
        line
    })
}

/// What a launch asks for and a template has no place for would be lost without a word.
fn check_takes(template: &Template, launch: &Launch) -> Result<(), Refusal> {
    if let Some(model) = &launch.model
        && !template.takes_model()
    {
        let problem = "cannot be chosen: this harness declares no way to, in this mode";
        return Err(Refusal::invalid("model", model.as_str(), problem));
    }
    if let Some(asked) = &launch.conversation
        && !template.takes_conversation()
    {
        let problem = "cannot be given: this harness declares no way to, in this mode";
        return Err(Refusal::invalid(
            "conversation.id",
            asked.id.as_str(),
            problem,
        ));
    }
    Ok(())
}
