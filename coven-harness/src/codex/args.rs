//! Codex's command lines.
//!
//! ```text
//! interactive      codex        NO_SERVER      [--model M]              -- PROMPT
//!                  codex resume NO_SERVER      [--model M]        UUID [-- PROMPT]
//! nonInteractive   codex exec   EXEC NO_SERVER [--model M]              -- PROMPT
//!                  codex exec   EXEC NO_SERVER [--model M] resume UUID  -- PROMPT
//! by stdin         codex exec   …                                       -
//! ```

use coven_core::{ConversationId, Launch, LaunchMode, LaunchPolicy, Model, Prompt, Refusal};

use crate::{CannotRun, CommandLine, ConversationPlan, Stdin, Wiring, conversation, prompt};

/// Without it Codex leaves a server behind that outlives the session and its kill. The newer flag
/// `--no-daemon` says the same, but older versions do not start with it.
const NO_SERVER: [&str; 2] = ["-c", "features.daemon_auto_start=false"];

/// A project need not be a git repository; and output is recorded as text, so without colours.
const EXEC: [&str; 4] = ["exec", "--skip-git-repo-check", "--color", "never"];

pub(super) fn command(
    launch: &Launch,
    conversation: &ConversationPlan,
) -> Result<CommandLine, CannotRun> {
    if let Some(policy) = &launch.policy
        && launch.mode != LaunchMode::NonInteractive
    {
        return Err(policy.refused().into());
    }
    let model = model(launch.model.as_ref())?;
    let resumed = match conversation {
        ConversationPlan::New { .. } => None, // Codex makes an id of its own, and takes none.
        ConversationPlan::Resume { id } => Some(conversation::uuid(id)?),
    };
    let line = match launch.mode {
        LaunchMode::Interactive => interactive(launch.prompt.as_ref(), &model, resumed)?,
        LaunchMode::NonInteractive => exec(launch, prompt::of_task(launch)?, &model, resumed),
        LaunchMode::Stream => {
            let reason = "Codex has no stream mode; launch it interactive or nonInteractive";
            let reason = reason.to_owned();
            return Err(CannotRun::Unsupported { reason });
        }
    };
    Ok(match resumed {
        Some(id) => line.identified(id.clone()),
        None => line,
    })
}

fn interactive(
    text: Option<&Prompt>,
    model: &[String],
    resumed: Option<&ConversationId>,
) -> Result<CommandLine, Refusal> {
    let line = CommandLine::new(Wiring::Terminal)
        .args(resumed.map(|_| "resume"))
        .args(NO_SERVER)
        .args(model)
        .args(resumed.map(ConversationId::as_str));
    Ok(match text {
        Some(text) => line.args(["--"]).prompt(prompt::as_argument(text)?),
        None => line,
    })
}

fn exec(
    launch: &Launch,
    text: &Prompt,
    model: &[String],
    resumed: Option<&ConversationId>,
) -> CommandLine {
    // As an argument, a lone hyphen means stdin, even after `--`.
    let by_stdin = !text.fits_argument() || text.as_str() == "-";
    let stdin = if by_stdin {
        prompt::by_stdin(text)
    } else {
        Stdin::Null
    };
    let line = CommandLine::new(Wiring::TerminalOutput { stdin })
        .args(EXEC)
        .args(NO_SERVER)
        .args(model)
        .args(launch.policy.as_ref().map_or_else(Vec::new, policy))
        // These are options of `exec`; its `resume` does not take all of them.
        .args(resumed.into_iter().flat_map(|id| ["resume", id.as_str()]));
    if by_stdin {
        line.args(["-"])
    } else {
        line.args(["--"]).prompt(text.as_str())
    }
}

/// `exec` never asks for approval, so the policy's other half needs no flag.
fn policy(policy: &LaunchPolicy) -> Vec<String> {
    let sandbox = ["--sandbox", "workspace-write"].map(str::to_owned);
    let added = policy
        .add_dirs
        .iter()
        .flat_map(|dir| ["--add-dir".to_owned(), dir.clone()]);
    sandbox.into_iter().chain(added).collect()
}

fn model(model: Option<&Model>) -> Result<Vec<String>, Refusal> {
    let model = model.map(Model::without_provider).transpose()?;
    Ok(model.map_or_else(Vec::new, |model| {
        vec!["--model".to_owned(), model.as_str().to_owned()]
    }))
}
