//! What the documents say of files, tests and commands must be there.

mod support;

use std::path::PathBuf;

use coven_core::{Draft, LaunchRequest};
use serde_json::Value;
use support::{files, root, text};

#[test]
fn every_link_leads_to_a_file_and_a_heading_of_this_repository() {
    for document in documents() {
        for target in links(&text(&document)) {
            let (file, heading) = target.split_once('#').unwrap_or((&target, ""));
            let file = match file {
                "" => document.clone(),
                _ => document.parent().expect("it is in a folder").join(file),
            };
            assert!(
                file.exists(),
                "{}: {target} leads nowhere",
                document.display()
            );
            if !heading.is_empty() {
                let found = headings(&text(&file)).any(|found| found == heading);
                assert!(
                    found,
                    "{}: {target} has no such heading",
                    document.display()
                );
            }
        }
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let mut named = 0;
    for document in documents() {
        for code in code_spans(&text(&document)) {
            let Some((file, test)) = code.split_once(".rs::") else {
                continue;
            };
            let source = text(&root().join(format!("{file}.rs")));
            let found = source.contains(&format!("fn {test}("));
            assert!(found, "{}: {code} is no test", document.display());
            named += 1;
        }
    }
    assert!(named > 30, "only {named} tests are named");
}

#[test]
fn every_file_that_is_named_exists() {
    let folders = [
        "coven-core/",
        "coven-store/",
        "coven-harness/",
        "coven-http/",
        "coven-cli/",
        "src/",
        "tests/",
        "docs/",
        "examples/",
        "benches/",
        ".ci/",
    ];
    for document in documents() {
        for code in code_spans(&text(&document)) {
            let path = code.split("::").next().unwrap_or_default();
            let is_ours = folders.iter().any(|folder| path.starts_with(folder));
            let is_plain = !path.contains([' ', '*', '{', '$', '<']);
            if is_ours && is_plain {
                assert!(
                    root().join(path).exists(),
                    "{}: there is no {path}",
                    document.display()
                );
            }
        }
    }
}

#[test]
fn every_document_is_reached_from_the_readme() {
    let readme = links(&text(&root().join("README.md")));
    for document in documents() {
        let path = document
            .strip_prefix(root())
            .expect("it is ours")
            .to_string_lossy()
            .into_owned();
        assert!(
            path == "README.md" || readme.contains(&path),
            "README.md has no link to {path}"
        );
    }
}

#[test]
fn the_launch_that_the_readme_sends_is_well_formed() {
    let readme = text(&root().join("README.md"));
    let (_, rest) = readme.split_once("-d '").expect("the call has a body");
    let (body, _) = rest.split_once("' \\").expect("the body ends");
    let body: Value = serde_json::from_str(body).expect("JSON");
    let field = |name: &str| Some(body[name].as_str().expect("text").to_owned());
    let request = LaunchRequest {
        project_root: field("projectRoot"),
        cwd: field("cwd"),
        harness: field("harness"),
        prompt: field("prompt"),
        title: field("title"),
        ..LaunchRequest::default()
    };
    assert_eq!(
        body.as_object().expect("an object").len(),
        5,
        "every field is looked at"
    );
    Draft::parse(&request).expect("a launch");
}

/// All Markdown files that people are meant to read.
fn documents() -> Vec<PathBuf> {
    let mut found = files(&root().join("docs"), "md");
    found.push(root().join("benches/README.md"));
    let top = std::fs::read_dir(root()).expect("the root");
    found.extend(
        top.map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "md")),
    );
    found
}

/// The targets of links into this repository.
fn links(text: &str) -> Vec<String> {
    prose(text)
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .filter(|target| !target.contains("://"))
        .collect()
}

/// What stands between single backticks outside of code blocks.
fn code_spans(text: &str) -> Vec<String> {
    prose(text)
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The text without its fenced code blocks.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The headings as links name them: lower case, blanks as hyphens, no punctuation.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text)
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect::<Vec<String>>()
        .into_iter()
}
