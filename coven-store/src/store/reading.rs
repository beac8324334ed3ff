//! Reading a [`Store`]: what is not folded yet is in memory, and the cold file has the rest.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use coven_core::{Envelope, Event, HarnessId, Launch, Record, Seq, SessionId};
use redb::ReadTransaction;

use super::{Inner, Opened, Store};
use crate::database::guarded_read;
use crate::error::ReadError;
use crate::fault::{Fault, read_failed};
use crate::folder;
use crate::read::{
    self, AllPage, Chunks, Given, Listing, Look, Looked, OutputChunk, OutputEvent, Page, ReadLimit,
    Verified,
};
use crate::tail::Standing;

impl Store {
    /// The record of a session; `None` where there is no such session, or it was deleted.
    ///
    /// # Errors
    /// [`ReadError`], each with what to do about it; so for every read.
    pub fn record(&self, id: &SessionId) -> Result<Option<Record>, ReadError> {
        if let Some((_, standing)) = self.0.tail.look().standing(id) {
            return Ok(match standing {
                Standing::Living(record) => Some(Record::clone(record)),
                Standing::Deleted { .. } => None,
            });
        }
        let entry = self.run(|txn| read::entry(txn, id));
        let record = entry.map(|entry| entry.map(|entry| Arc::unwrap_or_clone(entry.record)));
        record
            .or_else(|error| self.past_damage(error, |txn, file| file.record(txn, id)))
            .map_err(|error| self.met_for(id, error))
    }

