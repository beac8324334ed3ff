//! Whether a harness would start.

use std::fs;
use std::path::Path;

use coven_harness::readiness::Answer;
use serde_json::json;

use crate::{User, write};

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
