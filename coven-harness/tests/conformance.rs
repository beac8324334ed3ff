//! Every adapter through the same table: what it runs, how it is wired, what it refuses.

use std::fs;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use coven_core::{
    ConversationId, ConversationRequest, Draft, HarnessId, Launch, LaunchMode, LaunchRequest,
    Place, PolicyRequest, Refusal, limits,
};
use coven_harness::{
    CannotRun, CommandLine, ConversationPlan, Harness, IdentitySource, Keystroke, Registry, Source,
    Stdin, Wiring,
};
use proptest::prelude::*;
use uuid::Uuid;

const FRESH: &str = "0b5e6c1e-7f43-4a53-9f0a-1f5d1c2b3a49";
const OLD: &str = "019a9f5e-1d6b-7c3e-8c1d-2f4b6a7c8d9e";

const MANIFEST: &str = r#"
id = "scripted"
label = "Scripted agent"
executable = "scripted-agent"
install_hint = "make install"
submit = "paste"

[interactive]
args = ["chat", ["--model={model}"], "--thread", "{conversation}", "--", "{prompt}"]
resume = ["chat", ["--model={model}"], "--continue={conversation}", "--", "{prompt}"]

[non_interactive]
args = ["once", ["-m", "{model}"]]
prompt = "stdin"

[environment]
SCRIPTED_UPDATES = "off"
"#;

/// The bundled harnesses, and one from a manifest.
static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("scripted.toml"), MANIFEST).unwrap();
    let registry = Registry::load(home.path());
    assert_eq!(registry.bad_manifests(), []);
    registry
});

fn harness(id: &str) -> &'static Arc<dyn Harness> {
    REGISTRY.get(&HarnessId::parse(id).unwrap()).unwrap()
}

/// A launch in a mode, to be varied.
fn launch(mode: &str, prompt: &str) -> LaunchRequest {
    LaunchRequest {
        project_root: Some("/p".to_owned()),
        harness: Some("any".to_owned()),
        prompt: Some(prompt.to_owned()),
        launch_mode: Some(mode.to_owned()),
        ..LaunchRequest::default()
    }
}

trait Vary: Sized {
    fn without_prompt(self) -> Self;
    fn model(self, model: &str) -> Self;
    fn conversation(self, mode: &str, id: &str) -> Self;
    fn policy(self, dirs: &[&str]) -> Self;
}

impl Vary for LaunchRequest {
    fn without_prompt(mut self) -> Self {
        self.prompt = None;
        self
    }

    fn model(mut self, model: &str) -> Self {
        self.model = Some(model.to_owned());
        self
    }

    fn conversation(mut self, mode: &str, id: &str) -> Self {
        let (mode, id) = (mode.to_owned(), id.to_owned());
        self.conversation = Some(ConversationRequest { mode, id });
        self
    }

    fn policy(mut self, dirs: &[&str]) -> Self {
        self.launch_policy = Some(PolicyRequest {
            approval: "never".to_owned(),
            sandbox: "workspace-write".to_owned(),
            add_dirs: dirs.iter().map(|&dir| dir.to_owned()).collect(),
        });
        self
    }
}

fn parsed(request: &LaunchRequest) -> Launch {
    let place = Place::new("/p", "/p").unwrap();
    Draft::parse(request).unwrap().at(place)
}

fn run(id: &str, request: &LaunchRequest) -> Result<CommandLine, CannotRun> {
    run_known(id, request, None)
}

fn run_known(
    id: &str,
    request: &LaunchRequest,
    known: Option<&str>,
) -> Result<CommandLine, CannotRun> {
    let launch = parsed(request);
    let fresh = Uuid::parse_str(FRESH).unwrap();
    let known = known.map(|id| ConversationId::parse("identity", id).unwrap());
    let plan = ConversationPlan::new(launch.conversation.as_ref(), fresh, known);
    harness(id).command(&launch, &plan)
}

fn argv(line: &CommandLine) -> Vec<&str> {
    line.arguments().collect()
}

const TERMINAL: Wiring = Wiring::Terminal;
const OUTPUT: Wiring = Wiring::TerminalOutput { stdin: Stdin::Null };

fn from_stdin(prompt: &str) -> Wiring {
    Wiring::TerminalOutput {
        stdin: Stdin::Bytes(Bytes::from(prompt.to_owned())),
    }
}

