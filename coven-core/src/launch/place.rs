//! `Place`: where a session runs.

use std::path::{Component, Path};

use crate::Refusal;

/// A project root and a working directory at or beneath it, both absolute and canonical. Whether
/// they exist is for the engine to find out; that one contains the other is checked here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    root: String,
    cwd: String,
}

impl Place {
    /// Puts two canonical paths together.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming `projectRoot` when it is not absolute, `cwd` when it is not
    /// the root or beneath it, and either when it holds a `..`.
    pub fn new(root: impl Into<String>, cwd: impl Into<String>) -> Result<Self, Refusal> {
        let (root, cwd) = (root.into(), cwd.into());
        if !Path::new(&root).is_absolute() {
            return Err(Refusal::invalid("projectRoot", root, "must be absolute"));
        }
        if !Path::new(&cwd).starts_with(&root) {
            return Err(Refusal::invalid(
                "cwd",
                cwd,
                "must be the project root or beneath it",
            ));
        }
        for (field, path) in [("projectRoot", &root), ("cwd", &cwd)] {
            // `starts_with` compares names: `/a/../b` is beneath `/a` by name only.
            if Path::new(path)
                .components()
                .any(|part| part == Component::ParentDir)
            {
                return Err(Refusal::invalid(field, path, "must be canonical"));
            }
        }
        Ok(Self { root, cwd })
    }

    /// The project's root.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The working directory.
    pub fn cwd(&self) -> &str {
        &self.cwd
    }
}
