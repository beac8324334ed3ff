//! Pruning: looking at what sessions keep, and trimming what is too much, piece by piece.

use coven_core::{Actor, Command, Record, SessionId, Timestamp};
use coven_store::{Archived, Page, ReadError, Store};
use sha2::{Digest, Sha256};

use super::age::{Written, old_until};
use super::plan::{self, Life, Piece, Plan, Stock};
use super::{Pruned, PrunedSession, Pruning, Retention};
use crate::running::Request;
use crate::shared::Shared;
use crate::{Error, commit};

/// Bytes that one trim lets go at most: what is hashed before anything of it is on record, and so
/// may be hashed again after a crash.
const PIECE_BYTES: u64 = 64 << 20;

/// Bytes read at once to be hashed.
const READ_BYTES: usize = 1 << 20;

/// Records read at once.
const PAGE_RECORDS: usize = 500;

/// How many pieces of different age a live session's output counts as.
const LIVE_PIECES: u64 = 16;

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
        failed: planned.damaged,
    };
    for (stock, cut) in planned.cuts {
        shared.refuse_when_shutting_down()?;
        let done = match pruning {
            Pruning::DryRun => told(shared, &stock, cut).await,
            Pruning::Real => match trim(shared, &stock.id, cut, by).await {
                Ok(cut) => told(shared, &stock, cut).await,
                Err(error) => Err(error),
            },
        };
        match done {
            Ok(Some(session)) => pruned.sessions.push(session),
            Ok(None) => {}
            // Nothing more can be written, or read, of any.
            Err(error @ Error::Unavailable { .. }) => return Err(error),
            Err(error) => {
                tracing::warn!(session = %stock.id, %error, "output that is too much stays");
                pruned.failed.push((stock.id, error));
            }
        }
    }
    Ok(pruned)
}

/// A session of which all before `cut` is gone, or is to go; `None` where that is nothing.
async fn told(shared: &Shared, stock: &Stock, cut: u64) -> Result<Option<PrunedSession>, Error> {
    if cut <= stock.from {
        return Ok(None);
    }
    let record = shared.record(&stock.id).await?;
    Ok(Some(PrunedSession {
        id: stock.id.clone(),
        title: record.session.title.as_str().to_owned(),
        offset: stock.from,
        len_bytes: cut - stock.from,
        kept_bytes: stock.end.saturating_sub(cut),
    }))
}

/// What is to go: up to which offset, where an output event ends, of which sessions.
struct Planned {
    cuts: Vec<(Stock, u64)>,
    damaged: Vec<(SessionId, Error)>,
}

/// Looks at all sessions, one page of records at a time, and keeps of them what [`Plan`] does.
fn look(store: &Store, retention: &Retention, now: Timestamp) -> Result<Planned, ReadError> {
    let excess = match retention.total_bytes {
        None => 0,
        Some(total_bytes) => {
            let mut kept_bytes = 0_u64;
            each(store, |record| {
                // One that is damaged is told of below.
                if let Some(stock) = whole(stock(store, retention, now, record, Excess::None))? {
                    let kept = stock.end - plan::alone(&stock, retention);
                    kept_bytes = kept_bytes.saturating_add(kept);
                }
                Ok(())
            })?;
            kept_bytes.saturating_sub(total_bytes)
        }
    };
    let over = if excess > 0 {
        Excess::Some
    } else {
        Excess::None
    };
    let mut plan = Plan::new(*retention, excess);
    let mut damaged = Vec::new();
    each(store, |record| {
        match stock(store, retention, now, record, over) {
            Err(ReadError::Damaged(damage)) => {
                damaged.push((record.session.id.clone(), ReadError::Damaged(damage).into()));
            }
            stock => plan.add(stock?),
        }
        Ok(())
    })?;
    let mut cuts = Vec::new();
    for (stock, cut) in plan.cuts() {
        match event_end(store, &stock, cut) {
            Err(ReadError::Damaged(damage)) => {
                damaged.push((stock.id, ReadError::Damaged(damage).into()));
            }
            cut => cuts.push((stock, cut?)),
        }
    }
    Ok(Planned { cuts, damaged })
}

/// Goes through the sessions that keep output.
fn each(
    store: &Store,
    mut look: impl FnMut(&Record) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut page = Page {
        before: None,
        limit: PAGE_RECORDS,
        archived: Archived::Included,
    };
    loop {
        let listing = store.list(&page)?;
        let keeps = |record: &&Record| record.session.output_bytes > record.session.trimmed_bytes;
        listing
            .records
            .iter()
            .filter(keeps)
            .try_for_each(&mut look)?;
        page.before = listing.next;
        if page.before.is_none() {
            return Ok(());
        }
    }
}

/// What was read, unless it is damaged.
fn whole<T>(read: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    match read {
        Err(ReadError::Damaged(_)) => Ok(None),
        read => read.map(Some),
    }
}

