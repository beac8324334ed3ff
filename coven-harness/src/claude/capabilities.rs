//! What Claude Code has configured for its user.

use serde_json::Value;

use super::files::Files;
use crate::capabilities::{
    HarnessCapabilities, Plugin, PluginKind, SkillKind, instructions, markdown, shown, skills,
};
use crate::environment::Environment;
use crate::user_files::{self, Object, Warnings};

pub(super) fn read(environment: &Environment) -> HarnessCapabilities {
    let Some(Files { folder, state }) = Files::of(environment) else {
        return HarnessCapabilities::default();
    };
    let mut warnings = Warnings::default();
    let skills = [
        skills(&folder.join("skills"), &mut warnings),
        markdown(&folder.join("commands"), SkillKind::Command, &mut warnings),
        markdown(&folder.join("agents"), SkillKind::Agent, &mut warnings),
    ];
    let settings = warnings.keep(user_files::json(&folder.join("settings.json")));
    let state = warnings.keep(user_files::json(&state));
    let plugins = [
        // Written as {"NAME@MARKETPLACE": true}.
        plugins(
            settings.as_ref(),
            "enabledPlugins",
            PluginKind::Plugin,
            |on| on.as_bool() != Some(false),
        ),
        plugins(state.as_ref(), "mcpServers", PluginKind::McpServer, |_| {
            true
        }),
    ];
    HarnessCapabilities {
        global_instructions: instructions(folder.join("CLAUDE.md"), &mut warnings),
        skills: skills.concat(),
        plugins: plugins.concat(),
        warnings: warnings.0,
    }
}

fn plugins(
    file: Option<&Object>,
    key: &str,
    kind: PluginKind,
    is_on: fn(&Value) -> bool,
) -> Vec<Plugin> {
    let all = file.and_then(|file| file.get(key)?.as_object());
    let plugin = |(id, value): (&String, &Value)| Plugin {
        id: shown(id),
        kind,
        enabled: is_on(value),
    };
    all.into_iter().flatten().map(plugin).collect()
}
