//! `Engine`: what programs hold.

mod driving;
mod reading;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use coven_core::decide::{Registration, register};
use coven_core::{
    Actor, Command, External, ExternalRequest, HarnessId, LaunchRequest, Record, Refusal, SessionId,
};
use coven_harness::{HarnessCapabilities, Readiness, Registry};

use crate::options::Options;
use crate::shared::Shared;
use crate::{Error, HarnessInfo, Health, Heard, OpenError, Pruned, Pruning, Retention};
use crate::{commit, end_all, harnesses, launch, opening, retention, shutdown};

/// Runs coding agents in one home, and records everything they do.
///
/// Cheap to clone. Dropping the last clone neither kills nor blocks: sessions go on as long as the
/// tokio runtime does. Every method must be called within one. A method whose future is dropped
/// has either been carried out or not; nothing is left half-done.
#[derive(Clone, Debug)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// Whether a session that was registered, or launched under a key, was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It was not known before.
    New,
    /// It was there before; nothing was written.
    Again,
}

/// The engine's life.
impl Engine {
    /// Opens a home, and makes it if there is none. Sessions that were live when the last engine
    /// ended are taken over where a shim holds them; the others are orphaned before this returns,
    /// and what is left of their processes is ended. What became of sessions that have ended since
    /// is on record by then, too, as a rule: it waits a second for that at most.
    ///
    /// # Errors
    /// [`OpenError`] says what to do about each. Nothing of the home was changed.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let shared = opening::open(options).await?;
        Ok(Self { shared })
    }

    /// Opens a home that no engine has open, to read what is on record there, and nothing else:
    /// nothing is made, recovered or written in it, but for the process id in its lock. A home on a
    /// file system that takes no writes is read as well, and a log that was not closed.
    ///
    /// Sessions that were live when their engine died are shown as they are on record; following
    /// one ends where its record does. What would write is refused with
    /// [`Unavailable::ShuttingDown`](crate::Unavailable::ShuttingDown).
    ///
    /// # Errors
    /// [`OpenError`]; a home or log that does not exist is an [`OpenError::Io`], or within an
    /// [`OpenError::Log`] one, of the kind `NotFound`.
    pub async fn open_to_read(options: Options) -> Result<Self, OpenError> {
        let shared = opening::open_to_read(options).await?;
        shared.begin_shutdown();
        Ok(Self { shared })
    }

    /// Ends every session that is live on record in a home whose engine is dead, puts on record what
    /// is proven, and frees the home: [`open`](Self::open) and [`shutdown`](Self::shutdown) in one, for
    /// a home, too, that cannot be opened because its shims' folders cannot be listed. Who is live on
    /// record after it could not be ended.
    ///
    /// # Errors
    /// [`OpenError`] says what to do about each. Nobody was ended, unless reading the log failed midway.
    pub async fn end_sessions(options: Options) -> Result<Heard, OpenError> {
        end_all::end_all(options).await
    }

    /// The home, as an absolute path.
    pub fn home(&self) -> &Path {
        &self.shared.home
    }

    /// Keeps other engines from the home while what this returns is held, over the end of this
    /// engine too; `None` once it is shut down. For who serves the home, and has things to put
    /// away after the engine.
    pub fn hold_home(&self) -> Option<crate::home::Hold> {
        self.shared.hold_home()
    }

    /// The harnesses that may be launched, and the manifests that could not be used.
    pub fn registry(&self) -> &Registry {
        &self.shared.registry
    }

    /// Every harness, where its program is, and its version. Looks in the login shell's PATH and
    /// runs the programs it finds there with `--version`: the first call may take some seconds.
    pub async fn harnesses(&self) -> Vec<HarnessInfo> {
        harnesses::all(&self.shared).await
    }

    /// What one harness, or each, has configured for this user, as far as its own files tell.
    ///
    /// # Errors
    /// [`Error::HarnessNotFound`]; [`Error::Internal`]: see there.
    pub async fn capabilities(
        &self,
        harness: Option<&HarnessId>,
    ) -> Result<Vec<(HarnessId, HarnessCapabilities)>, Error> {
        harnesses::capabilities(&self.shared, harness).await
    }

    /// Whether a harness would start to work in `project`, a canonical path, or first ask
    /// something, as far as its own files tell.
    ///
    /// # Errors
    /// [`Error::HarnessNotFound`]; [`Error::Internal`]: see there.
    pub async fn readiness(
        &self,
        harness: &HarnessId,
        project: impl Into<PathBuf>,
    ) -> Result<Readiness, Error> {
        harnesses::readiness(&self.shared, harness, project.into()).await
    }

    /// How the engine and its log are. Does not block.
    pub fn health(&self) -> Health {
        Health {
            store: self.shared.store.health(),
            live_sessions: self.shared.running.count(),
            shutting_down: self.shared.is_shutting_down(),
        }
    }

    /// Takes no more work, lets go of the sessions that shims hold, closes the log and frees the
    /// home: they go on, and the next engine of the home takes them over. Where this program holds
    /// sessions itself, it is [`shutdown`](Self::shutdown). Takes two seconds at most, and as long again
    /// for the log. Whoever has asked something of a session is answered: an input that is on record as
    /// taken, since the next engine types it if its shim did not get it; all else is refused.
    pub async fn leave(&self) {
        shutdown::leave(&self.shared).await;
    }

    /// Takes no more work, ends every live session with its grace, puts on record what is proven,
    /// closes the log and frees the home. Takes the grace and a dozen seconds at most; a session
    /// that cannot be ended, or not be put on record, is found by the next engine.
    pub async fn shutdown(&self) {
        shutdown::shutdown(&self.shared).await;
    }
}

