//! `Registry`: the harnesses there are. A launch of any other is refused.

use std::sync::Arc;

use coven_core::HarnessId;

use crate::Harness;
use crate::claude::Claude;
use crate::codex::Codex;

/// All harnesses that may be launched: those of Coven itself, then those of the home's manifests.
#[derive(Clone, Debug)]
pub struct Registry {
    harnesses: Vec<Arc<dyn Harness>>,
}

impl Registry {
    /// The harnesses of Coven itself: Codex and Claude Code.
    pub fn bundled() -> Self {
        Self {
            harnesses: vec![Arc::new(Codex::new()), Arc::new(Claude::new())],
        }
    }

    /// The harness with this id.
    pub fn get(&self, id: &HarnessId) -> Option<&Arc<dyn Harness>> {
        self.harnesses.iter().find(|harness| harness.id() == id)
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
        if self.get(harness.id()).is_some() {
            return Err(harness);
        }
        self.harnesses.push(harness);
        Ok(())
    }
}
