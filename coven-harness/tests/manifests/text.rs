//! What a manifest may say.

use std::fs;

use coven_core::HarnessId;
use coven_harness::Registry;

use crate::{GOOD, holds, write};

/// What is told of a manifest with this text, beside a good one that is loaded all the same.
fn problem(text: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "bad.toml", text);
    write(home.path(), "good.toml", GOOD);
    let registry = Registry::load(home.path());
    assert!(holds(&registry, "mine") && holds(&registry, "codex"));
    let [bad] = registry.bad_manifests() else {
        panic!("one is bad: {text}: {:?}", registry.bad_manifests());
    };
    assert_eq!(bad.file, home.path().join("bad.toml"));
    assert!(!bad.problem.contains('\n'), "{}", bad.problem);
    bad.problem.clone()
}

#[test]
fn what_is_wrong_is_told_by_line_and_key() {
    // What replaces what in the good manifest (with another id), and what is told.
    let table = [
        // Not as TOML, or not as this file.
        ("id = ", "id = [", "line 2: executable: missing comma"),
        ("make install\"", "make install", "line 3: "),
        ("id = \"other\"\n", "", "missing field `id`"),
        (
            "\"other\"",
            "\"harnesses\"",
            "line 1: id must not be harnesses: GET /capabilities/harnesses is all of them",
        ),
        (
            "executable =",
            "exec =",
            "line 2: exec: unknown field `exec`",
        ),
        ("args =", "argv =", "line 5: argv: unknown field `argv`"),
        (
            "\"my-agent\"",
            "7",
            "line 2: executable: invalid type: integer `7`, expected a string",
        ),
        (
            "install_hint =",
            "submit = \"enter\"\ninstall_hint =",
            "line 3: submit: unknown variant `enter`",
        ),
        (
            "[interactive]\nargs = [\"--\", \"{prompt}\"]\n",
            "",
            "must have [interactive] or",
        ),
        (
            "[interactive]",
            "[stream]",
            "line 4: unknown field `stream`",
        ),
        (
            "[\"--\", \"{prompt}\"]",
            "\"{prompt}\"",
            "line 5: args: invalid type: string",
        ),
        (
            "\"--\"",
            "7",
            "line 5: args: invalid type: integer `7`, expected a string, or a list of strings",
        ),
        (
            "\"--\"",
            "[[\"{model}\"]]",
            "line 5: args: invalid type: sequence, expected a string",
        ),
        // Ids.
        ("\"other\"", "\"\"", "line 1: id must be 1 to 64 of"),
        ("\"other\"", "\"Other\"", "line 1: id must be"),
        ("\"other\"", "\"../x\"", "line 1: id must be"),
        ("\"other\"", "\"-x\"", "line 1: id must be"),
        ("\"other\"", "\"codex\"", "id codex is taken"),
        // Executables.
        (
            "\"my-agent\"",
            "\"\"",
            "line 2: executable must be the name of a program, or",
        ),
        (
            "\"my-agent\"",
            "\"bin/my-agent\"",
            "line 2: executable must be",
        ),
        (
            "\"my-agent\"",
            "\"./my-agent\"",
            "line 2: executable must be",
        ),
        ("\"my-agent\"", "\"..\"", "line 2: executable must be"),
        (
            "\"my-agent\"",
            "\"my-agent/\"",
            "line 2: executable must be",
        ),
        ("\"my-agent\"", "\"/\"", "line 2: executable must be"),
        (
            "\"my-agent\"",
            "\"/opt/../my-agent\"",
            "line 2: executable must be",
        ),
        (
            "\"my-agent\"",
            "\"my\\u0000agent\"",
            "line 2: executable must be",
        ),
        (
            "\"make install\"",
            "\"\"",
            "line 3: install_hint must be one line",
        ),
        (
            "\"make install\"",
            "\"a\\nb\"",
            "line 3: install_hint must be one line",
        ),
        (
            "install_hint",
            "label = \" \"\ninstall_hint",
            "line 3: label must be one line",
        ),
        // Places.
        (
            "\"{prompt}\"",
            "\"hello\"",
            "line 5: interactive.args must hold \"{prompt}\", or",
        ),
        (
            "\"--\"",
            "\"{prompt}\"",
            "line 5: interactive.args must hold \"{prompt}\" only once",
        ),
        (
            "\"{prompt}\"",
            "\"--ask={prompt}\"",
            "line 5: interactive.args must have {prompt} as a whole",
        ),
        (
            "\"{prompt}\"",
            "[\"{prompt}\"]",
            "line 5: interactive.args must have {prompt} as a whole",
        ),
        (
            "\"--\"",
            "\"{modle}\"",
            "line 5: interactive.args has {modle}, which is no place",
        ),
        (
            "\"--\"",
            "\"{model}\"",
            "line 5: interactive.args must have {model} in a list",
        ),
        (
            "\"--\"",
            "[\"--fast\"]",
            "line 5: interactive.args must have {model} in every",
        ),
        (
            "\"--\"",
            "[\"{model}\", \"{conversation}\"]",
            "line 5: interactive.args must not have {conversation}",
        ),
        (
            "\"--\"",
            "\"a\\u0000\"",
            "line 5: interactive.args must not hold a NUL",
        ),
        (
            "args =",
            "prompt = \"stdin\"\nargs =",
            "line 5: interactive.prompt must be \"argument\"",
        ),
        (
            "[interactive]",
            "[non_interactive]\nprompt = \"stdin\"",
            "line 6: non_interactive.args must not hold",
        ),
        (
            "[interactive]",
            "[non_interactive]\nprompt = \"file\"",
            "line 5: prompt: unknown variant `file`",
        ),
        (
            "args =",
            "resume = [\"--\", \"{prompt}\"]\nargs =",
            "line 5: interactive.resume must hold {conversation}",
        ),
        (
            "args =",
            "resume = [\"{conversation}\"]\nargs =",
            "line 5: interactive.resume must hold \"{prompt}\"",
        ),
        // Variables.
        (
            "[interactive]",
            "[environment]\n\"A=B\" = \"\"\n[interactive]",
            "line 5: environment.A=B must have a name",
        ),
        (
            "[interactive]",
            "[environment]\n1A = \"\"\n[interactive]",
            "line 5: environment.1A must have a name",
        ),
        (
            "[interactive]",
            "[environment]\nCOVEN_HOME = \"/\"\n[interactive]",
            "line 5: environment.COVEN_HOME must not be",
        ),
        (
            "[interactive]",
            "[environment]\nA = \"\\u0000\"\n[interactive]",
            "line 5: environment.A must not hold a NUL",
        ),
    ];
    let good = GOOD.replace("mine", "other");
    let mut others = Vec::new();
    for (from, to, expected) in table {
        assert!(good.contains(from), "{from}");
        let told = problem(&good.replacen(from, to, 1));
        if !told.contains(expected) {
            others.push(format!("{from} -> {to}: {told}"));
        }
    }
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn a_manifest_without_two_hyphens_takes_prompts_that_start_with_none() {
    use coven_core::{Draft, LaunchRequest, Place, Refusal};
    use coven_harness::{CannotRun, ConversationPlan};

    let home = tempfile::tempdir().unwrap();
    write(
        home.path(),
        "mine.toml",
        &GOOD.replace("\"--\"", "\"--message\""),
    );
    let registry = Registry::load(home.path());
    let harness = registry.get(&HarnessId::parse("mine").unwrap()).unwrap();
    let run = |prompt: &str| {
        let request = LaunchRequest {
            project_root: Some("/p".to_owned()),
            harness: Some("mine".to_owned()),
            prompt: Some(prompt.to_owned()),
            ..LaunchRequest::default()
        };
        let launch = Draft::parse(&request)
            .unwrap()
            .at(Place::new("/p", "/p").unwrap());
        harness.command(
            &launch,
            &ConversationPlan::new(None, uuid::Uuid::new_v4(), None),
        )
    };
    let line = run("fix it").unwrap();
    assert_eq!(
        line.arguments().collect::<Vec<_>>(),
        ["--message", "fix it"]
    );
    assert!(matches!(
        run("--help"),
        Err(CannotRun::Refused(Refusal::Invalid {
            field: "prompt",
            ..
        }))
    ));
}

#[test]
fn a_manifest_made_to_do_harm_is_passed_over() {
    let deep = |open: &str, close: &str| {
        let (open, close) = (
            open.repeat(30_000 / open.len()),
            close.repeat(30_000 / open.len()),
        );
        format!("{GOOD}\n[non_interactive]\nargs = {open}{close}\n")
    };
    let dotted = format!("{}x = 1\n{GOOD}", "a.".repeat(15_000));
    let many = format!(
        "{GOOD}[environment]\n{}",
        (0..257)
            .map(|at| format!("V{at} = \"\"\n"))
            .collect::<String>()
    );
    for text in [
        deep("[", "]"),
        deep("{a=", "}"),
        deep("[[", ""),
        dotted,
        many,
    ] {
        let told = problem(&text);
        assert!(!told.is_empty() && told.len() < 500, "{told}");
    }
}

#[test]
fn the_manifests_that_the_documentation_shows_are_good() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/harnesses.md");
    let page = fs::read_to_string(page).unwrap();
    let home = tempfile::tempdir().unwrap();
    let shown: Vec<_> = page.split("```toml\n").skip(1).collect();
    for (at, rest) in shown.iter().enumerate() {
        let (manifest, _) = rest.split_once("```").unwrap();
        write(home.path(), &format!("{at}.toml"), manifest);
    }
    let registry = Registry::load(home.path());
    assert_eq!(registry.bad_manifests(), []);
    assert!(holds(&registry, "sage") && holds(&registry, "hello"));
}
