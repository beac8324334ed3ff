//! The names of files on the model of a disk: what was renamed or removed since the folder was synced may be
//! undone by a cut.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::drive::{Lot, Survival};
use super::mishap::Fate;
use super::{Failed, ModelDisk, Operation};
use crate::file::{Disk, OsDisk};

#[derive(Debug, Default)]
pub(super) struct Names {
    pending: Vec<Moved>,
    /// Where files are whose names were taken away.
    removed: Option<TempDir>,
}

/// A file that was called something else before.
#[derive(Debug)]
struct Moved {
    from: PathBuf,
    to: PathBuf,
}

/// What is done to the names in a folder.
pub(super) enum Naming<'a> {
    Rename { from: &'a Path, to: &'a Path },
    Remove(&'a Path),
    Sync,
}

impl Names {
    fn take(&mut self, naming: &Naming<'_>) -> io::Result<()> {
        match naming {
            Naming::Rename { from, to } => self.rename(from, to),
            Naming::Remove(path) => {
                let removed = match self.removed.take() {
                    Some(removed) => removed,
                    None => TempDir::new()?,
                };
                let to = removed.path().join(self.pending.len().to_string());
                self.removed = Some(removed);
                self.rename(path, &to)
            }
            Naming::Sync => {
                self.pending.clear();
                // What has no name any more never has one again.
                self.removed = None;
                Ok(())
            }
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.rename(from, to)?;
        let (from, to) = (from.to_owned(), to.to_owned());
        self.pending.push(Moved { from, to });
        Ok(())
    }

    /// Undoes what a cut leaves nothing of: any of it, whatever came before and after.
    pub(super) fn settle(&mut self, survival: Survival) {
        let mut lot = match survival {
            Survival::Nothing | Survival::Beginning => None,
            Survival::All => return,
            Survival::Some { seed } => Some(Lot::of(seed)),
        };
        for moved in std::mem::take(&mut self.pending).into_iter().rev() {
            let survives = lot.as_mut().is_some_and(|lot| lot.draw().is_multiple_of(2));
            if !survives {
                // It may have been moved on, and that survived. Of two that have a name, the older has it.
                let _ = fs::rename(&moved.to, &moved.from);
            }
        }
    }
}

impl ModelDisk {
    /// Does something to names, unless something befalls it.
    pub(super) fn name(&self, naming: &Naming<'_>) -> io::Result<()> {
        let mut state = self.state();
        state.refuse_after_cut()?;
        match state.fate(&Operation::Naming) {
            Fate::Fault(with) => {
                self.fail(Failed::Write);
                Err(with.into())
            }
            Fate::Cut => {
                // It may be there or not; a sync under way has ensured nothing.
                if !matches!(naming, Naming::Sync) {
                    let _ = state.names.take(naming);
                }
                state.is_cut = true;
                self.0.cut.send_replace(true);
                state.refuse_after_cut()
            }
            Fate::Nothing => state.names.take(naming),
        }
    }
}
