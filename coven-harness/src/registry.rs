//! `Registry`: the harnesses there are. A launch of any other is refused.

use std::path::Path;
use std::sync::Arc;

use coven_core::HarnessId;

use crate::claude::Claude;
use crate::codex::Codex;
use crate::{BadManifest, Harness, manifest};

/// All harnesses that may be launched: those of Coven itself, then those of the home's manifests.
#[derive(Clone, Debug)]
pub struct Registry {
    harnesses: Vec<Arc<dyn Harness>>,
    bad_manifests: Vec<BadManifest>,
}

impl Registry {
    /// The harnesses of Coven itself: Codex and Claude Code.
    pub fn bundled() -> Self {
        Self {
            harnesses: vec![Arc::new(Codex::new()), Arc::new(Claude::new())],
            bad_manifests: Vec::new(),
        }
    }

    /// The harnesses of Coven itself and those that the manifests in `folder` declare, which is
    /// `harnesses` in the Coven home and never a place in a project. Blocks for reading them.
    ///
    /// A manifest that cannot be used is passed over: see [`Registry::bad_manifests`].
    pub fn load(folder: &Path) -> Self {
        let mut registry = Self::bundled();
        for (file, declared) in manifest::load(folder) {
            let added = declared.and_then(|harness| {
                registry
                    .add(Arc::new(harness))
                    .map_err(|harness| format!("id {} is taken", harness.about().id))
            });
            if let Err(problem) = added {
                registry.bad_manifests.push(BadManifest { file, problem });
            }
        }
        registry
    }

    /// The manifests that were passed over when it was loaded, and why.
    pub fn bad_manifests(&self) -> &[BadManifest] {
        &self.bad_manifests
    }

    /// The harness with this id.
    pub fn get(&self, id: &HarnessId) -> Option<&Arc<dyn Harness>> {
        self.harnesses
            .iter()
            .find(|harness| harness.about().id == *id)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Harness>> {
        self.harnesses.iter()
    }

    /// Adds a harness of an embedding program.
    ///
    /// # Errors
    /// The harness itself, when its id is taken.
    pub fn add(&mut self, harness: Arc<dyn Harness>) -> Result<(), Arc<dyn Harness>> {
        if self.get(&harness.about().id).is_some() {
            return Err(harness);
        }
        self.harnesses.push(harness);
        Ok(())
    }
}
