//! Where it runs: a place beneath a root, or elsewhere, as it is registered.

use super::*;

#[test]
fn a_place_is_a_root_and_a_directory_at_or_beneath_it() {
    for (root, cwd) in [
        ("/p", "/p"),
        ("/p", "/p/src/deep"),
        ("/", "/p"),
        ("/p q", "/p q/é"),
    ] {
        let place = Place::new(root, cwd).expect("a place");
        assert_eq!((place.root(), place.cwd()), (root, cwd));
    }
    for (root, cwd, field) in [
        ("p", "p/src", "projectRoot"),
        ("", "", "projectRoot"),
        ("/p", "/", "cwd"),
        ("/p", "/pq", "cwd"),
        ("/p", "src", "cwd"),
        ("/p", "/p/../etc", "cwd"),
        ("/p/..", "/p/..", "projectRoot"),
    ] {
        let refusal = Place::new(root, cwd).expect_err("not a place");
        assert!(
            refusal.to_string().starts_with(field),
            "{root} {cwd}: {refusal}"
        );
    }
}

#[test]
fn a_registration_is_taken_as_given_within_its_bounds() {
    let full = ExternalRequest {
        id: Some("Editor_1.x:7-a".to_owned()),
        project_root: Some("not/checked/at all".to_owned()),
        harness: Some("some harness".to_owned()),
        title: None,
        transcript_path: Some("~/t.jsonl".to_owned()),
        labels: Some(vec!["a".to_owned()]),
    };
    let (id, external) = External::parse(&full).expect("a registration");
    assert_eq!(id.as_str(), "Editor_1.x:7-a");
    assert_eq!(external.root, "not/checked/at all");
    assert_eq!(external.title.as_str(), "External session");
    assert_eq!(external.transcript_path.as_deref(), Some("~/t.jsonl"));

    let (long, huge) = ("i".repeat(129), "r".repeat(4097));
    let some = |text: &str| Some(text.to_owned());
    for (request, field) in [
        (
            ExternalRequest {
                id: None,
                ..full.clone()
            },
            "id",
        ),
        (
            ExternalRequest {
                id: some(""),
                ..full.clone()
            },
            "id",
        ),
        (
            ExternalRequest {
                id: some("a/b"),
                ..full.clone()
            },
            "id",
        ),
        (
            ExternalRequest {
                id: some(&long),
                ..full.clone()
            },
            "id",
        ),
        (
            ExternalRequest {
                project_root: None,
                ..full.clone()
            },
            "projectRoot",
        ),
        (
            ExternalRequest {
                project_root: some(" "),
                ..full.clone()
            },
            "projectRoot",
        ),
        (
            ExternalRequest {
                project_root: some(&huge),
                ..full.clone()
            },
            "projectRoot",
        ),
        (
            ExternalRequest {
                harness: None,
                ..full.clone()
            },
            "harness",
        ),
        (
            ExternalRequest {
                harness: some("a\nb"),
                ..full.clone()
            },
            "harness",
        ),
        (
            ExternalRequest {
                transcript_path: some("a\0"),
                ..full.clone()
            },
            "transcriptPath",
        ),
        (
            ExternalRequest {
                labels: Some(vec![String::new()]),
                ..full.clone()
            },
            "labels",
        ),
    ] {
        let refusal = External::parse(&request).expect_err("not a registration");
        assert!(refusal.to_string().starts_with(field), "{refusal}");
    }
}
