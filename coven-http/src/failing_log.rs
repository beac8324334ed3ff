//! Who asked for something is not to wait as long as a disk fails.
//!
//! What was being written as a sync failed is on record or not: that is known once the log could be opened again.
//! The engine waits for it, however long; whoever asked is told so.

use std::time::Duration;

use coven::{Engine, StorageFault, WriterState};
use hyper::Method;
use tokio::time::sleep;

use crate::error::Error;
use crate::route::Route;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How many looks in a row must find that the log fails: three seconds.
const LOOKS: u32 = 6;

/// What waits for more than the log, or says by itself how that is.
const PATIENT: [&str; 2] = ["/internal/lifecycle/shutdown", "/sessions/{id}/kill"];

/// Resolves once the log has not been written to for three seconds for a fault of the disk, where `route`
/// changes something; never for others.
pub(crate) async fn refusal(engine: Engine, route: &Route) -> Error {
    if route.method == Method::GET || PATIENT.contains(&route.path) {
        return std::future::pending().await;
    }
    let fault = lasting(LOOK_EVERY, || {
        let store = engine.health().store;
        store.fault.filter(|_| store.state == WriterState::Failed)
    })
    .await;
    Error::internal(format!(
        "the log takes no writes ({fault}), and it is not known yet whether this is on record: look at it once \
         that is mended"
    ))
}

/// Resolves once so many looks in a row have found a fault, and others wait for its end.
async fn lasting(look_every: Duration, look: impl Fn() -> Option<StorageFault>) -> StorageFault {
    let mut found = 0;
    loop {
        sleep(look_every).await;
        // On a full disk what can be done is done, and all else is refused.
        match look().filter(|fault| *fault != StorageFault::Full) {
            Some(fault) if found + 1 >= LOOKS => return fault,
            Some(_) => found += 1,
            None => found = 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What it comes to within a hundred looks, each of which finds what `faults` has, in turn.
    async fn after(faults: &[Option<StorageFault>]) -> Option<(StorageFault, usize)> {
        let looks = Cell::new(0);
        let (enough, stopped) = tokio::sync::oneshot::channel();
        let enough = Cell::new(Some(enough));
        let look = || {
            looks.set(looks.get() + 1);
            if looks.get() == 100 {
                enough.take().map(|it| it.send(()));
            }
            faults[(looks.get() - 1) % faults.len()].clone()
        };
        tokio::select! {
            fault = lasting(Duration::from_millis(1), look) => Some((fault, looks.get())),
            _ = stopped => None,
        }
    }

    #[tokio::test]
    async fn who_asked_is_answered_once_the_log_has_failed_for_a_while_and_not_on_a_full_disk() {
        let fault = || StorageFault::Io {
            message: "Input/output error".to_owned(),
        };
        assert_eq!(after(&[Some(fault())]).await, Some((fault(), 6)));
        assert_eq!(after(&[None]).await, None);
        assert_eq!(after(&[Some(fault()), Some(fault()), None]).await, None);
        assert_eq!(after(&[Some(StorageFault::Full)]).await, None);
    }
}
