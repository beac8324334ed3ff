//! What the tests of coven-core share: sample launches, and a session with its history.

#![allow(dead_code)] // each test file builds this module for itself and uses a part of it

use coven_core::{
    Actor, Command, ConversationId, Decision, Draft, Envelope, Event, External, ExternalRequest,
    Launch, LaunchRequest, Place, ProcessFacts, Record, Refusal, Seq, Session, SessionId,
    Timestamp, decide,
};

pub(crate) const ROOT: &str = "/home/ada/project";

/// The plainest request: the one of the seed.
pub(crate) fn request() -> LaunchRequest {
    LaunchRequest {
        project_root: Some(ROOT.to_owned()),
        harness: Some("codex".to_owned()),
        prompt: Some("fix the failing tests".to_owned()),
        ..LaunchRequest::default()
    }
}

pub(crate) fn launch(request: &LaunchRequest) -> Launch {
    let draft = Draft::parse(request).expect("a well-formed request");
    draft.at(Place::new(ROOT, ROOT).expect("a canonical place"))
}

pub(crate) fn external() -> (SessionId, External) {
    External::parse(&ExternalRequest {
        id: Some("editor:42".to_owned()),
        project_root: Some(ROOT.to_owned()),
        harness: Some("codex".to_owned()),
        ..ExternalRequest::default()
    })
    .expect("a well-formed registration")
}

pub(crate) fn session_id() -> SessionId {
    SessionId::parse("0197a1b2-0000-7000-8000-000000000001").expect("a UUID")
}

pub(crate) fn conversation(id: &str) -> ConversationId {
    ConversationId::parse("conversationId", id).expect("a conversation id")
}

pub(crate) fn process() -> ProcessFacts {
    ProcessFacts {
        pid: 4242,
        start_time: 99,
        boot_id: "3e6b0d0c-8a52-4b0f-9d5e-2f1f6f0c7a11".to_owned(),
        shim_pid: None,
    }
}

pub(crate) fn actor() -> Actor {
    Actor {
        uid: 1000,
        pid: Some(7),
        client: Some("tests".to_owned()),
    }
}

/// A session as the engine lives it: every event is folded into the record as it is decided, and
/// kept, so that it can be folded again from the first.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) record: Record,
    pub(crate) log: Vec<Envelope>,
}

impl History {
    pub(crate) fn launched(request: &LaunchRequest, identity: Option<ConversationId>) -> Self {
        let decision = decide::launch(launch(request), identity, Some("boot-1".to_owned()));
        Self::begin(&session_id(), decision)
    }

    pub(crate) fn registered() -> Self {
        let (id, external) = external();
        match decide::register(None, external).expect("a free id") {
            decide::Registration::New { decision } => Self::begin(&id, decision),
            decide::Registration::Again => panic!("nothing has the id yet"),
        }
    }

    /// Asks, and where it is not refused, records what was decided.
    pub(crate) fn ask(&mut self, command: Command) -> Result<Decision, Refusal> {
        let decision = coven_core::decide(&self.record.session, command)?;
        for event in &decision.events {
            self.write(event.clone());
        }
        Ok(decision)
    }

    pub(crate) fn session(&self) -> &Session {
        &self.record.session
    }

    /// The record, folded again from the first event.
    pub(crate) fn replayed(&self) -> Record {
        self.log
            .iter()
            .try_fold(None, |record, envelope| {
                Record::fold(record, envelope).map(Some)
            })
            .expect("what was written live replays")
            .expect("a history has a first event")
    }

    fn begin(id: &SessionId, decision: Decision) -> Self {
        let mut events = decision.events.into_iter();
        let first = envelope(id, 1, events.next().expect("a beginning has an event"));
        let mut history = Self {
            record: Record::fold(None, &first).expect("a beginning folds"),
            log: vec![first],
        };
        events.for_each(|event| history.write(event));
        history
    }

    fn write(&mut self, event: Event) {
        let next = self.record.last_seq.get() + 1;
        let envelope = envelope(&self.record.session.id, next, event);
        self.record = Record::fold(Some(self.record.clone()), &envelope)
            .expect("every event of a decision folds");
        self.log.push(envelope);
    }
}

/// An event in its place; a second passes with every one.
fn envelope(id: &SessionId, number: u64, event: Event) -> Envelope {
    let seconds = i64::try_from(number).expect("a short test");
    Envelope {
        seq: Seq::new(number),
        session: id.clone(),
        at: Timestamp::from_nanos(1_700_000_000_000_000_000 + seconds * 1_000_000_000),
        actor: Some(actor()),
        event,
    }
}
