//! `GET /capabilities`: what control clients may ask for.

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{Capabilities, Capability};

pub(crate) async fn get(_: &Call) -> Result<Reply, Error> {
    Ok(Reply::ok(&Capabilities {
        capabilities: all(),
    }))
}

/// All there are.
pub(super) fn all() -> Vec<Capability> {
    let capability = |id: &str, label: &str, actions: &[&str]| Capability {
        id: id.to_owned(),
        label: label.to_owned(),
        adapter: "coven".to_owned(),
        status: "available".to_owned(),
        policy: "allow".to_owned(),
        actions: actions.iter().map(|&action| action.to_owned()).collect(),
    };
    vec![
        capability(
            "coven.sessions",
            "Sessions",
            &[
                "coven.sessions.launch",
                "coven.sessions.list",
                "coven.sessions.read",
                "coven.sessions.input",
                "coven.sessions.kill",
            ],
        ),
        capability(
            "coven.control.actions",
            "Control actions",
            &[super::actions::REFRESH],
        ),
    ]
}

pub(crate) fn doc() -> Doc {
    Doc::new("What control clients may ask for.").answer::<Capabilities>(200, "The capabilities.")
}
