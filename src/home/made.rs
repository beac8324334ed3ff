//! `Made`: what somebody who opens a home makes there, to be taken away again where nothing came of it.

use std::fs;
use std::path::{Path, PathBuf};

use super::{LOG_FILE, OWN_FILES, named};
use crate::OpenError;

/// Dropped, what was made is removed again, unless it is [kept](Made::keep).
#[derive(Debug)]
pub(crate) struct Made {
    home: PathBuf,
    /// Files that were not there before.
    files: Vec<String>,
    /// Whether the directory itself was not.
    directory: bool,
}

impl Made {
    /// Looks what there is before a home is opened.
    pub(crate) fn before(home: &Path) -> Result<Self, OpenError> {
        let home = named(home)?;
        let directory = !home.exists();
        let missing = |name: &&str| !home.join(name).exists();
        Ok(Self {
            files: OWN_FILES
                .into_iter()
                .filter(missing)
                .map(str::to_owned)
                .collect(),
            directory,
            home,
        })
    }

    /// Looks for the log, once the home is open and nobody else's. Where there is one, whatever else
    /// there is goes with it.
    pub(crate) fn and_the_log(&mut self) {
        let log = ["", ".journal"].map(|end| format!("{LOG_FILE}{end}"));
        if log.iter().any(|name| self.home.join(name).exists()) {
            self.forget();
            return;
        }
        let drafts = log.clone().map(|name| format!("{name}.new"));
        self.files.extend(log);
        self.files.extend(drafts);
    }

    /// It is of use.
    pub(crate) fn keep(mut self) {
        self.forget();
    }

    fn forget(&mut self) {
        self.files.clear();
        self.directory = false;
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for name in &self.files {
            // What cannot be removed, or was not made, does no harm.
            let _ = fs::remove_file(self.home.join(name));
        }
        if self.directory {
            // Unless somebody put something there.
            let _ = fs::remove_dir(&self.home);
        }
    }
}
