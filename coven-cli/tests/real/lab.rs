//! One test's world: a scripted model, and a user's home that points an agent at it.

use crate::clis::Agent;

use crate::coven::Coven;
use crate::dns;
use crate::home::{Home, Trust};
use crate::model::{Model, Pace};

/// Nothing in it is shared with another test but the resolver.
pub(crate) struct Lab {
    pub(crate) agent: Agent,
    pub(crate) model: Model,
    pub(crate) home: Home,
}

impl Lab {
    pub(crate) fn new(agent: Agent) -> Self {
        Self::with_trust(agent, Trust::Careful)
    }

    pub(crate) fn with_trust(agent: Agent, trust: Trust) -> Self {
        Self::with_model(agent, trust, Model::start(Pace::AtOnce))
    }

    pub(crate) fn with_model(agent: Agent, trust: Trust, model: Model) -> Self {
        dns::start();
        let home = Home::new(agent, trust, &model.url());
        Self { agent, model, home }
    }

    /// A daemon in this home, started.
    pub(crate) fn coven(&self) -> Coven<'_> {
        Coven::start(&self.home, self.agent)
    }

    /// The daemon that something else started in this home.
    pub(crate) fn running_coven(&self) -> Coven<'_> {
        Coven::of(&self.home, self.agent)
    }
}
