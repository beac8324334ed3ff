//! Where Codex keeps what its user configured.

use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::user_files::{self, Warning};

/// Codex's own folder: `CODEX_HOME`, else `~/.codex`.
pub(super) fn folder(environment: &Environment) -> Option<PathBuf> {
    user_files::path_in(environment, "CODEX_HOME")
        .or_else(|| user_files::path_in(environment, "HOME").map(|home| home.join(".codex")))
}

/// Its configuration; empty where there is none.
pub(super) fn config(folder: &Path) -> Result<toml::Table, Warning> {
    let config = user_files::toml(&folder.join("config.toml"))?;
    Ok(config.unwrap_or_default())
}