    /// Whether there was a session of this id, which was deleted, and there is none now.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn was_deleted(&self, id: &SessionId) -> Result<bool, ReadError> {
        if let Some((_, standing)) = self.0.tail.look().standing(id) {
            return Ok(matches!(standing, Standing::Deleted { .. }));
        }
        self.run(|txn| Ok(read::entry(txn, id)?.is_none() && read::gone(txn, id)?.at.is_some()))
    }

    /// A page of all records, newest first. One that is damaged is left out, so that the others can
    /// be seen; [`Store::record`] says what is wrong with it. Where the list itself is damaged and not made anew, all
    /// sessions are looked at, once for some 65,000 of the list.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn list(&self, page: &Page) -> Result<Listing, ReadError> {
        let tail = self.0.tail.look().standings();
        let found = self.run(|txn| read::list(txn, &tail, page, |_, _| None));
        if found.is_ok() && self.0.looked.is_any() {
            let current = |opening, _: &_, file: &_| {
                let commit = Verified::of(file).commit();
                self.0.looked.keep_of(opening, commit);
                Ok(())
            };
            // Whoever asks next lets go of it where that cannot be told now.
            let _ = self.0.cold.read_verified_at_once(current);
        }
        let again = match &found {
            // Somebody makes it anew.
            Ok(_) if matches!(self.0.opened, Opened::ToWrite { .. }) => None,
            Ok(listing) if listing.damaged > 0 => self.0.cold.read_verified(|txn, file| {
                let again = |slot, id: &_| Verified::of(file).record_in(slot, id).ok();
                read::list(txn, &tail, page, again)
            }),
            Err(ReadError::Damaged(_)) => self.list_without_index(&self.0.looked, page),
            Ok(_) | Err(_) => None,
        };
        again.and_then(Result::ok).map_or(found, Ok)
    }

    /// The same past the list; `None` where the file cannot be read so.
    pub(crate) fn list_without_index(
        &self,
        looked: &Looked,
        page: &Page,
    ) -> Option<Result<Listing, Fault>> {
        let tail = self.0.tail.look().standings();
        self.0.cold.read_verified_in(|opening, txn, file| {
            let given = Given {
                last: guarded_read(|| read::folded(txn))
                    .map(|it| it.last_slot)
                    .ok(),
                aside: guarded_read(|| read::aside(txn)).unwrap_or_default(),
            };
            let file = Verified::of(file);
            read::list_by_slots(file, &given, (looked, opening), &tail, page)
        })
    }

    /// The records of all launched sessions that have not ended: those a restart must look at. Less
    /// damaged ones, as in a page. Takes as long as there are such; where the list of them is damaged, all
    /// records are looked at.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn live(&self) -> Result<Vec<Record>, ReadError> {
        let tail = self.0.tail.look().standings();
        self.run(|txn| read::live(txn, &tail))
    }

    /// The first event of a session, which says how it began.
    fn first_event(&self, id: &SessionId) -> Result<Option<Envelope>, ReadError> {
        let one = ReadLimit {
            events: 1,
            bytes: 0,
        };
        Ok(self.read(id, Seq::ZERO, one)?.pop())
    }

    /// The whole launch of a session, prompt included; `None` where there is no such session or
    /// it is an external one.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn launch(&self, id: &SessionId) -> Result<Option<Launch>, ReadError> {
        let first = self.first_event(id)?;
        Ok(first.and_then(|envelope| match envelope.event {
            Event::Created { launch, .. } => Some(*launch),
            _ => None,
        }))
    }

    /// The boot in which a session was launched; `None` where its log does not say.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn launched_in(&self, id: &SessionId) -> Result<Option<String>, ReadError> {
        let first = self.first_event(id)?;
        Ok(first.and_then(|envelope| match envelope.event {
            Event::Created { boot_id, .. } => boot_id,
            _ => None,
        }))
    }

    /// The events of one session after `after`, oldest first; none where there is no such
    /// session, or it was deleted. Where something of them is damaged they end before that: it is an error to
    /// read on from there.
    ///
    /// # Errors
    /// As [`Store::record`]; [`ReadError::Damaged`] where what comes next is.
    pub fn read(
        &self,
        id: &SessionId,
        after: Seq,
        limit: ReadLimit,
    ) -> Result<Vec<Envelope>, ReadError> {
        let page = read::OfSession::begin(&self.0.tail, id, after, limit);
        match page.without_the_cold_file() {
            Some(events) => events.map_err(ReadError::from),
            None => {
                self.run_cached(
                    |look| page.in_memory(look),
                    |txn, look| page.read(txn, look),
                )
                .or_else(|error| self.past_damage(error, |txn, file| page.read_verified(txn, file)))
            }
        }
        .map_err(|error| self.met_for(id, error))
    }

    /// The events of all sessions after `after`, in the order of their Seqs. Of a deleted session
    /// only its [`Event::Deleted`] is left. Where something of them is damaged they end before that;
    /// [`Store::page_of_all`] reads on.
    ///
    /// # Errors
    /// As [`Store::record`]; [`ReadError::Damaged`] where what comes next is.
    pub fn read_all(&self, after: Seq, limit: ReadLimit) -> Result<Vec<Envelope>, ReadError> {
        let mut page = self.page_of_all(after, limit)?;
        let mut after = after;
        while page.events.is_empty() && page.lost.is_empty() && page.end > after {
            after = page.end;
            page = self.page_of_all(after, limit)?;
        }
        let AllPage {
            mut events, lost, ..
        } = page;
        if let Some(lost) = lost.into_iter().next() {
            events.retain(|event| event.seq < lost.first);
            if events.is_empty() {
                return Err(lost.damage.into());
            }
        }
        Ok(events)
    }

    /// The same past what is damaged, which is told beside the events: nobody's damage keeps the
    /// others from whoever follows all.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn page_of_all(&self, after: Seq, limit: ReadLimit) -> Result<AllPage, ReadError> {
        let page = read::OfAll::begin(&self.0.tail, after, limit);
        match page.without_the_cold_file() {
            Some(page) => page.map_err(ReadError::from),
            None => {
                let found = self.run_cached(|_| None, |txn, look| page.read(txn, look));
                let is_damaged = match &found {
                    Ok(page) => !page.lost.is_empty(),
                    Err(error) => matches!(error, ReadError::Damaged(_)),
                };
                if !is_damaged {
                    return found;
                }
                let again = self
                    .0
                    .cold
                    .read_verified(|txn, file| page.read_verified(txn, Verified::of(file)));
                again.and_then(Result::ok).map_or(found, Ok)
            }
        }
    }

    /// A session's output from `offset` on, without a gap and at most `max_bytes` of it; the
    /// first and the last chunk are cut to fit. None at the end, or where there is no such
    /// session. Where what is at `offset` was trimmed, from where the output that is left begins.
    /// Before damage it may be less than there is: who goes on from there is told.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn output(
        &self,
        id: &SessionId,
        offset: u64,
        max_bytes: usize,
    ) -> Result<Vec<OutputChunk>, ReadError> {
        Ok(self.chunks(id, offset, max_bytes)?.found)
    }

    /// The output event that has the byte at `offset`, or the first one left where that was
    /// trimmed. None at the end, or where there is no such session.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn output_event(
        &self,
        id: &SessionId,
        offset: u64,
    ) -> Result<Option<OutputEvent>, ReadError> {
        Ok(self.chunks(id, offset, 1)?.last)
    }

    fn chunks(&self, id: &SessionId, offset: u64, max_bytes: usize) -> Result<Chunks, ReadError> {
        let range = read::OutputRange::begin(&self.0.tail, id, offset, max_bytes);
        match range.without_the_cold_file() {
            Some(chunks) => chunks.map_err(ReadError::from),
            None => self
                .run_cached(
                    |look| range.in_memory(look),
                    |txn, look| range.read(txn, look),
                )
                .or_else(|error| {
                    self.past_damage(error, |txn, file| range.read_verified(txn, file))
                }),
        }
        .map_err(|error| self.met_for(id, error))
    }

    /// The newest session that `harness` was launched for under this `conversation_id`.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn by_conversation(
        &self,
        harness: &HarnessId,
        conversation_id: &str,
    ) -> Result<Option<SessionId>, ReadError> {
        let (here, deleted) = self.0.tail.look().of_conversation(harness, conversation_id);
        let there =
            self.run(|txn| read::by_conversation(txn, harness, conversation_id, &deleted))?;
        let newest = here.into_iter().chain(there).max_by_key(|(slot, _)| *slot);
        Ok(newest.map(|(_, id)| id))
    }

    /// Takes what is asked for out of the cache, or has it read in the cold file.
    fn run_cached<T>(
        &self,
        in_memory: impl FnOnce(&Look<'_>) -> Option<T>,
        read: impl Fn(&ReadTransaction, &Look<'_>) -> Result<T, Fault>,
    ) -> Result<T, ReadError> {
        let Inner { cold, cache, .. } = self.0.as_ref();
        let opening = cold.opening();
        let look = cache.look(opening);
        // What is there of a file that was opened anew since may be what somebody read in it meanwhile.
        if let Some(found) = in_memory(&look).filter(|_| opening.is_some_and(|it| cold.is_open(it)))
        {
            return Ok(found);
        }
        let found = self.run(|txn| match opening {
            // This is what the transaction is of, then.
            Some(opening) if cold.is_open(opening) => read(txn, &look),
            _ => read(txn, &Look::blind()),
        });
        if cache.begins_to_hold() {
            let _ = self.0.folder.send(folder::Message::Cached);
        }
        found
    }

    /// The events of a session as they are read by who met damage.
    #[cfg(test)]
    pub(crate) fn read_as_past_damage(
        &self,
        id: &SessionId,
        after: Seq,
        limit: ReadLimit,
    ) -> Result<Vec<Envelope>, ReadError> {
        let page = read::OfSession::begin(&self.0.tail, id, after, limit);
        self.past_damage(was_met(), |txn, file| page.read_verified(txn, file))
    }

    /// The events of all sessions as they are read by who met damage.
    #[cfg(test)]
    pub(crate) fn page_of_all_as_past_damage(
        &self,
        after: Seq,
        limit: ReadLimit,
    ) -> Result<AllPage, ReadError> {
        let page = read::OfAll::begin(&self.0.tail, after, limit);
        self.past_damage(was_met(), |txn, file| page.read_verified(txn, file))
    }

    /// What was met as a session was asked for, and is noted for the health of the log.
    fn met_for(&self, id: &SessionId, error: ReadError) -> ReadError {
        let error = error.met_for(id);
        if let ReadError::Damaged(damage) = &error {
            self.0.queue.meter.met(damage);
        }
        error
    }

    /// Reads what met damage once more, page by page: of what is another's it says nothing then. Where that
    /// cannot be done it says what was met.
    fn past_damage<T>(
        &self,
        error: ReadError,
        read: impl Fn(&ReadTransaction, Verified<'_>) -> Result<T, Fault>,
    ) -> Result<T, ReadError> {
        if !matches!(error, ReadError::Damaged(_)) {
            return Err(error);
        }
        let found = self
            .0
            .cold
            .read_verified(|txn, file| read(txn, Verified::of(file)));
        found.map_or(Err(error), |found| found.map_err(ReadError::from))
    }

    pub(crate) fn run<T>(
        &self,
        read: impl Fn(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, ReadError> {
        let alarm = |opening| match &self.0.opened {
            Opened::ToRead(again) => again.open(&self.0.cold, opening),
            Opened::ToWrite { .. } => {
                let told = self.0.folder.send(folder::Message::Alarm { opening });
                if told.is_err() && self.0.cold.is_open(opening) {
                    // Nobody opens it again.
                    self.0.cold.fail(read_failed());
                }
            }
        };
        let mut found = self.0.cold.read(&read, alarm);
        if matches!(found, Err(ReadError::Damaged(_)))
            && let Opened::ToWrite { mender, .. } = &self.0.opened
            && mender.may_have_mended()
            && let Ok(mended) = self.0.cold.read(read, alarm)
        {
            found = Ok(mended);
        }
        if let Err(ReadError::Damaged(damage)) = &found {
            self.0.queue.meter.met(damage);
        }
        found
    }
}

#[cfg(test)]
fn was_met() -> ReadError {
    ReadError::Damaged(crate::Damage {
        session: None,
        seq: None,
        problem: "it was met".to_owned(),
    })
}
