//! Which harness a launch gets.

use coven_http::client::Client;
use coven_http::wire::{Harness, SessionRecord};

use crate::config::{Origin, Setting};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::installed;

/// The harness that was named, else the only one that is installed.
///
/// # Errors
/// When none was named and none, or several, are installed.
pub(super) async fn choose(
    client: &Client,
    named: &Setting<Option<String>>,
) -> Result<String, Failure> {
    match &named.value {
        // Whether it exists is told by the launch: a list of them has each say its version first.
        Some(id) => Ok(id.clone()),
        None => only_installed(installed::looked_up_here(client.harnesses().await?)),
    }
}

/// The harness of the session that is gone on with: no other knows its conversation.
///
/// # Errors
/// When another one was named.
pub(super) fn of(
    session: &SessionRecord,
    named: &Setting<Option<String>>,
) -> Result<String, Failure> {
    match (&named.value, &named.origin) {
        (Some(id), Origin::Flag { .. }) if *id != session.harness => Err(Failure::usage(format!(
            "session {} is {}'s, and {id} cannot go on with it",
            session.id, session.harness
        ))),
        _ => Ok(session.harness.clone()),
    }
}

fn only_installed(harnesses: Vec<Harness>) -> Result<String, Failure> {
    let (installed, missing): (Vec<_>, Vec<_>) =
        harnesses.into_iter().partition(|harness| harness.available);
    match installed.as_slice() {
        [only] => Ok(only.id.clone()),
        [] => Err(Failure::new(
            Exit::NotFound,
            format!(
                "no harness is installed (looked for {}); `coven doctor` tells what to do",
                ids(&missing)
            ),
        )),
        several => Err(Failure::usage(format!(
            "{} are installed; name one: coven run {} \"…\", or set `harness` in config.toml",
            ids(several),
            several[0].id
        ))),
    }
}

fn ids(harnesses: &[Harness]) -> String {
    let ids: Vec<&str> = harnesses
        .iter()
        .map(|harness| harness.id.as_str())
        .collect();
    ids.join(", ")
}