/// Whether sessions keep more than they may together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excess {
    Some,
    None,
}

fn stock(
    store: &Store,
    retention: &Retention,
    now: Timestamp,
    record: &Record,
    excess: Excess,
) -> Result<Stock, ReadError> {
    let session = &record.session;
    let life = match (record.ended_at, excess) {
        (Some(at), _) => Life::Ended { at },
        (None, Excess::Some) => Life::Live {
            pieces: pieces(store, record)?,
        },
        (None, Excess::None) => Life::Live { pieces: Vec::new() },
    };
    Ok(Stock {
        id: session.id.clone(),
        from: session.trimmed_bytes,
        end: session.output_bytes,
        old_until: too_old(store, retention, now, record)?,
        life,
    })
}

fn pieces(store: &Store, record: &Record) -> Result<Vec<Piece>, ReadError> {
    let session = &record.session;
    let (from, end) = (session.trimmed_bytes, session.output_bytes);
    let step = (end - from).div_ceil(LIVE_PIECES).max(1);
    let mut pieces = Vec::new();
    let mut at = from;
    while at < end {
        let next = at.saturating_add(step).min(end);
        let Some(event) = store.output_event(&session.id, at)? else {
            break;
        };
        pieces.push(Piece {
            end: next,
            at: event.at,
        });
        at = next;
    }
    Ok(pieces)
}

/// Where a session's output that is too old ends.
fn too_old(
    store: &Store,
    retention: &Retention,
    now: Timestamp,
    record: &Record,
) -> Result<u64, ReadError> {
    let session = &record.session;
    let (from, end) = (session.trimmed_bytes, session.output_bytes);
    let Some(max_age) = retention.max_age else {
        return Ok(from);
    };
    let age_nanos = i64::try_from(max_age.as_nanos()).unwrap_or(i64::MAX);
    let before = Timestamp::from_nanos(now.as_nanos().saturating_sub(age_nanos));
    if record.created_at >= before {
        return Ok(from);
    }
    if record.ended_at.is_some_and(|ended_at| ended_at < before) {
        return Ok(end);
    }
    old_until(from, end, before, |offset| {
        let event = store.output_event(&session.id, offset)?;
        Ok(event.map(|event| Written {
            offset: event.offset,
            len_bytes: event.len_bytes,
            at: event.at,
        }))
    })
}

/// Where the event ends that a cut is in; the cut itself, where it is between two.
fn event_end(store: &Store, stock: &Stock, cut: u64) -> Result<u64, ReadError> {
    if cut >= stock.end {
        return Ok(stock.end);
    }
    let event = store.output_event(&stock.id, cut)?;
    Ok(event.map_or(stock.from, |event| {
        if event.offset >= cut {
            cut
        } else {
            event.offset + event.len_bytes
        }
    }))
}

/// Trims a session up to `cut`, and gives where it was trimmed to.
async fn trim(shared: &Shared, id: &SessionId, cut: u64, by: Option<&Actor>) -> Result<u64, Error> {
    loop {
        shared.refuse_when_shutting_down()?;
        let from = shared.record(id).await?.session.trimmed_bytes;
        if from >= cut {
            return Ok(from);
        }
        let session = id.clone();
        let piece = shared.read(move |store| piece(store, &session, from, cut));
        let Some((len_bytes, sha256)) = piece.await? else {
            // Somebody was faster.
            return Ok(from);
        };
        let request = Request::Trim {
            offset: from,
            len_bytes,
            sha256,
        };
        match shared.running.ask(id, request, by.cloned()).await {
            Some(answer) => answer?,
            None => {
                let command = Command::Trim {
                    offset: from,
                    len_bytes,
                    sha256,
                };
                commit::at_rest(shared, id, command, by).await?
            }
        };
    }
}

/// How long the next piece of what goes is, and the hash of it.
fn piece(
    store: &Store,
    id: &SessionId,
    from: u64,
    cut: u64,
) -> Result<Option<(u64, [u8; 32])>, ReadError> {
    let mut end = cut;
    if cut - from > PIECE_BYTES {
        let event = store.output_event(id, from + PIECE_BYTES)?;
        end = event.map_or(cut, |event| event.offset);
    }
    let mut hasher = Sha256::new();
    let mut at = from;
    while at < end {
        let room = usize::try_from(end - at)
            .unwrap_or(usize::MAX)
            .min(READ_BYTES);
        let chunks = store.output(id, at, room)?;
        if chunks.first().is_none_or(|chunk| chunk.offset != at) {
            return Ok(None);
        }
        for chunk in chunks {
            hasher.update(&chunk.data);
            at += chunk.data.len() as u64;
        }
    }
    Ok(Some((end - from, hasher.finalize().into())))
}
