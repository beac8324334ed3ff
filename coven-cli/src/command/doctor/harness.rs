//! The harnesses: found, which version, signed in, and whether they trust the project.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use coven::environment::Environment;
use coven::harness::process::open_files_limit;
use coven::harness::version;
use coven::readiness::{self, Answer};
use coven::{Harness, Registry, Source};

use super::{Finding, State};
use crate::command::run::place;
use crate::failure::Failure;
use crate::home::Home;
use crate::installed;

pub(super) async fn look(home: &Home, project: Option<&str>) -> Result<Vec<Finding>, Failure> {
    let project = PathBuf::from(place::find(project, None)?.project);
    let project = project.canonicalize().unwrap_or(project);
    let registry = Registry::load(&home.harnesses());
    let environment = Environment::of_this_process();
    let mut findings = Vec::new();
    let mut any_found = false;
    for harness in registry.iter() {
        any_found |= installed::find(&harness.about().executable).is_some();
        findings.extend(one(harness, &environment, &project).await);
    }
    for bad in registry.bad_manifests() {
        findings.push(
            Finding::new("manifest", State::Note, bad.to_string()).advise(format!(
                "mend {}; until then its harness does not exist",
                bad.file.display()
            )),
        );
    }
    if !any_found {
        findings.push(
            Finding::new("harnesses", State::Bad, "none is installed")
                .advise("install one of the above; `coven demo` works without"),
        );
    }
    Ok(findings)
}

async fn one(
    harness: &Arc<dyn Harness>,
    environment: &Environment,
    project: &Path,
) -> Vec<Finding> {
    let about = harness.about();
    let id = about.id.as_str();
    let Some(path) = installed::find(&about.executable) else {
        let missing = format!("{} is not on PATH", about.executable);
        let missing = Finding::new(id, State::Note, missing);
        return vec![missing.advise(about.install_hint.as_str())];
    };
    let version = version(&path, environment, open_files_limit()).await;
    let version = version.unwrap_or_else(|| "of unknown version".to_owned());
    let found = Finding::new(id, State::Ok, format!("{} {version}", path.display()));
    if about.source == Source::Manifest {
        // A manifest does not tell where its harness keeps such things.
        return vec![found];
    }
    let ready = harness.readiness(environment, project);
    vec![
        found,
        answered(format!("{id} sign-in"), ready.signed_in),
        answered(
            format!("{id} trust"),
            readiness::Finding {
                note: format!("{}: {}", project.display(), ready.folder_trusted.note),
                ..ready.folder_trusted
            },
        ),
    ]
}

fn answered(subject: String, finding: readiness::Finding) -> Finding {
    let found = format!("{}: {}", finding.answer.as_str(), finding.note);
    match finding.answer {
        Answer::Yes => Finding::new(subject, State::Ok, found),
        Answer::No => Finding::new(subject, State::Note, found).advise(finding.note),
        Answer::Unknown => Finding::new(subject, State::Note, found),
    }
}
