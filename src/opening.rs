//! Opening a home: its lock, its log, its harnesses, and what the last engine left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use coven_harness::Registry;
use coven_store::Store;

use crate::home::{Holder, Home};
use crate::hosting::Hosting;
use crate::shared::{Shared, blocking};
use crate::{Error, OpenError, Options, recover, retention};

/// How long the log of an engine that was dropped may take to be closed.
const CLOSING: Duration = Duration::from_secs(10);

/// How long another process may take to let go of it, or, being a daemon whose lock and socket were
/// removed, to serve again: longer than that takes.
const RETURNING: Duration = Duration::from_secs(2);

/// The time between two looks whether it is.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) async fn open(options: Options) -> Result<Arc<Shared>, OpenError> {
    let shared = claim(options).await?;
    recover::recover(&shared).await?;
    retention::regularly(&shared, shared.retention);
    Ok(shared)
}

/// Opens a home, and leaves what its last engine left as it is.
pub(crate) async fn claim(options: Options) -> Result<Arc<Shared>, OpenError> {
    let opened = blocking(move || take_over(options)).await;
    Ok(Arc::new(opened.map_err(|error| unreadable(&error))??))
}

/// Opens a home to read what is on record, and nothing else.
pub(crate) async fn open_to_read(options: Options) -> Result<Arc<Shared>, OpenError> {
    let opened = blocking(move || take_to_read(options)).await;
    Ok(Arc::new(opened.map_err(|error| unreadable(&error))??))
}

fn take_to_read(options: Options) -> Result<Shared, OpenError> {
    let home = Home::open_to_read(&options.home)?;
    home.refuse_lost_log()?;
    let store = until_closed(&home, || Store::open_to_read(&home.log(), options.store))?;
    let registry = registry(&home, &options)?;
    Ok(Shared::new(home, store, registry, options))
}

fn unreadable(error: &Error) -> OpenError {
    OpenError::Unreadable {
        message: error.to_string(),
    }
}

fn take_over(options: Options) -> Result<Shared, OpenError> {
    let home = Home::open(&options.home)?;
    home.refuse_lost_log()?;
    let kept = log_options(&options);
    let store = until_closed(&home, || Store::open(&home.log(), kept))?;
    let registry = registry(&home, &options)?;
    Ok(Shared::new(home, store, registry, options))
}

/// What waits to be written when the engine leaves is with the shims, too.
fn log_options(options: &Options) -> coven_store::Options {
    let mut log = options.store;
    if let Hosting::Shims(_) = options.hosting {
        log.at_close = coven_store::AtClose::Leave;
    }
    log
}

/// The home's lock is ours, so whoever has the log open is an engine that was dropped, whose writer
/// finishes what is queued; or a process whose lock somebody removed.
///
/// # Errors
/// [`OpenError::InUse`]: it is such a process.
fn until_closed(
    home: &Home,
    open: impl Fn() -> Result<Store, coven_store::OpenError>,
) -> Result<Store, OpenError> {
    let begun = Instant::now();
    let mut has_looked = false;
    loop {
        match open() {
            Err(coven_store::OpenError::Locked { .. }) if begun.elapsed() < CLOSING => {}
            opened => return Ok(opened?),
        }
        if begun.elapsed() >= RETURNING
            && !std::mem::replace(&mut has_looked, true)
            && let Some(holder) = Holder::without_lock(home.path())
        {
            return Err(OpenError::InUse {
                home: home.path().to_owned(),
                pid: Some(holder.pid()),
            });
        }
        std::thread::sleep(PAUSE);
    }
}

fn registry(home: &Home, options: &Options) -> Result<Registry, OpenError> {
    let mut registry = Registry::load(&home.harnesses());
    for bad in registry.bad_manifests() {
        tracing::warn!(file = %bad.file.display(), problem = %bad.problem, "a harness manifest is not used");
    }
    for harness in &options.harnesses {
        registry
            .add(Arc::clone(harness))
            .map_err(|harness| OpenError::HarnessTaken {
                id: harness.about().id.clone(),
            })?;
    }
    Ok(registry)
}
