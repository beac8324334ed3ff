//! Pruning: trimming what is too much, piece by piece, or saying what that would be.

use coven_core::{Actor, Command, SessionId};

use super::look::look;
use super::piece::{Piece, piece};
use super::plan::Stock;
use super::{Pruned, PrunedSession, Pruning, Retention, Unread};
use crate::running::Request;
use crate::shared::Shared;
use crate::{Error, commit};

/// Lets go what is over the budgets, or says what that is. One at a time.
pub(crate) async fn prune(
    shared: &Shared,
    retention: Retention,
    pruning: Pruning,
    by: Option<&Actor>,
) -> Result<Pruned, Error> {
    let _turn = shared.pruning.lock().await;
    let now = shared.clock.now();
    let planned = shared
        .read(move |store| look(store, &retention, now))
        .await?;
    let mut pruned = Pruned {
        retention,
        sessions: Vec::new(),
        failed: planned.short,
    };
    for (stock, cut) in planned.cuts {
        match one(shared, &stock, cut, pruning, by).await {
            Ok(Some(session)) => pruned.sessions.push(session),
            Ok(None) => {}
            // Nothing more can be written, or read, of any.
            Err(error @ Error::Unavailable { .. }) => return Err(error),
            Err(error) => pruned.failed.push((stock.id, error)),
        }
    }
    for (id, error) in &pruned.failed {
        tracing::warn!(session = %id, %error, "output that is too much stays");
    }
    Ok(pruned)
}

/// Prunes one session, of which all before `cut` is to go; `None` where that is nothing.
async fn one(
    shared: &Shared,
    stock: &Stock,
    cut: u64,
    pruning: Pruning,
    by: Option<&Actor>,
) -> Result<Option<PrunedSession>, Error> {
    let gone = go(shared, stock, cut, pruning, by).await?;
    if gone.to <= stock.from {
        return Ok(None);
    }
    let record = shared.record(&stock.id).await?;
    Ok(Some(PrunedSession {
        id: stock.id.clone(),
        title: record.session.title.as_str().to_owned(),
        offset: stock.from,
        len_bytes: gone.to - stock.from,
        unread: gone.unread,
        kept_bytes: stock.end.saturating_sub(gone.to),
    }))
}

/// What went of a session, or would.
struct Gone {
    /// All before this.
    to: u64,
    /// Where it could not be read.
    unread: Vec<Unread>,
}

/// Goes through what is to go of a session, piece by piece, and trims each if it is to.
async fn go(
    shared: &Shared,
    stock: &Stock,
    cut: u64,
    pruning: Pruning,
    by: Option<&Actor>,
) -> Result<Gone, Error> {
    let id = &stock.id;
    let mut gone = Gone {
        to: stock.from,
        unread: Vec::new(),
    };
    loop {
        shared.refuse_when_shutting_down()?;
        if pruning == Pruning::Real {
            gone.to = shared.record(id).await?.session.trimmed_bytes;
        }
        let from = gone.to;
        if from >= cut {
            return Ok(gone);
        }
        let session = id.clone();
        let next = shared.read(move |store| piece(store, &session, from, cut));
        let Some(piece) = next.await? else {
            // Somebody was faster.
            return Ok(gone);
        };
        if pruning == Pruning::Real {
            trim(shared, id, from, &piece, by).await?;
        }
        if let Some(damage) = &piece.damage {
            let bytes = piece.len_bytes;
            tracing::warn!(session = %id, from, bytes, %damage, "output that goes cannot be read");
            gone.unread.push(Unread {
                offset: from,
                len_bytes: bytes,
            });
        }
        gone.to = from + piece.len_bytes;
    }
}

/// Trims a session of a piece, which begins at `offset`.
async fn trim(
    shared: &Shared,
    id: &SessionId,
    offset: u64,
    piece: &Piece,
    by: Option<&Actor>,
) -> Result<(), Error> {
    let (len_bytes, sha256) = (piece.len_bytes, piece.sha256);
    let request = Request::Trim {
        offset,
        len_bytes,
        sha256,
    };
    match shared.running.ask(id, request, by.cloned()).await {
        Some(answer) => answer?,
        None => {
            let command = Command::Trim {
                offset,
                len_bytes,
                sha256,
            };
            commit::at_rest(shared, id, command, by).await?
        }
    };
    Ok(())
}
