//! What harnesses have configured for a user, and whether they would start: told from files that
//! are theirs, and never changed.

mod capabilities;
mod readiness;

use std::fs;
use std::path::{Path, PathBuf};

use coven_core::HarnessId;
use coven_harness::Registry;
use coven_harness::capabilities::HarnessCapabilities;
use coven_harness::environment::Environment;
use coven_harness::readiness::{Answer, Readiness};

/// A user's home, a project, and an environment that has nothing else.
struct User {
    folder: tempfile::TempDir,
    environment: Environment,
}

impl User {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let environment = [("HOME", folder.path().join("home"))].into_iter().collect();
        fs::create_dir_all(folder.path().join("home")).unwrap();
        fs::create_dir_all(folder.path().join("work/project/src")).unwrap();
        Self {
            folder,
            environment,
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.set(name, value);
        self
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("work/project")
    }

    /// Writes a file below the home.
    fn has(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        write(&self.home().join(path), text);
        self
    }

    /// The project is a git repository.
    fn with_git(self) -> Self {
        fs::create_dir_all(self.project().join(".git")).unwrap();
        self
    }

    fn capabilities(&self, harness: &str) -> HarnessCapabilities {
        let registry = Registry::bundled();
        let harness = registry.get(&HarnessId::parse(harness).unwrap()).unwrap();
        harness.capabilities(&self.environment)
    }

    fn readiness_in(&self, harness: &str, project: &Path) -> Readiness {
        let registry = Registry::bundled();
        let harness = registry.get(&HarnessId::parse(harness).unwrap()).unwrap();
        harness.readiness(&self.environment, project)
    }

    fn readiness(&self, harness: &str) -> Readiness {
        self.readiness_in(harness, &self.project())
    }

    fn signed_in(&self, harness: &str) -> Answer {
        self.readiness(harness).signed_in.answer
    }

    fn trusted(&self, harness: &str) -> Answer {
        self.readiness(harness).folder_trusted.answer
    }
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
