//! The two CLIs: where they are, and that they are the pinned ones.

use std::path::{Path, PathBuf};

/// A coding agent that the tests drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agent {
    Codex,
    Claude,
}

impl Agent {
    pub(crate) const ALL: [Self; 2] = [Self::Codex, Self::Claude];

    /// Coven's harness id, which is also the name of the program.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Codex => "codex",
            Self::Claude => "claude",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Codex => "@openai/codex",
            Self::Claude => "@anthropic-ai/claude-code",
        }
    }

    /// What `package.json`, the one place that pins it, says.
    fn pinned_version(self) -> String {
        let manifest: serde_json::Value =
            serde_json::from_str(include_str!("package.json")).expect("package.json is JSON");
        manifest["dependencies"][self.package()]
            .as_str()
            .expect("package.json pins the version")
            .to_owned()
    }
}

/// The folder with the CLIs' `node_modules`: `COVEN_REAL_HARNESSES`, else the cache of this repository.
pub(crate) fn installed_in() -> PathBuf {
    std::env::var_os("COVEN_REAL_HARNESSES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/harnesses"),
        PathBuf::from,
    )
}

/// The folder that holds `agent`'s native program, to be put on a PATH.
///
/// The program behind npm's launcher script is used, because that script needs Node, which need not be where
/// the namespace looks.
pub(crate) fn program_folder(harnesses: &Path, agent: Agent) -> Result<PathBuf, String> {
    let scope = agent
        .package()
        .split_once('/')
        .expect("both packages have a scope")
        .0;
    let scope = harnesses.join("node_modules").join(scope);
    let folders = match agent {
        Agent::Codex => folders_in(&scope, "codex-linux-")
            .into_iter()
            .flat_map(|package| folders_in(&package.join("vendor"), ""))
            .map(|target| target.join("bin"))
            .collect(),
        Agent::Claude => folders_in(&scope, "claude-code-linux-"),
    };
    folders
        .into_iter()
        .find(|folder| folder.join(agent.id()).is_file())
        .ok_or_else(|| {
            format!(
                "{} {} is not in {}",
                agent.package(),
                agent.pinned_version(),
                harnesses.display()
            )
        })
}

fn folders_in(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        })
        .collect()
}

#[test]
#[ignore = "runs in the namespace"]
fn the_clis_are_the_pinned_versions() {
    for agent in Agent::ALL {
        let program = program_folder(&installed_in(), agent)
            .expect("the CLI is installed")
            .join(agent.id());
        let output = std::process::Command::new(program)
            .arg("--version")
            .output()
            .expect("it can be run");
        let version = String::from_utf8_lossy(&output.stdout).into_owned();
        let pinned = agent.pinned_version();
        assert!(
            version.split_whitespace().any(|word| word == pinned),
            "{version:?} is not {pinned}"
        );
    }
}
