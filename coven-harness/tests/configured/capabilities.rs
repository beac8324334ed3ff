//! What a user has configured.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use coven_harness::capabilities::{HarnessCapabilities, Skill, SkillKind, WarningKind};
use coven_harness::environment::Environment;
use coven_harness::readiness::Answer;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;

use crate::{User, write};

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
