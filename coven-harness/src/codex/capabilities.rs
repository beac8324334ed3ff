//! What Codex has configured for its user.

use super::files;
use crate::capabilities::{
    HarnessCapabilities, Plugin, PluginKind, SkillKind, instructions, markdown, shown, skills,
};
use crate::environment::Environment;
use crate::user_files::{self, Warnings};

pub(super) fn read(environment: &Environment) -> HarnessCapabilities {
    let mut warnings = Warnings::default();
    let mut found = HarnessCapabilities::default();
    if let Some(folder) = files::folder(environment) {
        // The first of the two that says something counts.
        found.global_instructions = ["AGENTS.override.md", "AGENTS.md"]
            .into_iter()
            .filter_map(|name| instructions(folder.join(name), &mut warnings))
            .find(|instructions| instructions.byte_count > 0);
        found.skills = skills(&folder.join("skills"), &mut warnings);
        let prompts = markdown(&folder.join("prompts"), SkillKind::Command, &mut warnings);
        found.skills.extend(prompts);
        let config = warnings.keep(files::config(&folder));
        for (key, kind) in [
            ("plugins", PluginKind::Plugin),
            ("mcp_servers", PluginKind::McpServer),
        ] {
            found.plugins.extend(plugins(&config, key, kind));
        }
    }
    if let Some(home) = user_files::path_in(environment, "HOME") {
        let shared = home.join(".agents/skills");
        found.skills.extend(skills(&shared, &mut warnings));
    }
    found.warnings = warnings.0;
    found
}

/// A table of tables, by name; one is on unless it says `enabled = false`.
fn plugins(config: &toml::Table, key: &str, kind: PluginKind) -> Vec<Plugin> {
    let table = config.get(key).and_then(toml::Value::as_table);
    let plugin = |(id, settings): (&String, &toml::Value)| Plugin {
        id: shown(id),
        kind,
        enabled: settings.get("enabled").and_then(toml::Value::as_bool) != Some(false),
    };
    table.into_iter().flatten().map(plugin).collect()
}
