//! Claude Code's command lines.
//!
//! ```text
//! interactive      claude                CONVERSATION [--model M] [-- PROMPT]
//! nonInteractive   claude --print        CONVERSATION [--model M]  -- PROMPT
//! by stdin         claude --print        CONVERSATION [--model M]
//! stream           claude --print STREAM CONVERSATION [--model M]
//!
//! CONVERSATION     --session-id UUID, or --resume UUID
//! ```

use coven_core::{ConversationId, Launch, LaunchMode, Model, Prompt, Refusal};

use crate::{CommandLine, ConversationPlan, Stdin, Wiring, conversation, prompt, stream};

/// Claude Code writes JSON lines with `--verbose` only.
const STREAM: [&str; 5] = [
    "--input-format",
    "stream-json",
    "--output-format",
    "stream-json",
    "--verbose",
];

pub(super) fn command(
    launch: &Launch,
    conversation: &ConversationPlan,
) -> Result<CommandLine, Refusal> {
    if let Some(policy) = &launch.policy {
        return Err(policy.refused());
    }
    let options = options(launch.model.as_ref(), conversation)?;
    let line = match launch.mode {
        LaunchMode::Interactive => interactive(launch.prompt.as_ref(), options)?,
        LaunchMode::NonInteractive => print(prompt::of_task(launch)?, options),
        LaunchMode::Stream => {
            let first_line = stream::user_message(prompt::of_task(launch)?.as_str());
            CommandLine::new(Wiring::Pipes { first_line })
                .args(["--print"])
                .args(STREAM)
                .args(options)
        }
    };
    Ok(line.identified(id(conversation).clone()))
}

fn interactive(text: Option<&Prompt>, options: Vec<String>) -> Result<CommandLine, Refusal> {
    let line = CommandLine::new(Wiring::Terminal).args(options);
    let Some(text) = text else {
        return Ok(line);
    };
    let text = prompt::as_argument(text)?;
    let line = line.args(["--"]);
    Ok(if could_be_a_subcommand(text) {
        line.prompt(format!("{text} "))
    } else {
        line.prompt(text)
    })
}

/// A prompt that is exactly a subcommand's name (`doctor`, `mcp`, `update`) runs the subcommand,
/// `--` or not; with a space after it, it is a prompt. Every version has further names, so any
/// single word that could be one gets the space. `--print` has no such trap.
fn could_be_a_subcommand(prompt: &str) -> bool {
    const LONGEST_NAME_BYTES: usize = 64;
    prompt.len() <= LONGEST_NAME_BYTES
        && prompt.starts_with(|first: char| first.is_ascii_lowercase())
        && prompt
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

fn print(text: &Prompt, options: Vec<String>) -> CommandLine {
    let by_argument = text.fits_argument();
    let stdin = if by_argument {
        Stdin::Null
    } else {
        prompt::by_stdin(text)
    };
    let line = CommandLine::new(Wiring::TerminalOutput { stdin })
        .args(["--print"])
        .args(options);
    if by_argument {
        line.args(["--"]).prompt(text.as_str())
    } else {
        line
    }
}

fn options(model: Option<&Model>, conversation: &ConversationPlan) -> Result<Vec<String>, Refusal> {
    let flag = match conversation {
        ConversationPlan::New { .. } => "--session-id",
        ConversationPlan::Resume { .. } => "--resume",
    };
    let id = conversation::uuid(id(conversation))?;
    let mut options = vec![flag.to_owned(), id.as_str().to_owned()];
    if let Some(model) = model {
        let model = model.without_provider()?;
        options.extend(["--model".to_owned(), model.as_str().to_owned()]);
    }
    Ok(options)
}

fn id(conversation: &ConversationPlan) -> &ConversationId {
    let (ConversationPlan::New { id } | ConversationPlan::Resume { id }) = conversation;
    id
}
