//! What harnesses have configured for a user, and whether they would start: told from files that
//! are theirs, and never changed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use coven_core::HarnessId;
use coven_harness::Registry;
use coven_harness::capabilities::{HarnessCapabilities, Skill, SkillKind, WarningKind};
use coven_harness::environment::Environment;
use coven_harness::readiness::{Answer, Readiness};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;

/// A user's home, a project, and an environment that has nothing else.
struct User {
    folder: tempfile::TempDir,
    environment: Environment,
}

impl User {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let environment = [("HOME", folder.path().join("home"))].into_iter().collect();
        fs::create_dir_all(folder.path().join("home")).unwrap();
        fs::create_dir_all(folder.path().join("work/project/src")).unwrap();
        Self {
            folder,
            environment,
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.set(name, value);
        self
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("work/project")
    }

    /// Writes a file below the home.
    fn has(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        write(&self.home().join(path), text);
        self
    }

    /// The project is a git repository.
    fn with_git(self) -> Self {
        fs::create_dir_all(self.project().join(".git")).unwrap();
        self
    }

    fn capabilities(&self, harness: &str) -> HarnessCapabilities {
        let registry = Registry::bundled();
        let harness = registry.get(&HarnessId::parse(harness).unwrap()).unwrap();
        harness.capabilities(&self.environment)
    }

    fn readiness_in(&self, harness: &str, project: &Path) -> Readiness {
        let registry = Registry::bundled();
        let harness = registry.get(&HarnessId::parse(harness).unwrap()).unwrap();
        harness.readiness(&self.environment, project)
    }

    fn readiness(&self, harness: &str) -> Readiness {
        self.readiness_in(harness, &self.project())
    }

    fn signed_in(&self, harness: &str) -> Answer {
        self.readiness(harness).signed_in.answer
    }

