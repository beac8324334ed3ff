//! How it is to be done: model, mode, policy, conversation, labels, size, environment.

use super::*;

#[test]
fn a_model_is_a_word_that_cannot_be_an_option_or_climb() {
    let set: Field = |r, v| r.model = Some(v);
    for good in [
        "gpt-5",
        "openai/gpt-5.1-codex",
        "claude-opus-4-1@20250805",
        "a/b/c",
        "o3",
        "4o:latest+x_y",
    ] {
        let model = taken(set, good).model.expect("a model");
        assert_eq!(model.as_str(), good);
    }
    let huge = "m".repeat(257);
    let bad = [
        "", " ", "-m", "--model", "/etc", ".hidden", "a..b", "a/../b", "gpt 5", "gpt\0", "gpt\n",
        "gpt;ls", "é", &huge,
    ];
    refused("model", set, &bad);
}

#[test]
fn a_leading_provider_is_dropped_for_harnesses_that_know_one() {
    let set: Field = |r, v| r.model = Some(v);
    for (given, left) in [
        ("gpt-5", "gpt-5"),
        ("openai/gpt-5", "gpt-5"),
        ("a/b/c", "b/c"),
    ] {
        let model = taken(set, given).model.expect("a model").without_provider();
        assert_eq!(model.expect("a model is left").as_str(), left);
    }
    for given in ["openai/", "openai/-c", "openai//x"] {
        let model = taken(set, given).model.expect("a model");
        assert!(model.without_provider().is_err(), "{given}");
    }
}

#[test]
fn a_launch_mode_is_one_of_three_words() {
    let set: Field = |r, v| r.launch_mode = Some(v);
    assert_eq!(launch(&request()).mode, LaunchMode::Interactive);
    for (word, mode) in [
        ("interactive", LaunchMode::Interactive),
        ("nonInteractive", LaunchMode::NonInteractive),
        ("stream", LaunchMode::Stream),
    ] {
        assert_eq!(taken(set, word).mode, mode);
    }
    refused(
        "launchMode",
        set,
        &["", "Interactive", "noninteractive", "interactive\0", "x"],
    );
}

#[test]
fn a_policy_is_the_one_there_is() {
    let policy = |approval: &str, sandbox: &str, dirs: &[&str]| LaunchRequest {
        launch_policy: Some(PolicyRequest {
            approval: approval.to_owned(),
            sandbox: sandbox.to_owned(),
            add_dirs: dirs.iter().map(|dir| (*dir).to_owned()).collect(),
        }),
        ..request()
    };
    let taken = launch(&policy("never", "workspace-write", &["/srv/data", "/tmp"]));
    assert_eq!(
        taken.policy.expect("a policy").add_dirs,
        ["/srv/data", "/tmp"]
    );
    for (request, field) in [
        (
            policy("always", "workspace-write", &[]),
            "launchPolicy.approval",
        ),
        (policy("", "workspace-write", &[]), "launchPolicy.approval"),
        (
            policy("never", "danger-full-access", &[]),
            "launchPolicy.sandbox",
        ),
        (
            policy("never", "workspace-write", &["data"]),
            "launchPolicy.addDirs",
        ),
        (
            policy("never", "workspace-write", &[""]),
            "launchPolicy.addDirs",
        ),
        (
            policy("never", "workspace-write", &["/a\0b"]),
            "launchPolicy.addDirs",
        ),
        (
            policy("never", "workspace-write", &["/a"; 65]),
            "launchPolicy.addDirs",
        ),
    ] {
        let refusal = Draft::parse(&request).expect_err("another policy");
        assert!(refusal.to_string().starts_with(field), "{refusal}");
    }
}

#[test]
fn a_conversation_is_begun_or_resumed_under_a_word() {
    let conversation = |mode: &str, id: &str| LaunchRequest {
        conversation: Some(ConversationRequest {
            mode: mode.to_owned(),
            id: id.to_owned(),
        }),
        ..request()
    };
    for mode in ["init", "resume"] {
        let launch = launch(&conversation(mode, "thread_1.a-b"));
        let id = launch.conversation.expect("a conversation").id;
        assert_eq!(id.as_str(), "thread_1.a-b");
        assert_eq!(
            launch.conversation_id,
            Some(id),
            "it names the session's conversation too"
        );
    }
    let huge = "i".repeat(257);
    for (mode, id, field) in [
        ("", "a", "conversation.mode"),
        ("Resume", "a", "conversation.mode"),
        ("init", "", "conversation.id"),
        ("init", "a b", "conversation.id"),
        ("init", "a/b", "conversation.id"),
        ("init", "a\0", "conversation.id"),
        ("init", "é", "conversation.id"),
        ("resume", &huge, "conversation.id"),
    ] {
        let refusal = Draft::parse(&conversation(mode, id)).expect_err("not a conversation");
        assert!(
            refusal.to_string().starts_with(field),
            "{mode:?} {id:?}: {refusal}"
        );
    }
}

