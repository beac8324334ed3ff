//! What is to be done: project, harness, prompt, title.

use super::*;

#[test]
fn project_root_harness_and_prompt_are_required_and_not_blank() {
    let fields: [(&str, Field, Clear); 3] = [
        (
            "projectRoot",
            |r, v| r.project_root = Some(v),
            |r| r.project_root = None,
        ),
        ("harness", |r, v| r.harness = Some(v), |r| r.harness = None),
        ("prompt", |r, v| r.prompt = Some(v), |r| r.prompt = None),
    ];
    for (name, set, clear) in fields {
        refused(name, set, &["", " ", "\n\t ", "\u{2003}"]);
        let mut request = request();
        clear(&mut request);
        let refusal = Draft::parse(&request).expect_err("it is required");
        assert_eq!(refusal.to_string(), format!("{name} is required"));
    }
}

#[test]
fn a_path_may_not_hold_a_nul() {
    refused(
        "projectRoot",
        |r, v| r.project_root = Some(v),
        &["/home/\0ada", "\0"],
    );
    refused("cwd", |r, v| r.cwd = Some(v), &["src\0", "\0"]);
}

#[test]
fn a_harness_id_is_short_and_has_no_control_characters() {
    let huge = "h".repeat(129);
    refused(
        "harness",
        |r, v| r.harness = Some(v),
        &["co\0dex", "codex\n", &huge],
    );
}

#[test]
fn a_prompt_is_trimmed_and_else_kept_as_it_is() {
    let set: Field = |r, v| r.prompt = Some(v);
    for (given, kept) in [
        ("fix it", "fix it"),
        ("  fix it\n\n", "fix it"),
        ("\u{3000}fix it\u{2028}", "fix it"),
        ("--help", "--help"),
        ("- one\n- two", "- one\n- two"),
        ("/clear", "/clear"),
        ("héllo 🧵\u{200d} \u{202e}x", "héllo 🧵\u{200d} \u{202e}x"),
        ("a\u{1b}[31mb\u{7f}", "a\u{1b}[31mb\u{7f}"),
    ] {
        assert_eq!(taken(set, given).prompt.unwrap().as_str(), kept);
    }
}

#[test]
fn a_prompt_may_be_left_out_only_where_a_terminal_goes_on_with_a_conversation() {
    type Vary = fn(&mut LaunchRequest);
    let without = |vary: Vary, mode: Option<&str>| {
        let mut request = LaunchRequest {
            prompt: None,
            launch_mode: mode.map(str::to_owned),
            ..request()
        };
        vary(&mut request);
        Draft::parse(&request).map(|draft| draft.at(Place::new("/p", "/p").expect("a place")))
    };
    let continues: Vary = |r| r.continues = Some("session-1".to_owned());
    fn named(mode: &str) -> Option<ConversationRequest> {
        let (mode, id) = (mode.to_owned(), "my-thread".to_owned());
        Some(ConversationRequest { mode, id })
    }
    let resumes: Vary = |r| r.conversation = named("resume");
    let begins: Vary = |r| r.conversation = named("init");
    let alone: Vary = |_| {};
    for vary in [continues, resumes] {
        for mode in [None, Some("interactive")] {
            let launch = without(vary, mode).expect("a launch");
            assert_eq!((&launch.prompt, launch.title.as_str()), (&None, "untitled"));
            assert!(launch.opens_conversation());
        }
    }
    for (vary, mode) in [
        (begins, "interactive"),
        (alone, "interactive"),
        (continues, "nonInteractive"),
        (continues, "stream"),
        (resumes, "nonInteractive"),
    ] {
        let refusal = without(vary, Some(mode)).expect_err("it has no prompt");
        assert_eq!(refusal.to_string(), "prompt is required", "{mode}");
    }
    let blank: Vary = |r| {
        r.continues = Some("session-1".to_owned());
        r.prompt = Some(" \n".to_owned());
    };
    let refusal = without(blank, None).expect_err("a blank prompt is none");
    assert_eq!(refusal.to_string(), "prompt must not be blank");
}

#[test]
fn a_prompt_has_no_nul_and_at_most_one_mebibyte() {
    let set: Field = |r, v| r.prompt = Some(v);
    let huge = "é".repeat((1 << 19) + 1);
    refused("prompt", set, &["a\0b", "\0", &huge]);
    assert_eq!(
        taken(set, &"é".repeat(1 << 19))
            .prompt
            .unwrap()
            .as_str()
            .len(),
        1 << 20
    );
}

#[test]
fn a_prompt_of_131071_bytes_fits_an_argument_and_one_more_does_not() {
    let set: Field = |r, v| r.prompt = Some(v);
    let prompt = |len_bytes| taken(set, &"x".repeat(len_bytes)).prompt.unwrap();
    assert!(prompt(131_071).fits_argument());
    assert!(!prompt(131_072).fits_argument());
}

#[test]
fn the_head_of_a_prompt_is_its_first_200_characters() {
    let head = taken(|r, v| r.prompt = Some(v), &"🧵".repeat(300))
        .prompt
        .unwrap()
        .head();
    assert_eq!(head, "🧵".repeat(200));
}

#[test]
fn a_title_is_the_given_one_or_the_first_line_of_the_prompt() {
    for (title, prompt, shown) in [
        (None, "fix the tests", "fix the tests"),
        (Some(""), "fix\nthe tests", "fix"),
        (Some(" \t"), "fix\tthe tests", "fix the tests"),
        (Some("  mine "), "fix", "mine"),
        (Some("one\ntwo"), "fix", "one two"),
        (Some("\u{1b}[2Jx"), "fix", "[2Jx"),
        (Some("\0\u{7f}"), "fix", "fix"),
        (None, "\u{1}\nrest", "untitled"),
    ] {
        let request = LaunchRequest {
            title: title.map(str::to_owned),
            prompt: Some(prompt.to_owned()),
            ..request()
        };
        assert_eq!(
            launch(&request).title.as_str(),
            shown,
            "{title:?} {prompt:?}"
        );
    }
}

#[test]
fn a_title_from_a_prompt_has_80_characters_and_a_given_one_1024_bytes() {
    let long = "é".repeat(2000);
    let from_prompt = taken(|r, v| r.prompt = Some(v), &long).title;
    assert_eq!(from_prompt.as_str(), "é".repeat(80));
    let given = taken(|r, v| r.title = Some(v), &format!("x{long}")).title;
    assert_eq!(given.as_str(), format!("x{}", "é".repeat(511)));
}

#[test]
fn a_title_that_a_person_edits_is_checked_and_not_bent() {
    assert_eq!(Title::parse(" mine ").expect("a title").as_str(), "mine");
    for bad in ["", "  ", "one\ntwo", "\u{1b}]0;x\u{7}", &"é".repeat(513)] {
        let refusal = Title::parse(bad).expect_err("not a title");
        assert!(refusal.to_string().starts_with("title "), "{refusal}");
    }
}
