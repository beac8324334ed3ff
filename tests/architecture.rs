//! The arrows between the crates, and what each of them must not do. ARCHITECTURE.md says why.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{root, rust_files, text};

/// Which crates of the workspace each one stands on.
const ARROWS: [(&str, &[&str]); 6] = [
    ("coven-core", &[]),
    ("coven-store", &["coven-core"]),
    ("coven-harness", &["coven-core"]),
    ("coven", &["coven-core", "coven-harness", "coven-store"]),
    ("coven-http", &["coven"]),
    ("coven-cli", &["coven", "coven-http"]),
];

/// Crates that belong to one place, so that what they bring is known to one crate.
const ONLY_IN: [(&str, &str); 6] = [
    ("redb", "coven-store"),
    ("pty-process", "coven-harness"),
    ("hyper", "coven-http"),
    ("tower", "coven-http"),
    ("matchit", "coven-http"),
    ("clap", "coven-cli"),
];

#[test]
fn crates_stand_on_each_other_along_the_arrows_only() {
    let packages = packages();
    let names: BTreeSet<&str> = packages.keys().map(String::as_str).collect();
    assert_eq!(names, ARROWS.iter().map(|(name, _)| *name).collect());
    for (name, below) in ARROWS {
        let found: BTreeSet<&str> = packages[name]
            .iter()
            .map(String::as_str)
            .filter(|dep| names.contains(dep))
            .collect();
        assert_eq!(found, below.iter().copied().collect(), "{name}");
    }
}

#[test]
fn coven_core_depends_on_nothing_that_does_io() {
    let allowed = BTreeSet::from(["bytes".to_owned(), "thiserror".to_owned()]);
    assert_eq!(packages()["coven-core"], allowed);
}

#[test]
fn storage_terminals_http_and_the_command_line_are_each_known_to_one_crate() {
    let packages = packages();
    for (dependency, home) in ONLY_IN {
        for (name, dependencies) in &packages {
            assert!(
                name == home || !dependencies.contains(dependency),
                "{name} depends on {dependency}, which belongs to {home}",
            );
        }
    }
}

#[test]
fn a_plain_cargo_run_or_test_at_the_root_means_every_crate() {
    let metadata = metadata();
    let ids = |key: &str| -> BTreeSet<String> {
        let ids = metadata[key].as_array().expect("a list of packages");
        ids.iter()
            .map(|id| id.as_str().expect("an id").to_owned())
            .collect()
    };
    assert_eq!(ids("workspace_default_members"), ids("workspace_members"));
    assert_eq!(ids("workspace_members").len(), ARROWS.len());
}

#[test]
fn coven_core_touches_no_file_socket_clock_process_or_thread() {
    let forbidden = [
        "std::fs",
        "std::net",
        "std::env",
        "std::io",
        "std::process",
        "std::thread",
        "std::sync::Mutex",
        "SystemTime",
        "Instant",
        "async fn",
        ".await",
        "tracing::",
        "static mut",
    ];
    for file in sources("coven-core") {
        for (number, line) in code_lines(&file) {
            for word in forbidden {
                assert!(!line.contains(word), "{}:{number}: {word}", file.display());
            }
        }
    }
}

#[test]
fn only_coven_cli_prints() {
    let macros = ["print!(", "println!(", "eprint!(", "eprintln!(", "dbg!("];
    for (name, _) in ARROWS.into_iter().filter(|(name, _)| *name != "coven-cli") {
        for file in sources(name) {
            for (number, line) in code_lines(&file) {
                let prints = macros.iter().any(|word| line.contains(word));
                assert!(!prints, "{}:{number}: {line}", file.display());
            }
        }
    }
}

#[test]
fn unsafe_code_is_in_two_files_and_forbidden_in_every_other_crate() {
    for (name, _) in ARROWS {
        let main = if name == "coven-cli" {
            "main.rs"
        } else {
            "lib.rs"
        };
        let root = text(&folder(name).join("src").join(main));
        let attribute = match name {
            "coven-harness" => "#![deny(unsafe_code)]",
            _ => "#![forbid(unsafe_code)]",
        };
        assert!(
            root.lines().any(|line| line == attribute),
            "{name} has no {attribute}"
        );
    }
    let allowing: Vec<PathBuf> = ARROWS
        .into_iter()
        .flat_map(|(name, _)| sources(name))
        .filter(|file| {
            code_lines(file)
                .iter()
                .any(|(_, line)| line.contains("allow(unsafe_code)"))
        })
        .collect();
    let harness = folder("coven-harness").join("src");
    let files = ["platform/linux/memory.rs", "pty.rs"].map(|file| harness.join(file));
    assert_eq!(BTreeSet::from_iter(allowing), BTreeSet::from(files));
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    for (name, _) in ARROWS {
        let manifest = text(&folder(name).join("Cargo.toml"));
        assert!(manifest.contains("[lints]\nworkspace = true"), "{name}");
    }
}

fn folder(package: &str) -> PathBuf {
    if package == "coven" {
        root()
    } else {
        root().join(package)
    }
}

fn sources(package: &str) -> Vec<PathBuf> {
    let files = rust_files(&folder(package).join("src"));
    assert!(!files.is_empty(), "{package} has no source");
    files
}

/// The lines of a file that are not comments, with their numbers.
fn code_lines(file: &Path) -> Vec<(usize, String)> {
    text(file)
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line.to_owned()))
        .collect()
}

/// Each package of the workspace, with what it depends on outside its tests.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let names = dependencies
                .iter()
                .filter(|dependency| dependency["kind"] != "dev")
                .map(|dependency| dependency["name"].as_str().expect("a name").to_owned())
                .collect();
            (package["name"].as_str().expect("a name").to_owned(), names)
        })
        .collect()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}
