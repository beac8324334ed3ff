//! `Launch` and `Register`: how a session begins.

use crate::{ConversationId, Decision, Effect, Event, External, Launch, Refusal, Session};

/// The decision that begins a session: on record first, then the process. `identity` is the
/// harness's conversation id where it is known before the process runs, and `boot_id` the boot that the
/// machine is in.
pub fn launch(
    launch: Launch,
    identity: Option<ConversationId>,
    boot_id: Option<String>,
) -> Decision {
    let identified = identity.map(|conversation| Event::Identified { conversation });
    let created = Event::Created {
        launch: Box::new(launch),
        boot_id,
    };
    Decision {
        events: std::iter::once(created).chain(identified).collect(),
        effects: vec![Effect::Spawn],
    }
}

/// What registering an external session comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// It is new: append the decision's events.
    New {
        /// What to append.
        decision: Decision,
    },
    /// The same id was registered before; nothing to append.
    Again,
}

/// Registers a session that runs elsewhere. `existing` is what has the caller's id now.
///
/// # Errors
/// [`Refusal::IdConflict`] when the id is one of a session that Coven launched.
pub fn register(existing: Option<&Session>, external: External) -> Result<Registration, Refusal> {
    match existing {
        None => Ok(Registration::New {
            decision: Decision::event(Event::Registered {
                external: Box::new(external),
            }),
        }),
        Some(session) if session.is_external() => Ok(Registration::Again),
        Some(session) => Err(Refusal::IdConflict {
            session: session.id.clone(),
        }),
    }
}
