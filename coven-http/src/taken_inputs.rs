//! `TakenInputs`: input that has an id is typed once, however often it is sent.
//!
//! What was taken is remembered in memory, per session and up to a bound. A retry comes soon after
//! what it repeats, so the newest ids are the ones that are asked for.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use coven::{Actor, Engine, IdempotencyKey, SessionId};
use sha2::{Digest, Sha256};

/// Ids that are remembered of one session: over what a viewer sends ahead of being told.
const MOST_IDS: usize = 4096;

/// Sessions whose ids are remembered: those that were typed into last.
const MOST_SESSIONS: usize = 64;

/// Names one input of one session, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct InputId([u8; 16]);

/// What is typed.
#[derive(Clone, Debug)]
pub(crate) enum Typing {
    /// These bytes.
    Bytes(Bytes),
    /// A prompt, the way the session's harness takes one.
    Prompt(String),
}

/// The ids of what was taken.
#[derive(Debug, Default)]
pub(crate) struct TakenInputs {
    sessions: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    taken: HashMap<SessionId, Arc<tokio::sync::Mutex<Taken>>>,
    /// The one that was typed into last is the last.
    order: VecDeque<SessionId>,
}

#[derive(Debug, Default)]
struct Taken {
    ids: HashSet<InputId>,
    order: VecDeque<InputId>,
}

impl InputId {
    /// That of a request with this key.
    pub(crate) fn of_request(session: &SessionId, key: &IdempotencyKey) -> Self {
        Self::hash("request", session, key, 0)
    }

    /// That of the frame which begins at byte `offset` of what a viewer types under this key.
    pub(crate) fn of_frame(session: &SessionId, key: &IdempotencyKey, offset: u64) -> Self {
        Self::hash("frame", session, key, offset)
    }

    /// No part has a NUL in it, so no two inputs are hashed as the same bytes.
    fn hash(kind: &str, session: &SessionId, key: &IdempotencyKey, offset: u64) -> Self {
        let offset = offset.to_string();
        let parts = [
            "coven.input.v1",
            kind,
            session.as_str(),
            key.as_str(),
            &offset,
        ];
        let hash = Sha256::digest(parts.join("\0"));
        Self(std::array::from_fn(|at| hash[at]))
    }
}

impl TakenInputs {
    /// Types into a session, unless an input of this id was taken before: then that is what
    /// happened to this one. Inputs with ids are taken one after the other. Dropping the future
    /// stops nothing.
    ///
    /// # Errors
    /// As [`Engine::input`] and [`Engine::submit`]; then the id is free.
    pub(crate) async fn take(
        self: &Arc<Self>,
        engine: &Engine,
        session: &SessionId,
        id: Option<InputId>,
        typing: Typing,
        by: Actor,
    ) -> Result<(), coven::Error> {
        let Some(id) = id else {
            return give(engine, session, typing, by).await;
        };
        let (engine, session, taken) = (engine.clone(), session.clone(), self.of(session));
        // Who asked may go away between the engine's answer and the note of it.
        let taking = tokio::spawn(async move {
            let mut taken = taken.lock().await;
            if taken.ids.contains(&id) {
                return Ok(());
            }
            give(&engine, &session, typing, by).await?;
            taken.note(id);
            Ok(())
        });
        taking.await.unwrap_or_else(|ended| {
            std::panic::resume_unwind(ended.into_panic());
        })
    }

    /// Whether an input of this id was taken, as far as is remembered.
    pub(crate) async fn has(&self, session: &SessionId, id: InputId) -> bool {
        self.of(session).lock().await.ids.contains(&id)
    }

    fn of(&self, session: &SessionId) -> Arc<tokio::sync::Mutex<Taken>> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let Sessions { taken, order } = &mut *sessions;
        order.retain(|other| other != session);
        order.push_back(session.clone());
        if order.len() > MOST_SESSIONS
            && let Some(oldest) = order.pop_front()
        {
            taken.remove(&oldest);
        }
        Arc::clone(taken.entry(session.clone()).or_default())
    }
}

impl Taken {
    fn note(&mut self, id: InputId) {
        self.ids.insert(id);
        self.order.push_back(id);
        if self.order.len() > MOST_IDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

async fn give(
    engine: &Engine,
    session: &SessionId,
    typing: Typing,
    by: Actor,
) -> Result<(), coven::Error> {
    match typing {
        Typing::Bytes(data) => engine.input(session, data, by).await,
        Typing::Prompt(text) => engine.submit(session, text, by).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_its_session_its_key_its_kind_and_its_place() {
        let session = |id| SessionId::parse(id).unwrap();
        let key = |key| IdempotencyKey::parse(key).unwrap();
        let ids = [
            InputId::of_request(&session("s"), &key("k")),
            InputId::of_request(&session("s"), &key("k1")),
            InputId::of_request(&session("t"), &key("k")),
            InputId::of_frame(&session("s"), &key("k"), 0),
            InputId::of_frame(&session("s"), &key("k"), 10),
            InputId::of_frame(&session("s"), &key("k1"), 0),
        ];
        assert_eq!(HashSet::from(ids).len(), ids.len());
        assert_eq!(ids[3], InputId::of_frame(&session("s"), &key("k"), 0));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_newest() {
        let session = SessionId::parse("s").unwrap();
        let key = IdempotencyKey::parse("k").unwrap();
        let id = |offset| InputId::of_frame(&session, &key, offset);
        let mut taken = Taken::default();
        for offset in 0..=MOST_IDS as u64 {
            taken.note(id(offset));
        }
        assert_eq!(taken.ids.len(), MOST_IDS);
        assert!(!taken.ids.contains(&id(0)) && taken.ids.contains(&id(MOST_IDS as u64)));
        let inputs = TakenInputs::default();
        for at in 0..2 * MOST_SESSIONS {
            inputs.of(&SessionId::parse(&format!("s{at}")).unwrap());
        }
        assert_eq!(inputs.sessions.lock().unwrap().taken.len(), MOST_SESSIONS);
    }
}
