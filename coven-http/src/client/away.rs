//! `Away`: waiting for a daemon that went away, as long as the caller is patient.

use std::path::Path;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderValue};
use tokio::time::{Instant, sleep};

use super::Error;
use super::error::{Cursor, Departure};
use crate::{HomeWatch, LOG};

/// How long a daemon may be away unless the caller says otherwise: over a restart.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The first wait before connecting again, and the least: whatever changes in the home meanwhile.
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// The longest wait. A socket that comes to be ends it early.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What is known of a daemon's absence, if it is away.
#[derive(Debug)]
pub(super) struct Away {
    patience: Duration,
    /// Which log was told of.
    log: Option<HeaderValue>,
    absence: Option<Absence>,
    /// Whether the daemon was there since that was told last.
    served: bool,
}

#[derive(Debug)]
struct Absence {
    since: Instant,
    departure: Departure,
    /// How long is waited before the next attempt.
    wait: Duration,
    /// From before the first attempt that failed, so that no socket is missed.
    changes: Option<HomeWatch>,
}

impl Away {
    pub(super) const fn new(patience: Duration) -> Self {
        Self {
            patience,
            log: None,
            absence: None,
            served: false,
        }
    }

    /// How long an absence is borne.
    pub(super) const fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The daemon has told something: it is not away.
    pub(super) fn is_over(&mut self) {
        self.absence = None;
        self.served = true;
    }

    /// Makes sure that an answer tells of the same log as the one before it.
    ///
    /// # Errors
    /// [`Error::OtherLog`].
    pub(super) fn is_of_same_log(
        &mut self,
        headers: &HeaderMap,
        socket: &Path,
    ) -> Result<(), Error> {
        // A daemon of an older version does not say.
        let Some(log) = headers.get(LOG) else {
            return Ok(());
        };
        if self.log.get_or_insert_with(|| log.clone()) == log {
            return Ok(());
        }
        Err(Error::OtherLog {
            socket: socket.to_owned(),
        })
    }

    /// Waits until it is worth connecting: at once, unless it is away.
    pub(super) async fn pause(&mut self) {
        let Some(absence) = &mut self.absence else {
            return;
        };
        let longest = absence.wait;
        absence.wait = (absence.wait * 2).min(LONGEST_WAIT);
        sleep(FIRST_WAIT).await;
        tokio::select! {
            () = sleep(longest.saturating_sub(FIRST_WAIT)) => {}
            () = changed(&mut absence.changes) => {}
        }
    }

    /// An attempt that began at `begun` failed, or the connection broke just then. What was told
    /// last is at `cursor`.
    ///
    /// # Errors
    /// `error` itself where another attempt will not help, or none is wanted; [`Error::Away`] once
    /// it has been away for longer than is borne. Then a new absence begins.
    pub(super) fn failed(
        &mut self,
        error: Error,
        begun: Instant,
        socket: &Path,
        cursor: Cursor,
    ) -> Result<(), Error> {
        if !error.is_passing() || self.patience.is_zero() {
            self.absence = None;
            return Err(error);
        }
        let absence = self.absence.get_or_insert_with(|| Absence {
            since: begun,
            departure: Departure::Vanished,
            wait: FIRST_WAIT,
            changes: watch(socket),
        });
        if error.is_stopping() {
            absence.departure = Departure::Stopped;
        }
        let waited = absence.since.elapsed();
        if waited < self.patience {
            return Ok(());
        }
        let departure = absence.departure;
        self.absence = None;
        Err(Error::Away {
            departure,
            waited,
            served: std::mem::take(&mut self.served),
            cursor,
            last: Box::new(error),
        })
    }
}

fn watch(socket: &Path) -> Option<HomeWatch> {
    HomeWatch::open(socket.parent()?).ok()
}

/// Something in the home has come or gone. Never, where that cannot be told.
async fn changed(changes: &mut Option<HomeWatch>) {
    if let Some(watch) = changes
        && watch.changed().await.is_ok()
    {
        return;
    }
    *changes = None;
    std::future::pending::<()>().await;
}