    fn trusted(&self, harness: &str) -> Answer {
        self.readiness(harness).folder_trusted.answer
    }
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn skills(found: &HarnessCapabilities) -> Vec<(&str, &str, Option<&str>)> {
    found
        .skills
        .iter()
        .map(|s| (s.kind.as_str(), s.id.as_str(), s.description.as_deref()))
        .collect()
}

fn plugins(found: &HarnessCapabilities) -> Vec<(&str, &str, bool)> {
    found
        .plugins
        .iter()
        .map(|p| (p.kind.as_str(), p.id.as_str(), p.enabled))
        .collect()
}

#[test]
fn a_user_who_configured_nothing_has_nothing_and_no_warnings() {
    for harness in ["codex", "claude"] {
        assert_eq!(
            User::new().capabilities(harness),
            HarnessCapabilities::default()
        );
        let mut nobody = User::new();
        nobody.environment = Environment::default();
        assert_eq!(nobody.capabilities(harness), HarnessCapabilities::default());
        assert_eq!(nobody.signed_in(harness), Answer::Unknown);
    }
}

#[test]
fn what_codex_has_is_found() {
    let user = User::new()
        .has(".codex/AGENTS.md", "Be brief.")
        .has(
            ".codex/skills/deploy/SKILL.md",
            "---\nname: Deploy it\ndescription: \"Ships.\"\n---\n",
        )
        .has(".codex/skills/empty/README.md", "")
        .has(".codex/skills/.system/hidden/SKILL.md", "")
        .has(".codex/prompts/review.md", "Review.")
        .has(".agents/skills/shared/SKILL.md", "no header")
        .has(
            ".codex/config.toml",
            "[plugins.\"a@market\"]\nenabled = true\n[plugins.\"b@market\"]\nenabled = false\n\
             [mcp_servers.docs]\ncommand = \"docs\"\n",
        );
    let found = user.capabilities("codex");
    let instructions = found.global_instructions.as_ref().unwrap();
    assert_eq!(instructions.path, user.home().join(".codex/AGENTS.md"));
    assert_eq!(instructions.byte_count, 9);
    assert_eq!(
        skills(&found),
        [
            ("skill", "deploy", Some("Ships.")),
            ("command", "review", None),
            ("skill", "shared", None),
        ]
    );
    assert_eq!(found.skills[0].name, "Deploy it");
    assert_eq!(
        plugins(&found),
        [
            ("plugin", "a@market", true),
            ("plugin", "b@market", false),
            ("mcp", "docs", true),
        ]
    );
    assert_eq!(found.warnings, []);
}

#[test]
fn what_claude_code_has_is_found() {
    let user = User::new()
        .has(".claude/CLAUDE.md", "é")
        .has(
            ".claude/skills/pdf/SKILL.md",
            "---\ndescription: Reads PDFs\n---\n",
        )
        .has(".claude/commands/fix.md", "")
        .has(
            ".claude/commands/git/push.md",
            "---\ndescription: 'Push it'\n---\n",
        )
        .has(".claude/commands/notes.txt", "")
        .has(
            ".claude/agents/tester.md",
            "---\nname: tester\ndescription: |\n  Many lines\n---\n",
        )
        .has(
            ".claude/settings.json",
            json!({"enabledPlugins": {"a@m": true, "b@m": false}}).to_string(),
        )
        .has(
            ".claude.json",
            json!({"mcpServers": {"docs": {"command": "docs"}}}).to_string(),
        );
    let found = user.capabilities("claude");
    assert_eq!(found.global_instructions.as_ref().unwrap().byte_count, 2);
    assert_eq!(
        skills(&found),
        [
            ("skill", "pdf", Some("Reads PDFs")),
            ("command", "fix", None),
            ("command", "git:push", Some("Push it")),
            ("agent", "tester", None),
        ]
    );
    assert_eq!(
        plugins(&found),
        [
            ("plugin", "a@m", true),
            ("plugin", "b@m", false),
            ("mcp", "docs", true)
        ]
    );
    assert_eq!(found.warnings, []);
}

#[test]
fn configuration_moved_by_the_environment_is_found_there() {
    let user = User::new()
        .has("elsewhere/AGENTS.md", "abc")
        .has("elsewhere/CLAUDE.md", "abcd")
        .has(
            "elsewhere/.claude.json",
            json!({"mcpServers": {"x": {}}}).to_string(),
        )
        .has(".codex/AGENTS.md", "not this")
        .has(".claude/CLAUDE.md", "not this");
    let elsewhere = user.home().join("elsewhere");
    let elsewhere = elsewhere.to_str().unwrap();
    let user = user
        .with("CODEX_HOME", elsewhere)
        .with("CLAUDE_CONFIG_DIR", elsewhere);
    let bytes = |harness| {
        user.capabilities(harness)
            .global_instructions
            .unwrap()
            .byte_count
    };
    assert_eq!(bytes("codex"), 3);
    assert_eq!(bytes("claude"), 4);
    assert_eq!(plugins(&user.capabilities("claude")), [("mcp", "x", true)]);
}

#[test]
fn what_cannot_be_read_is_a_warning_and_the_rest_is_told() {
    let user = User::new()
        .has(".claude/CLAUDE.md/not-a-file", "")
        .has(".claude/skills", "not a folder")
        .has(
            ".claude/commands/good.md",
            "---\ndescription: a\u{1b}[31mb\n---\n",
        )
        .has(".claude/settings.json", "{\"secret\": ")
        .has(".claude.json", [b'"', 0xff, b'"']);
    symlink("loop.md", user.home().join(".claude/commands/loop.md")).unwrap();
    symlink("/dev/zero", user.home().join(".claude/commands/zero.md")).unwrap();
    symlink("..", user.home().join(".claude/commands/up")).unwrap();
    // Opened as a file is, it would wait for somebody to write to it.
    let fifo = user.home().join(".claude/commands/fifo.md");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
    let found = user.capabilities("claude");
    assert_eq!(found.global_instructions, None);
    assert_eq!(found.skills.len(), 1);
    assert!(found.skills.contains(&Skill {
        id: "good".to_owned(),
        name: "good".to_owned(),
        description: Some("a[31mb".to_owned()),
        kind: SkillKind::Command,
        path: user.home().join(".claude/commands/good.md"),
    }));
    let told = |name: &str| {
        let of_it = |path: &Path| path.file_name().is_some_and(|file| file == name);
        let mut warnings = found.warnings.iter().filter(|warning| of_it(&warning.path));
        warnings
            .next()
            .unwrap_or_else(|| panic!("{name}: {found:#?}"))
            .kind
    };
    assert_eq!(told("CLAUDE.md"), WarningKind::Malformed);
    assert_eq!(told("settings.json"), WarningKind::Malformed);
    assert_eq!(told(".claude.json"), WarningKind::Malformed);
    assert_eq!(told("loop.md"), WarningKind::Unreadable);
    assert_eq!(told("zero.md"), WarningKind::Malformed);
    assert_eq!(told("fifo.md"), WarningKind::Malformed);
    let messages: String = found.warnings.iter().map(|w| w.message.clone()).collect();
    assert!(!messages.contains("secret"), "{messages}");
}

#[test]
fn of_very_many_files_some_are_told_and_nested_ones_do_no_harm() {
    let user = User::new()
        .has(".claude.json", "[".repeat(1 << 20))
        .has(
            ".claude/settings.json",
            format!("{{\"a\":{}", "[".repeat(1 << 20)),
        )
        .has(".codex/config.toml", format!("a = {}", "[".repeat(1 << 20)));
    for at in 0..1100 {
        let path = format!(".claude/commands/{}/{at}.md", at % 3);
        write(&user.home().join(path), "");
    }
    for at in 0..600 {
        write(&user.home().join(format!(".claude/agents/.{at}")), "");
        let folder = user.home().join(format!(".claude/skills/{at}"));
        fs::create_dir_all(folder).unwrap();
    }
    let deep = user.home().join(".codex/prompts").join("d/".repeat(200));
    write(&deep.join("deep.md"), "");
    let kinds = |found: &HarnessCapabilities, end: &str, kind: WarningKind| {
        let mut warnings = found.warnings.iter();
        assert!(
            warnings.any(|w| w.path.ends_with(end) && w.kind == kind),
            "{end}: {found:?}"
        );
    };
    let found = user.capabilities("claude");
    assert_eq!(found.skills.len(), 1000);
    for folder in ["commands", "agents", "skills"] {
        kinds(&found, folder, WarningKind::TooLarge);
    }
    for file in [".claude.json", "settings.json"] {
        kinds(&found, file, WarningKind::Malformed);
    }
    let found = user.capabilities("codex");
    assert_eq!(found.skills, []);
    kinds(&found, "prompts", WarningKind::TooLarge);
    kinds(&found, "config.toml", WarningKind::Malformed);
    for harness in ["claude", "codex"] {
        assert_eq!(user.trusted(harness), Answer::Unknown);
    }
}

#[test]
fn whether_codex_is_signed_in_is_told() {
    let provider = "model_provider = \"mine\"\n[model_providers.mine]\n";
    let with_key = format!("{provider}env_key = \"MINE_KEY\"\n");
    let key = json!({"auth_mode": "apikey", "OPENAI_API_KEY": "sk-x"}).to_string();
    let tokens = json!({"OPENAI_API_KEY": null, "tokens": {"id_token": "x"}}).to_string();
    let neither =
        json!({"auth_mode": "chatgpt", "OPENAI_API_KEY": null, "tokens": null}).to_string();
    let config = |text: &str| User::new().has(".codex/config.toml", text);
    let auth = |text: &str| User::new().has(".codex/auth.json", text);
    #[rustfmt::skip]
    let table = [
        (User::new(), Answer::No),
        (auth(&key), Answer::Yes),
        (auth(&tokens), Answer::Yes),
        (auth(&neither), Answer::No),
        (auth("{"), Answer::Unknown),
        (User::new().with("OPENAI_API_KEY", "sk-x"), Answer::Unknown),
        (User::new().with("OPENAI_API_KEY", ""), Answer::No),
        (config(provider), Answer::Yes),
        (config(&with_key), Answer::No),
        (config(&with_key).with("MINE_KEY", "x"), Answer::Yes),
        (config(&format!("{provider}requires_openai_auth = true")), Answer::No),
        (config("cli_auth_credentials_store = \"keyring\""), Answer::Unknown),
        (config("model_provider = \"openai\""), Answer::No),
        (config("model_provider = "), Answer::Unknown),
    ];
    for (at, (user, expected)) in table.into_iter().enumerate() {
        let told = user.readiness("codex").signed_in;
        assert_eq!(told.answer, expected, "row {at}: {}", told.note);
        assert!(!told.note.contains("sk-x"), "{}", told.note);
    }
}

#[test]
fn codex_asks_for_trust_in_git_repositories_alone_and_by_their_root() {
    let user = User::new();
    assert_eq!(
        user.trusted("codex"),
        Answer::Yes,
        "no repository, no question"
    );
    let user = user.with_git();
    assert_eq!(user.trusted("codex"), Answer::No);

    let root = user.project();
    let root = root.display();
    let user = user.has(
        ".codex/config.toml",
        format!("[projects.\"{root}\"]\ntrust_level = \"trusted\""),
    );
    let below = user.project().join("src");
    assert_eq!(user.trusted("codex"), Answer::Yes);
    assert_eq!(
        user.readiness_in("codex", &below).folder_trusted.answer,
        Answer::Yes
    );

    let linked = user.folder.path().join("linked");
    write(
        &linked.join(".git"),
        format!("gitdir: {root}/.git/worktrees/linked\n"),
    );
    assert_eq!(
        user.readiness_in("codex", &linked).folder_trusted.answer,
        Answer::Yes
    );

    let other = user.folder.path().join("other");
    fs::create_dir_all(other.join(".git")).unwrap();
    assert_eq!(
        user.readiness_in("codex", &other).folder_trusted.answer,
        Answer::No
    );

    let user = user.has(
        ".codex/config.toml",
        format!("[projects.\"{root}\"]\ntrust_level = \"untrusted\""),
    );
    assert_eq!(user.trusted("codex"), Answer::No);
}

#[test]
fn whether_claude_code_is_signed_in_is_told() {
    let key = "sk-ant-0123456789abcdefghijklmnop";
    let tail = &key[key.len() - 20..];
    let state = |value: serde_json::Value| User::new().has(".claude.json", value.to_string());
    let onboarded = || state(json!({"hasCompletedOnboarding": true}));
    let asked = |answer: &str| {
        state(json!({"hasCompletedOnboarding": true, "customApiKeyResponses": {answer: [tail]}}))
    };
    #[rustfmt::skip]
    let table = [
        (User::new(), Answer::No),
        (onboarded(), Answer::No),
        (state(json!({"hasCompletedOnboarding": true, "oauthAccount": {"accountUuid": "x"}})), Answer::Yes),
        (state(json!({"oauthAccount": {"accountUuid": "x"}})), Answer::Unknown),
        (onboarded().has(".claude/.credentials.json", "{\"x\": 1}"), Answer::Yes),
        (onboarded().has(".claude/.credentials.json", ""), Answer::No),
        (onboarded().has(".claude/settings.json", "{\"apiKeyHelper\": \"/bin/key\"}"), Answer::Yes),
        (onboarded().with("ANTHROPIC_AUTH_TOKEN", "x"), Answer::Yes),
        (User::new().with("ANTHROPIC_AUTH_TOKEN", "x"), Answer::Unknown),
        (onboarded().with("CLAUDE_CODE_USE_BEDROCK", "1"), Answer::Unknown),
        (onboarded().with("ANTHROPIC_API_KEY", key), Answer::Unknown),
        (asked("approved").with("ANTHROPIC_API_KEY", key), Answer::Yes),
        (asked("rejected").with("ANTHROPIC_API_KEY", key), Answer::No),
        (asked("approved").with("ANTHROPIC_API_KEY", "ключ"), Answer::Unknown),
        (User::new().has(".claude.json", "{"), Answer::Unknown),
        (User::new().has(".claude.json", "[]"), Answer::Unknown),
    ];
    for (at, (user, expected)) in table.into_iter().enumerate() {
        let told = user.readiness("claude").signed_in;
        assert_eq!(told.answer, expected, "row {at}: {}", told.note);
        assert!(!told.note.contains(tail), "{}", told.note);
    }
}

#[test]
fn claude_codes_trust_in_a_folder_holds_for_what_is_in_it() {
    let trusting = |folder: &Path, accepted: bool| {
        let settings = json!({"hasTrustDialogAccepted": accepted});
        json!({"projects": {folder.to_str().unwrap(): settings}}).to_string()
    };
    let user = User::new();
    assert_eq!(user.trusted("claude"), Answer::No);
    let (project, above) = (user.project(), user.folder.path().join("work"));
    let below = project.join("src");
    let mut user = user;
    for (folder, accepted, expected) in [
        (&project, true, Answer::Yes),
        (&project, false, Answer::No),
        (&above, true, Answer::Yes),
        (&below, true, Answer::No),
    ] {
        user = user.has(".claude.json", trusting(folder, accepted));
        assert_eq!(user.trusted("claude"), expected, "{}", folder.display());
    }
}
