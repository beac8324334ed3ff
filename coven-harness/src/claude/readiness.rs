//! Whether Claude Code would start to work, or first ask.

use std::path::Path;

use serde_json::Value;

use super::files::Files;
use crate::environment::Environment;
use crate::readiness::{Answer, Finding, Readiness, first_set};
use crate::user_files::{self, Object};

/// Claude Code knows an API key it has asked about by its last characters.
const KEY_TAIL_CHARS: usize = 20;

pub(super) fn read(environment: &Environment, project: &Path) -> Readiness {
    let Some(files) = Files::of(environment) else {
        return Readiness::unknown("neither CLAUDE_CONFIG_DIR nor HOME is set");
    };
    match user_files::json(&files.state) {
        Ok(state) => {
            let state = state.unwrap_or_default();
            Readiness {
                signed_in: signed_in(environment, &files, &state),
                folder_trusted: trusted(&state, project),
            }
        }
        Err(warning) => Readiness {
            signed_in: Finding::untold(&warning),
            folder_trusted: Finding::untold(&warning),
        },
    }
}

fn signed_in(environment: &Environment, files: &Files, state: &Object) -> Finding {
    let finding = credential(environment, files, state);
    let onboarded = state.get("hasCompletedOnboarding").and_then(Value::as_bool);
    if finding.answer == Answer::Yes && onboarded != Some(true) {
        return Finding::unknown(format!(
            "{}; run `claude` once to answer its first questions (nonInteractive asks none)",
            finding.note
        ));
    }
    finding
}

fn credential(environment: &Environment, files: &Files, state: &Object) -> Finding {
    let cloud = [
        "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_USE_VERTEX",
        "CLAUDE_CODE_USE_FOUNDRY",
    ];
    if let Some(name) = first_set(environment, &cloud) {
        return Finding::unknown(format!("{name} is set, so it is the cloud's to say"));
    }
    let tokens = ["ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"];
    if let Some(name) = first_set(environment, &tokens) {
        return Finding::yes(format!("uses {name}"));
    }
    if let Some(key) = environment
        .get("ANTHROPIC_API_KEY")
        .filter(|key| !key.is_empty())
    {
        return api_key(&key.to_string_lossy(), state);
    }
    if state.get("oauthAccount").is_some_and(Value::is_object) {
        return Finding::yes("signed in (.claude.json)");
    }
    match user_files::length(&files.folder.join(".credentials.json")) {
        Ok(Some(1..)) => return Finding::yes("signed in (.credentials.json)"),
        Ok(_) => {}
        Err(warning) => return Finding::untold(&warning),
    }
    match user_files::json(&files.folder.join("settings.json")) {
        Ok(Some(settings)) if settings.contains_key("apiKeyHelper") => {
            Finding::yes("uses the apiKeyHelper of settings.json")
        }
        Ok(_) => Finding::no("run `claude` once and sign in"),
        Err(warning) => Finding::untold(&warning),
    }
}

fn api_key(key: &str, state: &Object) -> Finding {
    let skipped = key.chars().count().saturating_sub(KEY_TAIL_CHARS);
    let tail: String = key.chars().skip(skipped).collect();
    let asked = state.get("customApiKeyResponses");
    let answered = |answer: &str| {
        let keys = asked.and_then(|asked| asked.get(answer)?.as_array());
        keys.is_some_and(|keys| keys.iter().any(|known| known.as_str() == Some(&tail)))
    };
    if answered("approved") {
        Finding::yes("uses ANTHROPIC_API_KEY, which you approved")
    } else if answered("rejected") {
        Finding::no("you refused ANTHROPIC_API_KEY once; run `claude`, then /config, to allow it")
    } else {
        Finding::unknown(
            "Claude Code will ask whether to use ANTHROPIC_API_KEY; run `claude` once and say yes \
             (nonInteractive does not ask)",
        )
    }
}

/// Trust in a folder holds for what is in it.
fn trusted(state: &Object, project: &Path) -> Finding {
    let accepted = |folder: &Path| {
        let settings = state.get("projects")?.get(folder.to_str()?)?;
        settings.get("hasTrustDialogAccepted")?.as_bool()
    };
    match project
        .ancestors()
        .find(|folder| accepted(folder) == Some(true))
    {
        Some(folder) => Finding::yes(format!("you trust {}", folder.display())),
        None => Finding::no("run `claude` in the project once and trust the folder"),
    }
}