#[test]
fn a_conversation_id_is_kept_as_the_caller_says_it() {
    let set: Field = |r, v| r.conversation_id = Some(v);
    for id in ["c1", "thread:7/é", "with a space"] {
        let kept = taken(set, id).conversation_id.expect("it is kept");
        assert_eq!(kept.as_str(), id);
    }
    for blank in ["", "  "] {
        assert_eq!(taken(set, blank).conversation_id, None);
    }
    refused("conversationId", set, &["a\0", "a\nb", &"i".repeat(257)]);
}

#[test]
fn labels_are_at_most_16_words_and_no_two_the_same() {
    let labels = |texts: &[&str]| LaunchRequest {
        labels: Some(texts.iter().map(|text| (*text).to_owned()).collect()),
        ..request()
    };
    let many: Vec<String> = (0..17).map(|n| format!("l{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let kept = launch(&labels(&many[..16])).labels;
    assert!(
        kept.iter()
            .map(Label::as_str)
            .eq(many[..16].iter().copied())
    );
    assert!(launch(&labels(&[])).labels.is_empty());

    let (long, longest) = ("l".repeat(65), "l".repeat(64));
    assert!(Draft::parse(&labels(&[&longest, "team:red", "v1.2_3-x"])).is_ok());
    for bad in [
        &many[..],
        &["a", "a"],
        &[""],
        &["a b"],
        &["é"],
        &["a\0"],
        &[&long],
    ] {
        let refusal = Draft::parse(&labels(bad)).expect_err("not labels");
        assert!(refusal.to_string().starts_with("labels "), "{refusal}");
    }
}

#[test]
fn a_size_is_1_to_1000_each_way_and_80_by_24_if_not_given() {
    let sized = |cols, rows| LaunchRequest {
        cols,
        rows,
        ..request()
    };
    let cells = |size: TermSize| (size.cols(), size.rows());
    for (cols, rows, size) in [
        (None, None, (80, 24)),
        (Some(1), Some(1000), (1, 1000)),
        (Some(132), None, (132, 24)),
        (None, Some(50), (80, 50)),
    ] {
        assert_eq!(cells(launch(&sized(cols, rows)).size), size);
    }
    for bad in [0, -1, 1001, 65_616, i64::MIN, i64::MAX] {
        for (request, field) in [
            (sized(Some(bad), None), "cols"),
            (sized(None, Some(bad)), "rows"),
        ] {
            let refusal = Draft::parse(&request).expect_err("not a size");
            assert_eq!(refusal.to_string(), format!("{field} must be 1 to 1000"));
        }
    }
}

#[test]
fn of_an_environment_only_the_names_are_kept_and_no_value_is_told() {
    let env = |pairs: &[(&str, &str)]| LaunchRequest {
        env: Some(
            pairs
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
        ),
        ..request()
    };
    let secret = env(&[("PATH", "/bin"), ("API_KEY", "hunter2")]);
    let launch = launch(&secret);
    assert_eq!(launch.environment, ["API_KEY", "PATH"]);
    assert!(!format!("{launch:?}{secret:?}").contains("hunter2"));

    for (name, value) in [
        ("", "hunter2"),
        ("A=B", "hunter2"),
        ("A\0", "hunter2"),
        ("A", "hunter2\0"),
    ] {
        let refusal = Draft::parse(&env(&[(name, value)])).expect_err("not an environment");
        assert!(refusal.to_string().starts_with("env "), "{refusal}");
        assert!(!format!("{refusal:?}").contains("hunter2"));
    }
    let too_many: BTreeMap<String, String> = (0..=4096)
        .map(|n| (format!("V{n}"), String::new()))
        .collect();
    let request = LaunchRequest {
        env: Some(too_many),
        ..request()
    };
    assert!(Draft::parse(&request).is_err());
}

#[test]
fn it_goes_on_with_a_session_or_names_a_conversation_and_not_both() {
    let with_conversation: Field = |r, v| {
        r.continues = Some(v);
        r.conversation = Some(ConversationRequest {
            mode: "resume".to_owned(),
            id: "my-thread".to_owned(),
        });
    };
    refused("continues", with_conversation, &["session-1"]);
}

#[test]
fn what_it_continues_is_a_session_id_and_a_key_is_visible_ascii() {
    refused(
        "continues",
        |r, v| r.continues = Some(v),
        &["", "a b", "../x", &"i".repeat(129)],
    );
    let set: Field = |r, v| r.idempotency_key = Some(v);
    refused(
        "Idempotency-Key",
        set,
        &["", "a b", "é", "a\0", &"k".repeat(129)],
    );
    let key = taken(set, "retry-1!~").idempotency_key;
    assert_eq!(key.as_ref().map(IdempotencyKey::as_str), Some("retry-1!~"));
}