/// Launching and registering sessions, and what is kept of them.
impl Engine {
    /// Runs a harness. Returns once its process runs; the record tells the later truth if it has
    /// already ended. From the moment the launch is on record, dropping the future stops nothing.
    ///
    /// # Errors
    /// - [`Refusal::Invalid`](coven_core::Refusal::Invalid): a field is malformed, a path does not
    ///   exist, the harness is unknown. Nothing was written.
    /// - [`Error::LaunchFailed`]: a record says so, or that it is not known yet; the message says what
    ///   to do.
    /// - [`Error::Unavailable`]: nothing runs; ask again. With
    ///   [`ShuttingDown`](crate::Unavailable::ShuttingDown) a record may be there, to be told lost
    ///   by the next engine.
    /// - [`Error::Internal`]: see there.
    pub async fn launch(&self, request: LaunchRequest, by: Actor) -> Result<Record, Error> {
        let (_, record) = self.launch_once(request, by).await?;
        Ok(record)
    }

    /// The same, and whether the session was launched now or before: a launch that has an
    /// idempotency key is asked for again without launching twice, also of the next engine. The
    /// record of one that was launched before is as it is now.
    ///
    /// # Errors
    /// As [`launch`](Self::launch); and [`Refusal::IdConflict`](coven_core::Refusal::IdConflict)
    /// where the key is of another launch. That of a session that was deleted is free again.
    pub async fn launch_once(
        &self,
        request: LaunchRequest,
        by: Actor,
    ) -> Result<(Registered, Record), Error> {
        launch::launch(&self.shared, request, by).await
    }

    /// Registers a session that runs elsewhere, under the id its owner chose.
    ///
    /// # Errors
    /// - [`Refusal::Invalid`](coven_core::Refusal::Invalid): a field is malformed.
    /// - [`Refusal::IdConflict`](coven_core::Refusal::IdConflict): the id is one of a session that
    ///   Coven launched. That of a session that was deleted may be taken again.
    /// - [`Error::Unavailable`]: nothing was written; ask again.
    /// - [`Error::Internal`]: see there.
    pub async fn register(
        &self,
        request: ExternalRequest,
        by: Actor,
    ) -> Result<(Registered, Record), Error> {
        self.shared.refuse_when_shutting_down()?;
        let (id, external) = External::parse(&request)?;
        loop {
            let wanted = id.clone();
            let existing = self.shared.read(move |store| store.record(&wanted)).await?;
            let standing = existing.as_ref().map(|record| &record.session);
            let Registration::New { decision } = register(standing, external.clone())? else {
                let record = existing.expect("only what is there can be registered again");
                return Ok((Registered::Again, record));
            };
            let (store, now) = (&self.shared.store, self.shared.clock.now());
            match commit::begin(store, id.clone(), decision, now, Some(by.clone())).await {
                Ok(appended) => return Ok((Registered::New, appended.record)),
                // Somebody was faster: what they registered may be the same.
                Err(Error::Refused(Refusal::IdConflict { .. })) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reports the end of an external session.
    ///
    /// # Errors
    /// Not found, not external, or ended already; [`Error::Unavailable`]: nothing was written, ask
    /// again; [`Error::Internal`]: see there.
    pub async fn complete(
        &self,
        id: &SessionId,
        exit_code: Option<i32>,
        by: Actor,
    ) -> Result<Record, Error> {
        self.at_rest(id, Command::Complete { exit_code }, by).await
    }

    /// Hides an ended session from plain lists. Archived already is fine.
    ///
    /// # Errors
    /// Not found, or it may still be alive; [`Error::Unavailable`]: nothing was written, ask again;
    /// [`Error::Internal`]: see there.
    pub async fn archive(&self, id: &SessionId, by: Actor) -> Result<Record, Error> {
        self.at_rest(id, Command::Archive, by).await
    }

    /// Brings an archived session back into plain lists. Not archived is fine.
    ///
    /// # Errors
    /// Not found; [`Error::Unavailable`]: ask again; [`Error::Internal`]: see there.
    pub async fn summon(&self, id: &SessionId, by: Actor) -> Result<Record, Error> {
        self.at_rest(id, Command::Summon, by).await
    }

    /// Deletes an ended session and all its events.
    ///
    /// # Errors
    /// Not found, or it may still be alive; [`Error::Unavailable`]: nothing was written, ask again;
    /// [`Error::Internal`]: see there.
    pub async fn delete(&self, id: &SessionId, by: Actor) -> Result<(), Error> {
        self.at_rest(id, Command::Delete, by).await.map(drop)
    }

    /// Lets the oldest output go that is over `retention`, or over the engine's own budgets where
    /// that is `None`; or only says what would go. Control events stay, and so do offsets and Seqs.
    /// Reads all that goes, to leave a hash of it, or to say of it what cannot be read because the log
    /// is damaged: that goes all the same. What is to go is looked at once, at the beginning.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: what was trimmed by then is, the rest is not; ask again.
    /// [`Error::Internal`]: see there. A session that alone is in the way is in what is returned.
    pub async fn prune(
        &self,
        retention: Option<Retention>,
        pruning: Pruning,
        by: Actor,
    ) -> Result<Pruned, Error> {
        self.shared.refuse_when_shutting_down()?;
        let retention = retention.unwrap_or(self.shared.retention);
        retention::prune(&self.shared, retention, pruning, Some(&by)).await
    }

    async fn at_rest(&self, id: &SessionId, command: Command, by: Actor) -> Result<Record, Error> {
        self.shared.refuse_when_shutting_down()?;
        commit::at_rest(&self.shared, id, command, Some(&by)).await
    }
}

#[cfg(test)]
mod tests;