fn pipes(prompt: &str) -> Wiring {
    let content = serde_json::json!([{ "type": "text", "text": prompt }]);
    let message = serde_json::json!({ "role": "user", "content": content });
    let wrapped = serde_json::json!({ "type": "user", "message": message });
    let Wiring::Pipes { first_line } = run("claude", &launch("stream", prompt))
        .unwrap()
        .wiring()
        .clone()
    else {
        panic!("stream is wired with pipes")
    };
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&first_line).unwrap(),
        wrapped
    );
    assert_eq!(first_line.iter().filter(|&&b| b == b'\n').count(), 1);
    assert!(first_line.ends_with(b"\n"));
    Wiring::Pipes { first_line }
}

/// `words`, and then the prompt if it is an argument.
fn words(words: &str, prompt: Option<&str>) -> Vec<String> {
    let words = words.split_ascii_whitespace();
    words
        .chain(prompt)
        .map(|word| match word {
            "FRESH" => FRESH,
            "OLD" => OLD,
            "CODEX" => "features.daemon_auto_start=false",
            other => other,
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn each_launch_has_its_command_line_and_wiring() {
    let long = "é".repeat(limits::MAX_ARGUMENT_BYTES / 2 + 1);
    let long = long.as_str();
    let full = "x".repeat(limits::MAX_ARGUMENT_BYTES);
    let full = full.as_str();
    let exec = "exec --skip-git-repo-check --color never -c CODEX";
    let stream = "--print --input-format stream-json --output-format stream-json --verbose";
    #[rustfmt::skip]
    let table: Vec<(&str, LaunchRequest, String, Option<&str>, Wiring)> = vec![
        ("codex", launch("interactive", "fix it"), "-c CODEX --".into(), Some("fix it"), TERMINAL),
        ("codex", launch("interactive", full), "-c CODEX --".into(), Some(full), TERMINAL),
        ("codex", launch("interactive", "-").model("m"), "-c CODEX --model m --".into(), Some("-"), TERMINAL),
        ("codex", launch("interactive", "exec"), "-c CODEX --".into(), Some("exec"), TERMINAL),
        ("codex", launch("interactive", "go").conversation("init", "my.own-id"), "-c CODEX --".into(), Some("go"), TERMINAL),
        ("codex", launch("interactive", "go").model("openai/gpt-5.5").conversation("resume", OLD),
            "resume -c CODEX --model gpt-5.5 OLD --".into(), Some("go"), TERMINAL),
        ("codex", launch("interactive", "").without_prompt().conversation("resume", OLD).model("m"),
            "resume -c CODEX --model m OLD".into(), None, TERMINAL),
        ("codex", launch("nonInteractive", "go"), format!("{exec} --"), Some("go"), OUTPUT),
        ("codex", launch("nonInteractive", "--help").model("m"), format!("{exec} --model m --"), Some("--help"), OUTPUT),
        ("codex", launch("nonInteractive", "go").conversation("resume", OLD).model("m"),
            format!("{exec} --model m resume OLD --"), Some("go"), OUTPUT),
        ("codex", launch("nonInteractive", "go").policy(&["/a", "/b"]),
            format!("{exec} --sandbox workspace-write --add-dir /a --add-dir /b --"), Some("go"), OUTPUT),
        ("codex", launch("nonInteractive", "go").policy(&[]).conversation("resume", OLD),
            format!("{exec} --sandbox workspace-write resume OLD --"), Some("go"), OUTPUT),
        ("codex", launch("nonInteractive", full), format!("{exec} --"), Some(full), OUTPUT),
        ("codex", launch("nonInteractive", long), format!("{exec} -"), None, from_stdin(long)),
        ("codex", launch("nonInteractive", long).conversation("resume", OLD), format!("{exec} resume OLD -"), None, from_stdin(long)),
        ("codex", launch("nonInteractive", "-"), format!("{exec} -"), None, from_stdin("-")),

        ("claude", launch("interactive", "fix it"), "--session-id FRESH --".into(), Some("fix it"), TERMINAL),
        ("claude", launch("interactive", "-x").model("anthropic/opus"), "--session-id FRESH --model opus --".into(), Some("-x"), TERMINAL),
        ("claude", launch("interactive", "do it").conversation("init", OLD), "--session-id OLD --".into(), Some("do it"), TERMINAL),
        ("claude", launch("interactive", "do it").conversation("resume", OLD).model("m"), "--resume OLD --model m --".into(), Some("do it"), TERMINAL),
        ("claude", launch("interactive", "").without_prompt().conversation("resume", OLD), "--resume OLD".into(), None, TERMINAL),
        ("claude", launch("interactive", full), "--session-id FRESH --".into(), Some(full), TERMINAL),
        ("claude", launch("interactive", "doctor"), "--session-id FRESH --".into(), Some("doctor "), TERMINAL),
        ("claude", launch("interactive", "setup-token").conversation("resume", OLD), "--resume OLD --".into(), Some("setup-token "), TERMINAL),
        ("claude", launch("interactive", "Doctor"), "--session-id FRESH --".into(), Some("Doctor"), TERMINAL),
        ("claude", launch("interactive", "mcp list"), "--session-id FRESH --".into(), Some("mcp list"), TERMINAL),
        ("claude", launch("interactive", "/status"), "--session-id FRESH --".into(), Some("/status"), TERMINAL),
        ("claude", launch("nonInteractive", "go").model("m"), "--print --session-id FRESH --model m --".into(), Some("go"), OUTPUT),
        ("claude", launch("nonInteractive", "doctor"), "--print --session-id FRESH --".into(), Some("doctor"), OUTPUT),
        ("claude", launch("nonInteractive", "go").conversation("resume", OLD), "--print --resume OLD --".into(), Some("go"), OUTPUT),
        ("claude", launch("nonInteractive", long), "--print --session-id FRESH".into(), None, from_stdin(long)),
        ("claude", launch("stream", "go"), format!("{stream} --session-id FRESH"), None, pipes("go")),
        ("claude", launch("stream", long), format!("{stream} --session-id FRESH"), None, pipes(long)),
        ("claude", launch("stream", "a\nb").conversation("resume", OLD).model("m"), format!("{stream} --resume OLD --model m"), None, pipes("a\nb")),

        ("scripted", launch("interactive", "-go"), "chat --thread FRESH --".into(), Some("-go"), TERMINAL),
        ("scripted", launch("interactive", "go").model("p/m").conversation("init", "mine"), "chat --model=p/m --thread mine --".into(), Some("go"), TERMINAL),
        ("scripted", launch("interactive", "go").conversation("resume", "mine"), "chat --continue=mine --".into(), Some("go"), TERMINAL),
        ("scripted", launch("interactive", "").without_prompt().conversation("resume", "mine"), "chat --continue=mine".into(), None, TERMINAL),
        ("scripted", launch("nonInteractive", "go").model("m"), "once -m m".into(), None, from_stdin("go")),
        ("scripted", launch("nonInteractive", long), "once".into(), None, from_stdin(long)),
    ];
    for (id, request, expected, prompt, wiring) in table {
        let line = run(id, &request).unwrap();
        let row = format!("{id}: {expected} {prompt:?}");
        assert_eq!(argv(&line), words(&expected, prompt), "{row}");
        assert_eq!(line.wiring(), &wiring, "{row}");
    }
}

#[test]
fn what_a_harness_never_takes_is_refused_by_its_field() {
    let long = "x".repeat(limits::MAX_ARGUMENT_BYTES + 1);
    let long = long.as_str();
    #[rustfmt::skip]
    let table = [
        ("codex", launch("interactive", "go").policy(&[]), "launchPolicy"),
        ("codex", launch("stream", "go").policy(&[]), "launchPolicy"),
        ("claude", launch("interactive", "go").policy(&[]), "launchPolicy"),
        ("claude", launch("nonInteractive", "go").policy(&[]), "launchPolicy"),
        ("claude", launch("stream", "go").policy(&[]), "launchPolicy"),
        ("scripted", launch("nonInteractive", "go").policy(&[]), "launchPolicy"),
        ("codex", launch("interactive", "go").conversation("resume", "mine"), "conversation.id"),
        ("codex", launch("nonInteractive", "go").conversation("resume", "mine"), "conversation.id"),
        ("codex", launch("nonInteractive", "go").conversation("resume", "--last"), "conversation.id"),
        ("claude", launch("interactive", "go").conversation("init", "mine"), "conversation.id"),
        ("claude", launch("nonInteractive", "go").conversation("resume", "mine"), "conversation.id"),
        ("claude", launch("stream", "go").conversation("init", "mine"), "conversation.id"),
        // 32 digits without hyphens are a UUID to a parser, and not to the command lines.
        ("claude", launch("stream", "go").conversation("init", &OLD.replace('-', "")), "conversation.id"),
        ("scripted", launch("interactive", "go").conversation("resume", "--help"), "conversation.id"),
        ("scripted", launch("nonInteractive", "go").conversation("init", "mine"), "conversation.id"),
        ("scripted", launch("nonInteractive", "go").conversation("resume", "mine"), "conversation.mode"),
        ("codex", launch("interactive", "go").model("provider/"), "model"),
        ("claude", launch("interactive", "go").model("provider/-x"), "model"),
        ("codex", launch("interactive", long), "prompt"),
        ("claude", launch("interactive", long), "prompt"),
        ("scripted", launch("interactive", long), "prompt"),
    ];
    for (id, request, expected) in table {
        match run(id, &request) {
            Err(CannotRun::Refused(Refusal::Invalid { field, .. })) => {
                assert_eq!(field, expected, "{id}: {request:?}");
            }
            other => panic!("{id}: {request:?}: {other:?}"),
        }
    }
}

#[test]
fn a_mode_that_a_harness_does_not_have_is_unsupported_and_says_so() {
    for (id, name) in [("codex", "Codex"), ("scripted", "Scripted agent")] {
        let Err(CannotRun::Unsupported { reason }) = run(id, &launch("stream", "go")) else {
            panic!("{id} has no stream mode");
        };
        assert!(
            reason.starts_with(name) && reason.contains("stream"),
            "{reason}"
        );
    }
}

#[test]
fn the_callers_conversation_is_resumed_under_the_harnesses_own_id() {
    for id in ["codex", "claude"] {
        let request = launch("interactive", "go").conversation("resume", "mine");
        let line = run_known(id, &request, Some(OLD)).unwrap();
        assert!(argv(&line).contains(&OLD), "{line:?}");
        assert_eq!(line.identity().unwrap().as_str(), OLD);
    }
}

#[test]
fn the_identity_is_known_before_the_start_where_the_harness_is_given_one() {
    let of = |id, request| {
        let line = run(id, &request).unwrap();
        line.identity().map(|id| id.as_str().to_owned())
    };
    for mode in ["interactive", "nonInteractive", "stream"] {
        assert_eq!(of("claude", launch(mode, "go")).as_deref(), Some(FRESH));
    }
    assert_eq!(
        of("scripted", launch("interactive", "go")).as_deref(),
        Some(FRESH)
    );
    assert_eq!(of("scripted", launch("nonInteractive", "go")), None);
    assert_eq!(of("codex", launch("interactive", "go")), None);
}

#[test]
fn each_harness_says_how_its_identity_becomes_known() {
    let told = |id: &str, mode| match harness(id).identity(mode) {
        IdentitySource::CommandLine => "command line",
        IdentitySource::OpenFile(_) => "open file",
        IdentitySource::Output(_) => "output",
        IdentitySource::Never => "never",
    };
    assert_eq!(told("codex", LaunchMode::Interactive), "open file");
    assert_eq!(told("codex", LaunchMode::NonInteractive), "output");
    assert_eq!(told("claude", LaunchMode::Stream), "command line");
    assert_eq!(told("scripted", LaunchMode::Interactive), "command line");
    assert_eq!(told("scripted", LaunchMode::NonInteractive), "never");
}

#[test]
fn a_further_prompt_is_pasted_and_entered_whole() {
    for id in ["codex", "claude", "scripted"] {
        let typed = harness(id).submission("-fix\n\tit 😀").unwrap();
        let [
            Keystroke::Type(pasted),
            Keystroke::Pause(_),
            Keystroke::Type(enter),
        ] = &typed[..]
        else {
            panic!("{id}: {typed:?}");
        };
        assert_eq!(pasted, "\u{1b}[200~-fix\n\tit 😀\u{1b}[201~", "{id}");
        assert_eq!(enter, "\r", "{id}");
        assert!(harness(id).submission("a\u{1b}[201~b").is_err(), "{id}");
    }
}

#[test]
fn the_registry_is_the_allowlist() {
    let told: Vec<_> = REGISTRY
        .iter()
        .map(|h| h.about())
        .map(|h| {
            (
                h.id.as_str(),
                h.label.as_str(),
                h.executable.as_str(),
                h.source,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("codex", "Codex", "codex", Source::Bundled),
            ("claude", "Claude Code", "claude", Source::Bundled),
            (
                "scripted",
                "Scripted agent",
                "scripted-agent",
                Source::Manifest
            ),
        ]
    );
    for absent in ["Codex", "gemini", "../codex"] {
        assert!(REGISTRY.get(&HarnessId::parse(absent).unwrap()).is_none());
    }
    assert!(REGISTRY.clone().add(Arc::clone(harness("codex"))).is_err());
}

#[test]
fn a_manifests_variables_are_set() {
    let line = run("scripted", &launch("interactive", "go")).unwrap();
    let variables: Vec<_> = line.environment().collect();
    assert_eq!(variables, [("SCRIPTED_UPDATES", "off")]);
}

#[test]
fn neither_the_record_nor_debug_shows_a_prompt_or_a_value() {
    for id in ["codex", "claude", "scripted"] {
        for mode in ["interactive", "nonInteractive", "stream"] {
            let Ok(line) = run(id, &launch(mode, "a secret plan")) else {
                continue; // it has no such mode
            };
            let recorded = line.recorded("agent");
            assert_eq!(recorded[0], "agent");
            assert_eq!(recorded.len(), 1 + line.arguments().count());
            let shown = format!("{recorded:?} {line:?}");
            assert!(
                !shown.contains("secret") && !shown.contains("\"off\""),
                "{shown}"
            );
            if line.arguments().any(|argument| argument == "a secret plan") {
                assert!(
                    recorded.contains(&"<prompt: 13 bytes>".to_owned()),
                    "{shown}"
                );
            }
        }
    }
}

/// Prompts of all kinds: options, subcommands, control characters, any Unicode.
fn prompts() -> impl Strategy<Value = String> {
    prop_oneof![
        "-{0,2}[a-z]{0,8}",
        "[a-z]{1,10}(-[a-z]{1,8})?",
        "[^\0]{1,60}",
        Just("-".to_owned()),
        Just("--".to_owned()),
        Just("{prompt} {model}".to_owned()),
    ]
    .prop_filter("blank prompts are no prompts", |text| {
        !text.trim().is_empty()
    })
}

proptest! {
    #[test]
    fn a_prompt_arrives_whole_as_one_argument_after_two_hyphens_or_on_stdin(
        prompt in prompts(),
        id in prop::sample::select(vec!["codex", "claude", "scripted"]),
        mode in prop::sample::select(vec!["interactive", "nonInteractive"]),
        resume in any::<bool>(),
    ) {
        let mut request = launch(mode, &prompt);
        if resume && (id, mode) != ("scripted", "nonInteractive") {
            request = request.conversation("resume", OLD);
        }
        let prompt = prompt.trim();
        let line = run(id, &request).unwrap();
        let arguments = argv(&line);
        match line.wiring() {
            Wiring::TerminalOutput { stdin: Stdin::Bytes(bytes) } => {
                prop_assert_eq!(bytes, prompt.as_bytes());
                prop_assert!(!arguments.contains(&"--"), "{:?}", arguments);
            }
            Wiring::Terminal | Wiring::TerminalOutput { stdin: Stdin::Null } => {
                let (last, before) = arguments.split_last().unwrap();
                prop_assert_eq!(before.last(), Some(&"--"));
                prop_assert_eq!(before.iter().filter(|&&word| word == "--").count(), 1);
                // One space more, where Claude Code would take the word for a subcommand.
                let exact = *last == prompt;
                let spaced = id == "claude" && last.strip_suffix(' ') == Some(prompt);
                prop_assert!(exact || spaced, "{:?}", last);
            }
            Wiring::Pipes { .. } => prop_assert!(false, "these modes have a terminal"),
        }
    }

    #[test]
    fn any_text_can_be_asked_about_without_a_panic(text in any::<String>()) {
        for id in ["codex", "claude", "scripted"] {
            if let Ok(steps) = harness(id).submission(&text) {
                let typed: Vec<u8> = steps.iter().flat_map(|step| match step {
                    Keystroke::Type(bytes) => bytes.to_vec(),
                    Keystroke::Pause(_) => Vec::new(),
                }).collect();
                let inner = typed.strip_prefix(b"\x1b[200~").unwrap();
                prop_assert_eq!(inner.strip_suffix(b"\x1b[201~\r").unwrap(), text.as_bytes());
            }
        }
    }
}
