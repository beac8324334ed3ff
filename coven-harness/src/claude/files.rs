//! Where Claude Code keeps what its user configured.

use std::path::PathBuf;

use crate::environment::Environment;
use crate::user_files;

/// The two places of its files. `CLAUDE_CONFIG_DIR` moves both into one folder.
pub(super) struct Files {
    /// Instructions, skills, settings: `~/.claude`.
    pub(super) folder: PathBuf,
    /// What the program itself remembers: `~/.claude.json`.
    pub(super) state: PathBuf,
}

impl Files {
    pub(super) fn of(environment: &Environment) -> Option<Self> {
        if let Some(folder) = user_files::path_in(environment, "CLAUDE_CONFIG_DIR") {
            let state = folder.join(".claude.json");
            return Some(Self { folder, state });
        }
        let home = user_files::path_in(environment, "HOME")?;
        Some(Self {
            folder: home.join(".claude"),
            state: home.join(".claude.json"),
        })
    }
}
