//! A user's home made for one test: the agent's own files, a project, and the environment of that user.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::clis::{self, Agent};

/// As long as a real one, of which Claude Code remembers the last 20 characters.
const KEY: &str = "sk-lab-0000000000000000000000000000";
/// A name that Codex knows nothing about: it asks nothing about newer models, and offers its plain shell tool.
const MODEL: &str = "lab-model";

/// What the agent may do without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// As a careful user has it: commands that leave the project are asked about.
    Careful,
    /// Every command runs, outside any sandbox.
    Everything,
}

/// Removed when dropped.
pub(crate) struct Home {
    folder: TempDir,
    env: BTreeMap<&'static str, String>,
}

impl Home {
    /// Made below `$HOME`, and so outside `$TMPDIR`, where Codex refuses to keep its helpers.
    pub(crate) fn new(agent: Agent, trust: Trust, model_url: &str) -> Self {
        let parent = std::env::var_os("HOME").expect("the namespace sets HOME");
        let folder = TempDir::new_in(parent).expect("the namespace's home can be written");
        let path = folder.path();
        fs::create_dir(path.join("project")).expect("the home is empty");
        let programs =
            clis::program_folder(&clis::installed_in(), agent).expect("the CLI is installed");
        let mut env = BTreeMap::from([
            ("PATH", format!("{}:/usr/bin:/bin", programs.display())),
            ("HOME", path.display().to_string()),
            ("COVEN_HOME", path.join("coven").display().to_string()),
            ("TMPDIR", "/tmp".to_owned()),
            ("TERM", "xterm-256color".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
        ]);
        match agent {
            Agent::Codex => env.extend(codex(path, trust, model_url)),
            Agent::Claude => env.extend(claude(path, trust, model_url)),
        }
        Self { folder, env }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.path().join("project")
    }

    pub(crate) fn coven_home(&self) -> PathBuf {
        self.path().join("coven")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.coven_home().join("coven.sock")
    }

    /// All the variables this user has.
    pub(crate) fn env(&self) -> &BTreeMap<&'static str, String> {
        &self.env
    }
}

/// `daemon_auto_start` is left as Codex has it, so that it is our command line that keeps the server away.
fn codex(home: &Path, trust: Trust, model_url: &str) -> Vec<(&'static str, String)> {
    let folder = home.join(".codex");
    let (approval, sandbox) = match trust {
        Trust::Careful => ("on-request", "workspace-write"),
        Trust::Everything => ("never", "danger-full-access"),
    };
    let config = format!(
        r#"check_for_update_on_startup = false
approval_policy = "{approval}"
sandbox_mode = "{sandbox}"
model = "{MODEL}"
model_provider = "lab"
[model_providers.lab]
name = "lab"
base_url = "{model_url}/v1"
wire_api = "responses"
env_key = "LAB_API_KEY"
[projects."{project}"]
trust_level = "trusted"
[analytics]
enabled = false
[features]
plugins = false
"#,
        project = home.join("project").display(),
    );
    fs::create_dir(&folder).expect("the home is empty");
    fs::write(folder.join("config.toml"), config).expect("the folder is there");
    vec![
        ("CODEX_HOME", folder.display().to_string()),
        ("LAB_API_KEY", KEY.to_owned()),
    ]
}

fn claude(home: &Path, trust: Trust, model_url: &str) -> Vec<(&'static str, String)> {
    let project = home.join("project").display().to_string();
    let onboarded = json!({
        "hasCompletedOnboarding": true,
        "customApiKeyResponses": {"approved": [&KEY[KEY.len() - 20..]], "rejected": []},
        "projects": {project: {"hasTrustDialogAccepted": true}},
    });
    fs::write(home.join(".claude.json"), onboarded.to_string()).expect("the home is empty");
    if trust == Trust::Everything {
        let settings = json!({"permissions": {"allow": ["Bash", "Edit"]}});
        fs::create_dir(home.join(".claude")).expect("the home is empty");
        fs::write(home.join(".claude/settings.json"), settings.to_string())
            .expect("the folder is there");
    }
    let on = || "1".to_owned();
    vec![
        ("ANTHROPIC_BASE_URL", model_url.to_owned()),
        ("ANTHROPIC_API_KEY", KEY.to_owned()),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", on()),
        ("CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL", on()),
        ("DISABLE_AUTOUPDATER", on()),
        ("DISABLE_TELEMETRY", on()),
    ]
}
