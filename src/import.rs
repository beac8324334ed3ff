//! `Import`: a session from elsewhere, brought into a home that no engine has open.

use std::sync::Arc;

use coven_core::{Actor, Event, OrphanReason, Phase, Record, SessionId};
use coven_store::{ImportError as LogError, NewEvent};

use crate::clock::Clock;
use crate::home::{Home, Made};
use crate::{OpenError, Options};

/// A session on its way into a home: all of it or nothing will be there, whatever happens
/// meanwhile. The home is kept from engines as long as this is there.
#[derive(Debug)]
pub struct Import {
    log: coven_store::Import,
    clock: Arc<dyn Clock>,
    // After the log, which closes its files first, and before the home, which holds its lock.
    made: Made,
    _home: Home,
}

/// A session that was brought in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// As it is now.
    pub record: Record,
    /// How it came.
    pub arrival: Arrival,
}

/// How a session came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// As it was.
    Identical,
    /// It was live, and nothing of it runs here: it is told to be lost, by one more event.
    Orphaned,
}

/// Why a session was not brought in. Nothing of it is there, nor a home that was made for it; but for
/// [`LogError::Unsettled`], where all of it may be there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The home cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log does not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Import {
    /// Opens a home, and makes it if there is none, to bring in the session `id`, which must not be
    /// there. That it was deleted from this home does not matter. Nothing is recovered: sessions
    /// that look live stay so for the next engine. Blocks for the disk; so does all of this.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn begin(options: &Options, id: SessionId) -> Result<Self, ImportError> {
        let mut made = Made::before(&options.home)?;
        let home = match Home::open(&options.home) {
            Err(error @ OpenError::InUse { .. }) => {
                made.keep();
                return Err(error.into());
            }
            opened => opened?,
        };
        home.refuse_lost_log()?;
        made.and_the_log();
        let log = coven_store::Import::begin(&home.log(), options.store, id)?;
        Ok(Self {
            log,
            clock: Arc::clone(&options.clock),
            made,
            _home: home,
        })
    }

    /// Adds an event behind those so far.
    ///
    /// # Errors
    /// [`ImportError::Log`]: the import is of no use any more.
    pub fn push(&mut self, event: &NewEvent) -> Result<(), ImportError> {
        Ok(self.log.push(event)?)
    }

    /// The session as of the events so far; `None` before the first.
    pub const fn record(&self) -> Option<&Record> {
        self.log.record()
    }

    /// Makes the session one of the home's, durably. One that is live in its events is put on
    /// record as lost, at `by`'s asking.
    ///
    /// # Errors
    /// [`ImportError::Log`].
    pub fn commit(mut self, by: Actor) -> Result<Imported, ImportError> {
        let arrival = match self.record().map(|record| &record.session.phase) {
            Some(
                Phase::Created | Phase::Cancelled | Phase::Running { .. } | Phase::Dying { .. },
            ) => Arrival::Orphaned,
            None
            | Some(
                Phase::Ended { .. } | Phase::Orphaned { .. } | Phase::Elsewhere | Phase::Deleted,
            ) => Arrival::Identical,
        };
        if arrival == Arrival::Orphaned {
            let reason = OrphanReason::Imported;
            self.log.push(&NewEvent {
                at: self.clock.now(),
                actor: Some(by),
                event: Event::Orphaned { reason },
            })?;
        }
        let committed = self.log.commit();
        if let Ok(_) | Err(LogError::Unsettled { .. }) = &committed {
            self.made.keep();
        }
        let record = committed?;
        Ok(Imported { record, arrival })
    }
}
