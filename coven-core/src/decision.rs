//! `Decision`: what follows from a command that was not refused.

use crate::{Effect, Event};

/// The events to append, all or nothing, and the effects to perform after that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// In order. Empty when the command asks for what is already so.
    pub events: Vec<Event>,
    /// In order.
    pub effects: Vec<Effect>,
}

impl Decision {
    /// Nothing to do: it is already so.
    pub const fn nothing() -> Self {
        Self {
            events: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// One event, no effect.
    pub fn event(event: Event) -> Self {
        Self {
            events: vec![event],
            effects: Vec::new(),
        }
    }

    /// The same with an effect more.
    #[must_use]
    pub fn with(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }
}
