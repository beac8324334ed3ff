//! One test's world: a scripted model, and a user's home that points an agent at it.

use crate::clis::Agent;

use crate::dns;
use crate::home::{Home, Trust};
use crate::model::Model;

/// Nothing in it is shared with another test but the resolver.
pub(crate) struct Lab {
    pub(crate) agent: Agent,
    pub(crate) model: Model,
    pub(crate) home: Home,
}

impl Lab {
    pub(crate) fn with_trust(agent: Agent, trust: Trust) -> Self {
        dns::start();
        let model = Model::start();
        let home = Home::new(agent, trust, &model.url());
        Self { agent, model, home }
    }
}
