//! What harnesses there are, which of them are installed, and what they have configured.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use coven_core::HarnessId;
use coven_harness::environment::{Environment, lookup};
use coven_harness::{Harness, HarnessCapabilities, Readiness, Source, version};
use rustix::process::Rlimit;
use tokio::task::JoinSet;

use crate::shared::{Shared, blocking};
use crate::{Error, launch};

/// A harness, and whether it is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HarnessInfo {
    /// The word by which a launch asks for it.
    pub id: HarnessId,
    /// Its name for people.
    pub label: String,
    /// Its program: a name to look up in a PATH, or an absolute path.
    pub executable: String,
    /// Where that is in the PATH of launches that bring no environment of their own; `None` when
    /// it is not there.
    pub path: Option<PathBuf>,
    /// What it says its version is; `None` when it is not there, or does not say.
    pub version: Option<String>,
    /// How to install it.
    pub install_hint: String,
    /// Where it is declared.
    pub source: Source,
}

/// The versions that programs told, asked again when the file changed.
#[derive(Debug, Default)]
pub(crate) struct Versions(Mutex<HashMap<PathBuf, (SystemTime, Option<String>)>>);

impl Versions {
    async fn of(
        &self,
        program: &Path,
        environment: &Environment,
        open_files: Rlimit,
    ) -> Option<String> {
        let file = program.to_owned();
        let changed_at = blocking(move || fs::metadata(file)?.modified()).await;
        let changed_at = changed_at.ok()?.ok()?;
        if let Some((asked_at, told)) = self.lock().get(program)
            && *asked_at == changed_at
        {
            return told.clone();
        }
        let told = version(program, environment, open_files).await;
        self.lock()
            .insert(program.to_owned(), (changed_at, told.clone()));
        told
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, (SystemTime, Option<String>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn all(shared: &Arc<Shared>) -> Vec<HarnessInfo> {
    let environment = Arc::new(launch::own_environment(shared).await);
    let mut looks = JoinSet::new();
    for (place, harness) in shared.registry.iter().cloned().enumerate() {
        let (shared, environment) = (Arc::clone(shared), Arc::clone(&environment));
        looks.spawn(async move { (place, describe(&shared, &*harness, &environment).await) });
    }
    let mut described = looks.join_all().await;
    described.sort_by_key(|(place, _)| *place);
    described.into_iter().map(|(_, info)| info).collect()
}

async fn describe(
    shared: &Shared,
    harness: &dyn Harness,
    environment: &Environment,
) -> HarnessInfo {
    let search = environment.get("PATH").unwrap_or(OsStr::new("")).to_owned();
    let wanted = harness.about().executable.clone();
    let path = blocking(move || lookup(wanted, &search))
        .await
        .ok()
        .flatten();
    let version = match &path {
        Some(program) => {
            shared
                .versions
                .of(program, environment, shared.open_files)
                .await
        }
        None => None,
    };
    let about = harness.about().clone();
    HarnessInfo {
        id: about.id,
        label: about.label,
        executable: about.executable,
        path,
        version,
        install_hint: about.install_hint,
        source: about.source,
    }
}

/// What one harness, or each, has configured for this user.
pub(crate) async fn capabilities(
    shared: &Shared,
    wanted: Option<&HarnessId>,
) -> Result<Vec<(HarnessId, HarnessCapabilities)>, Error> {
    let harnesses = match wanted {
        Some(id) => vec![find(shared, id)?],
        None => shared.registry.iter().cloned().collect(),
    };
    let environment = launch::own_environment(shared).await;
    let look = move || {
        let harnesses = harnesses.iter();
        harnesses
            .map(|one| (one.about().id.clone(), one.capabilities(&environment)))
            .collect()
    };
    blocking(look).await
}

/// Whether a harness would start to work in a project, or first ask something.
pub(crate) async fn readiness(
    shared: &Shared,
    id: &HarnessId,
    project: PathBuf,
) -> Result<Readiness, Error> {
    let harness = find(shared, id)?;
    let environment = launch::own_environment(shared).await;
    blocking(move || harness.readiness(&environment, &project)).await
}

fn find(shared: &Shared, id: &HarnessId) -> Result<Arc<dyn Harness>, Error> {
    let found = shared.registry.get(id).cloned();
    found.ok_or_else(|| Error::HarnessNotFound {
        harness: id.to_string(),
    })
}
