//! `KeyedLaunches`: launches under one key take turns, and those under others do not wait for them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coven_core::SessionId;
use tokio::sync::{Mutex as Queue, OwnedMutexGuard};

/// The keys that launches go on under, or wait for their turn, by the first id that each may give.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyedLaunches(Arc<Mutex<Keys>>);

type Keys = HashMap<SessionId, Arc<Queue<()>>>;

/// Held by the one launch that goes on of those under a key.
#[derive(Debug)]
pub(super) struct Turn {
    launches: KeyedLaunches,
    key: SessionId,
    queue: Arc<Queue<()>>,
    /// None while it waits.
    held: Option<OwnedMutexGuard<()>>,
}

impl KeyedLaunches {
    /// Waits until no other launch goes on under a key.
    pub(super) async fn turn(&self, key: SessionId) -> Turn {
        let queue = Arc::clone(self.keys().entry(key.clone()).or_default());
        let mut turn = Turn {
            launches: self.clone(),
            key,
            queue,
            held: None,
        };
        turn.held = Some(Arc::clone(&turn.queue).lock_owned().await);
        turn
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut keys = self.launches.keys();
        self.held = None;
        drop(take(&mut self.queue));
        // Nobody but the table has it.
        if let Entry::Occupied(queue) = keys.entry(self.key.clone())
            && Arc::strong_count(queue.get()) == 1
        {
            queue.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn key(name: &str) -> SessionId {
        SessionId::parse(name).expect("an id")
    }

    #[tokio::test]
    async fn launches_under_one_key_take_turns_and_under_others_never_wait() {
        let launches = KeyedLaunches::default();
        let mut context = Context::from_waker(Waker::noop());
        let first = launches.turn(key("key")).await;
        let mut second = pin!(launches.turn(key("key")));
        assert!(second.as_mut().poll(&mut context).is_pending());
        // Some have the same letters.
        for other in ["yek", "kye", "eky", "another"] {
            let turn = pin!(launches.turn(key(other)));
            assert!(turn.poll(&mut context).is_ready(), "{other}");
        }
        drop(first);
        let Poll::Ready(second) = second.poll(&mut context) else {
            panic!("it is its turn");
        };
        assert_eq!(launches.keys().len(), 1);
        drop(second);
        assert!(launches.keys().is_empty());
    }

    #[tokio::test]
    async fn nothing_is_kept_of_who_gave_up_waiting() {
        let launches = KeyedLaunches::default();
        let mut context = Context::from_waker(Waker::noop());
        let first = launches.turn(key("key")).await;
        {
            let second = pin!(launches.turn(key("key")));
            assert!(second.poll(&mut context).is_pending());
            drop(first);
            assert_eq!(launches.keys().len(), 1);
        }
        assert!(launches.keys().is_empty());
    }
}
