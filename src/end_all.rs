//! Ending all that lives of a home whose engine is dead: for who wants no other engine there.
//!
//! What the shims have is taken, as by any engine. Where their folders cannot be listed, which keeps
//! an engine from opening the home, sessions are found by their processes alone.

use std::sync::Arc;

use coven_store::ReadError;
use tokio::task::JoinSet;

use crate::recover::{self, Left, MAX_AT_ONCE};
use crate::shared::Shared;
use crate::{Error, OpenError, Options, OrphanReason, Record, opening, shutdown};

/// What was heard of the sessions that were ended.
#[derive(Debug)]
pub enum Heard {
    /// All that their shims had.
    All,
    /// Nothing: the folders of their shims cannot be listed. What they wrote and is not on record
    /// stays there.
    Nothing {
        /// Why not.
        why: OpenError,
    },
}

pub(crate) async fn end_all(options: Options) -> Result<Heard, OpenError> {
    let shared = opening::claim(options).await?;
    let heard = match recover::recover(&shared).await {
        Ok(()) => Heard::All,
        // It is what recovery looks at first.
        Err(why @ OpenError::Io { .. }) => {
            by_their_processes(&shared).await?;
            Heard::Nothing { why }
        }
        Err(error) => return Err(error),
    };
    shutdown::shutdown(&shared).await;
    Ok(heard)
}

async fn by_their_processes(shared: &Arc<Shared>) -> Result<(), OpenError> {
    let unreadable = |error: Error| OpenError::Unreadable {
        message: error.to_string(),
    };
    let live = shared.read(|store| -> Result<_, ReadError> { store.live() });
    let mut ended = JoinSet::new();
    for record in live.await.map_err(unreadable)? {
        if ended.len() == MAX_AT_ONCE {
            ended.join_next().await;
        }
        let shared = Arc::clone(shared);
        ended.spawn(async move { end(&shared, record).await });
    }
    ended.join_all().await;
    Ok(())
}

/// Ends a session. One that somebody is left of, or that cannot be told to be lost, stays live on record.
async fn end(shared: &Shared, record: Record) {
    let session = &record.session;
    let reason = recover::reason(&session.phase);
    let left = match reason {
        OrphanReason::Reboot => Left::Nobody,
        _ => recover::end_processes(shared, &session.id, session.phase.process()).await,
    };
    if left == Left::Nobody
        && let Err(error) = recover::record_loss(shared, &record, reason, left).await
    {
        tracing::error!(session = %session.id, %error, "its loss is found at the next start");
    }
}
