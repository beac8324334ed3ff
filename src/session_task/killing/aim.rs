//! Whom a kill is to end, and whether it could see them.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use coven_core::{ProcessFacts, SessionId};
use coven_harness::process::Signalled;
use coven_harness::process::{KillError, is_shim_running, kill_again};
use coven_harness::shim;

use super::Report;
use crate::shared::blocking;

/// What people are told where it could not.
const OUT_OF_VIEW: &str = "its shim lives, and neither that nor what it holds can be seen by this daemon, as from \
                           another container: stop the daemon, and end the session by one that runs where it does";

/// All that there is of a session.
pub(super) struct Aim {
    /// Its first process.
    pub(super) first: ProcessFacts,
    pub(super) session: SessionId,
    /// Who survived earlier kills.
    pub(super) survivors: Vec<Signalled>,
    /// Where its shim has its lock, if one holds it.
    pub(super) shims_folder: Option<PathBuf>,
}

impl Aim {
    /// Ends all of it. That nobody is left is no proof of death while its shim, which has its lock, was not to be
    /// seen either.
    pub(super) async fn end(self, grace: Duration) -> Report {
        let Self {
            first,
            session,
            survivors,
            shims_folder,
        } = self;
        let report = kill_again(&first, &session, &survivors, grace).await?;
        let Some(folder) = shims_folder.filter(|_| report.survivors.is_empty()) else {
            return Ok(report);
        };
        match blocking(move || is_out_of_view(&first, &session, &folder)).await {
            Ok(false) => Ok(report),
            Ok(true) => Err(KillError::new(io::Error::other(OUT_OF_VIEW))),
            Err(error) => Err(KillError::new(io::Error::other(error))),
        }
    }
}

fn is_out_of_view(first: &ProcessFacts, session: &SessionId, folder: &Path) -> bool {
    let is_seen = is_shim_running(Some(first), session).unwrap_or(false);
    !is_seen && shim::is_dead(folder).is_ok_and(|is_dead| !is_dead)
}
