//! Whether Codex would start to work, or first ask.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::files;
use crate::environment::Environment;
use crate::readiness::{Finding, Readiness, first_set, is_set};
use crate::user_files;

pub(super) fn read(environment: &Environment, project: &Path) -> Readiness {
    let Some(folder) = files::folder(environment) else {
        return Readiness::unknown("neither CODEX_HOME nor HOME is set");
    };
    match files::config(&folder) {
        Ok(config) => Readiness {
            signed_in: signed_in(environment, &folder, &config),
            folder_trusted: trusted(&config, project),
        },
        Err(warning) => Readiness {
            signed_in: Finding::untold(&warning),
            folder_trusted: Finding::untold(&warning),
        },
    }
}

fn signed_in(environment: &Environment, folder: &Path, config: &toml::Table) -> Finding {
    let text = |key: &str| config.get(key).and_then(toml::Value::as_str);
    match text("model_provider") {
        Some(name) if name != "openai" => {
            if let Some(finding) = by_provider(environment, config, name) {
                return finding;
            }
        }
        Some(_) | None => {}
    }
    match user_files::json(&folder.join("auth.json")) {
        Ok(Some(auth)) if holds_credential(&auth) => {
            return Finding::yes("signed in (auth.json)");
        }
        Ok(_) => {}
        Err(warning) => return Finding::untold(&warning),
    }
    if text("cli_auth_credentials_store").is_some_and(|store| store != "file") {
        return Finding::unknown(
            "credentials are in the system's keyring; `codex login status` tells",
        );
    }
    match first_set(environment, &["CODEX_API_KEY", "OPENAI_API_KEY"]) {
        Some(name) => Finding::unknown(format!(
            "{name} is enough for nonInteractive; for interactive, run `codex login` once"
        )),
        None => Finding::no("run `codex login`"),
    }
}

/// What a provider of the user's own needs; `None` where it needs what OpenAI's does.
fn by_provider(environment: &Environment, config: &toml::Table, name: &str) -> Option<Finding> {
    let Some(provider) = config.get("model_providers").and_then(|all| all.get(name)) else {
        return Some(Finding::yes(format!("uses its built-in provider {name}")));
    };
    if provider
        .get("requires_openai_auth")
        .and_then(toml::Value::as_bool)
        == Some(true)
    {
        return None;
    }
    Some(
        match provider.get("env_key").and_then(toml::Value::as_str) {
            Some(key) if is_set(environment, key) => {
                Finding::yes(format!("uses the provider {name} with {key}"))
            }
            Some(key) => Finding::no(format!("set {key}, which the provider {name} needs")),
            None => Finding::yes(format!("uses the provider {name}, which needs no key")),
        },
    )
}

/// Codex asks in a git repository, unless its root is trusted: the main one's, for a linked
/// worktree too.
fn trusted(config: &toml::Table, project: &Path) -> Finding {
    let Some(root) = repository(project) else {
        return Finding::yes("not a git repository, so Codex does not ask");
    };
    let level = |folder: &Path| {
        let projects = config.get("projects")?;
        projects.get(folder.to_str()?)?.get("trust_level")?.as_str()
    };
    match level(project).or_else(|| level(&root)) {
        Some("trusted") => Finding::yes("trusted in config.toml"),
        Some(other) => Finding::no(format!(
            "config.toml says it is {other}; run `codex` there to decide anew"
        )),
        None => Finding::no("run `codex` in the project once and trust the folder"),
    }
}

/// The root of the repository that a folder is in.
fn repository(folder: &Path) -> Option<PathBuf> {
    let root = folder
        .ancestors()
        .find(|above| above.join(".git").exists())?;
    Some(main_worktree(root).unwrap_or_else(|| root.to_owned()))
}

/// Of a linked worktree, whose `.git` is a file with `gitdir: MAIN/.git/worktrees/NAME`: MAIN.
fn main_worktree(root: &Path) -> Option<PathBuf> {
    const LINK_BYTES: u64 = 4096;
    let link = user_files::head(&root.join(".git"), LINK_BYTES).ok()??;
    let target = root.join(link.strip_prefix("gitdir:")?.trim());
    let worktrees = target.parent()?;
    let git = worktrees
        .parent()
        .filter(|_| worktrees.ends_with("worktrees"))?;
    git.ends_with(".git")
        .then(|| git.parent())?
        .map(Path::to_owned)
}

/// An API key, or the tokens of an account.
fn holds_credential(auth: &user_files::Object) -> bool {
    let key = auth.get("OPENAI_API_KEY").and_then(Value::as_str);
    let tokens = auth.get("tokens").and_then(Value::as_object);
    key.is_some_and(|key| !key.is_empty()) || tokens.is_some_and(|tokens| !tokens.is_empty())
}
