//! Looking at what sessions keep, and up to where of each it is to go.
//!
//! Output that cannot be read counts and goes like any other: nobody's damage switches a budget off.

use coven_core::{Record, SessionId, Timestamp};
use coven_store::{Archived, Damage, Page, ReadError, Store};

use super::Retention;
use super::age::{Written, old_until};
use super::plan::{self, Life, Piece, Plan, Stock};
use super::unreadable;
use super::young::Young;
use crate::Error;

/// Records read at once.
const PAGE_RECORDS: usize = 500;

/// How many pieces of different age a live session's output counts as.
const LIVE_PIECES: u64 = 16;

/// Bytes that cannot be read and go beside what is too much, at most: what one segment has, and more.
/// What is beyond them may be all of a damaged page, of which a salvage has much.
const UNREAD_BYTES: u64 = 4 << 20;

/// What is to go: up to which offset, where an output event ends, of which sessions.
pub(super) struct Planned {
    pub(super) cuts: Vec<(Stock, u64)>,
    /// Those of which less goes than should.
    pub(super) short: Vec<(SessionId, Error)>,
}

/// Looks at all sessions, one page of records at a time, and keeps of them what [`Plan`] does.
pub(super) fn look(
    store: &Store,
    retention: &Retention,
    now: Timestamp,
) -> Result<Planned, ReadError> {
    let excess = match retention.total_bytes {
        None => 0,
        Some(total_bytes) => {
            let mut kept_bytes = 0_u64;
            each(store, |record| {
                let stock = stock(store, retention, now, record, Excess::None)?;
                let kept = stock.end - plan::alone(&stock, retention);
                kept_bytes = kept_bytes.saturating_add(kept);
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
    each(store, |record| {
        plan.add(stock(store, retention, now, record, over)?);
        Ok(())
    })?;
    let mut planned = Planned {
        cuts: Vec::new(),
        short: Vec::new(),
    };
    for (stock, cut) in plan.cuts() {
        let (cut, damage) = between_events(store, &stock, cut)?;
        if let Some(damage) = damage {
            let error = ReadError::Damaged(damage).into();
            planned.short.push((stock.id.clone(), error));
        }
        planned.cuts.push((stock, cut));
    }
    Ok(planned)
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

/// The pieces of a live session's output. One that cannot be read is as old as the one before it.
fn pieces(store: &Store, record: &Record) -> Result<Vec<Piece>, ReadError> {
    let session = &record.session;
    let (from, end) = (session.trimmed_bytes, session.output_bytes);
    let step = (end - from).div_ceil(LIVE_PIECES).max(1);
    let mut pieces = Vec::new();
    let mut written_at = record.created_at;
    let mut at = from;
    while at < end {
        let next = at.saturating_add(step).min(end);
        match event_at(store, &session.id, at)? {
            Found::Event(event) => written_at = event.at,
            Found::Unread(_) => {}
            Found::Gone => break,
        }
        pieces.push(Piece {
            end: next,
            at: written_at,
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
    let has_ended = record.ended_at.is_some_and(|ended_at| ended_at < before);
    let cut = match has_ended {
        true => end,
        false => old_where_found(store, record, before, now)?,
    };
    let young = Young { from: before, now };
    young.first(store, &session.id, from, cut)
}

/// The same as far as it is found where times grow with the offset.
fn old_where_found(
    store: &Store,
    record: &Record,
    before: Timestamp,
    now: Timestamp,
) -> Result<u64, ReadError> {
    let session = &record.session;
    let (from, end) = (session.trimmed_bytes, session.output_bytes);
    old_until(from, end, before, |offset| {
        Ok(match event_at(store, &session.id, offset)? {
            Found::Event(event) => Some(event),
            Found::Unread(_) => Some(unread(store, &session.id, offset, end, now)?),
            Found::Gone => None,
        })
    })
}

/// Output that cannot be read, from `offset` on, as one with the event after it; as new as can be, where
/// there is none before `end`.
fn unread(
    store: &Store,
    id: &SessionId,
    offset: u64,
    end: u64,
    now: Timestamp,
) -> Result<Written, ReadError> {
    let next = unreadable::end(offset, end, |at| written(store, id, at))?;
    let event = next.map(|at| written(store, id, at)).transpose()?.flatten();
    Ok(event.map_or(
        Written {
            offset,
            len_bytes: end - offset,
            at: now,
        },
        |event| Written {
            offset,
            len_bytes: event.end() - offset,
            at: event.at,
        },
    ))
}

/// Where the event ends that a cut is in; the cut itself, where it is between two. In output that
/// cannot be read it is where that ends, or, where it is too much of it or all that is left, where it begins,
/// and why: no more goes than what is read behind it says is to.
fn between_events(
    store: &Store,
    stock: &Stock,
    cut: u64,
) -> Result<(u64, Option<Damage>), ReadError> {
    if cut >= stock.end {
        return Ok((stock.end, None));
    }
    let damage = match event_at(store, &stock.id, cut)? {
        Found::Event(event) if event.offset >= cut => return Ok((cut, None)),
        Found::Event(event) => return Ok((event.end(), None)),
        Found::Gone => return Ok((stock.from, None)),
        Found::Unread(damage) => damage,
    };
    let written = |at| written(store, &stock.id, at);
    let begin = unreadable::begin(stock.from, cut, written)?;
    if begin == cut {
        return Ok((cut, None));
    }
    let to = stock.end.min(cut.saturating_add(UNREAD_BYTES));
    Ok(match unreadable::end(cut, to, written)? {
        Some(end) => (end, None),
        None => (begin, Some(damage)),
    })
}

/// What is at an offset of a session's output.
pub(super) enum Found {
    /// The event that has the byte there.
    Event(Written),
    /// It cannot be read.
    Unread(Damage),
    /// Nothing: somebody deleted the session, or it has less.
    Gone,
}

pub(super) fn event_at(store: &Store, id: &SessionId, offset: u64) -> Result<Found, ReadError> {
    match store.output_event(id, offset) {
        Ok(Some(event)) => Ok(Found::Event(Written {
            offset: event.offset,
            len_bytes: event.len_bytes,
            at: event.at,
        })),
        Ok(None) => Ok(Found::Gone),
        Err(ReadError::Damaged(damage)) => Ok(Found::Unread(damage)),
        Err(error) => Err(error),
    }
}

/// The event that has the byte at an offset, if that can be read.
pub(super) fn written(
    store: &Store,
    id: &SessionId,
    offset: u64,
) -> Result<Option<Written>, ReadError> {
    Ok(match event_at(store, id, offset)? {
        Found::Event(event) => Some(event),
        Found::Unread(_) | Found::Gone => None,
    })
}
