//! What all clones of an engine, and the tasks of its sessions, share.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coven_core::{Refusal, SessionId};
use coven_harness::Registry;
use coven_store::{ReadError, Store};
use rustix::process::Rlimit;
use tokio::sync::{OnceCell, watch};

use crate::clock::Clock;
use crate::harnesses::Versions;
use crate::home::Home;
use crate::hosting::{Hosting, Shims};
use crate::launch::KeyedLaunches;
use crate::on_the_way::OnTheWay;
use crate::out_of_reach::Encounters;
use crate::retention::Retention;
use crate::running::Running;
use crate::spools::Spools;
use crate::{Error, Record, Unavailable};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) home: PathBuf,
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) grace: Duration,
    pub(crate) open_files: Rlimit,
    pub(crate) on_the_way: OnTheWay,
    pub(crate) running: Running,
    pub(crate) hosting: Hosting,
    pub(crate) spools: Spools,
    pub(crate) encounters: Encounters,
    /// How much each shim may keep, bytes.
    pub(crate) spool_limit: watch::Sender<u64>,
    /// The PATH of the user's login shell, asked once.
    pub(crate) login_path: OnceCell<Option<OsString>>,
    pub(crate) versions: Versions,
    pub(crate) retention: Retention,
    /// Held by who prunes: two that trim one session would be in each other's way.
    pub(crate) pruning: tokio::sync::Mutex<()>,
    pub(crate) keyed_launches: KeyedLaunches,
    shutting_down: AtomicBool,
    /// Held until the engine is shut down or gone.
    lock: Mutex<Option<Home>>,
}

impl Shared {
    pub(crate) fn new(
        home: Home,
        store: Store,
        registry: Registry,
        options: crate::Options,
    ) -> Self {
        let limit = match &options.hosting {
            Hosting::InProcess => Shims::SPOOL_BYTES,
            Hosting::Shims(shims) => shims.spool_bytes,
        };
        Self {
            hosting: options.hosting,
            spools: Spools::of(home.path()),
            spool_limit: watch::Sender::new(limit),
            home: home.path().to_owned(),
            store,
            registry,
            clock: options.clock,
            grace: options.grace.min(crate::Options::MAX_GRACE),
            open_files: options.open_files,
            on_the_way: options.on_the_way,
            running: Running::default(),
            encounters: Encounters::default(),
            login_path: OnceCell::new(),
            versions: Versions::default(),
            retention: options.retention,
            pruning: tokio::sync::Mutex::new(()),
            keyed_launches: KeyedLaunches::default(),
            shutting_down: AtomicBool::new(false),
            lock: Mutex::new(Some(home)),
        }
    }

    /// Shares anew, among the sessions that there are, what shims may keep; gives what each may.
    pub(crate) async fn share_spools(self: &Arc<Self>) -> u64 {
        if let Hosting::Shims(_) = &self.hosting {
            let shared = Arc::clone(self);
            // As it was, if this program ends just now.
            let _ = blocking(move || shared.share_spools_anew()).await;
        }
        *self.spool_limit.borrow()
    }

    /// Blocks for a look at the disk.
    fn share_spools_anew(&self) {
        if let Hosting::Shims(shims) = &self.hosting {
            let share = self.spools.share(shims, self.running.count());
            self.spool_limit
                .send_if_modified(|limit| std::mem::replace(limit, share) != share);
        }
    }

    /// Reads the log on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Error> {
        let store = self.store.clone();
        Ok(blocking(move || read(&store)).await??)
    }

    /// The session's record.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or the log cannot be read.
    pub(crate) async fn record(&self, id: &SessionId) -> Result<Record, Error> {
        let wanted = id.clone();
        let found = self.read(move |store| store.record(&wanted)).await?;
        found.ok_or_else(|| {
            Refusal::NotFound {
                session: id.clone(),
            }
            .into()
        })
    }

    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::Acquire)
    }

    /// Takes no more work from now on.
    pub(crate) fn begin_shutdown(&self) {
        self.shutting_down.store(true, Ordering::Release);
    }

    /// # Errors
    /// The engine takes no more work.
    pub(crate) fn refuse_when_shutting_down(&self) -> Result<(), Error> {
        if self.is_shutting_down() {
            return Err(Unavailable::ShuttingDown.into());
        }
        Ok(())
    }

    /// Keeps other engines away for longer than this one is there; `None` once it has let go.
    pub(crate) fn hold_home(&self) -> Option<crate::home::Hold> {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        lock.as_ref().map(Home::hold)
    }

    /// Another engine may open the home.
    pub(crate) fn release_home(&self) {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        *lock = None;
    }
}

/// Runs what blocks on a thread that may.
///
/// # Errors
/// It panicked: a bug.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::internal(&error))
}
