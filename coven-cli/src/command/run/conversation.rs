//! Which conversation a launch begins, or goes on with.

use coven_http::client::Client;
use coven_http::wire::{Conversation, SessionRecord};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::select;

/// Which conversation a launch is part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Thread {
    /// One of its own.
    New,
    /// One that the harness begins or finds under an id.
    Named(Conversation),
    /// That of an earlier session; the daemon knows which that is.
    Of(Box<SessionRecord>),
}

/// The conversation to begin under an id of the caller's, or to go on with: a session's, or the
/// one of that id where no session is called so.
///
/// # Errors
/// When there is no such session.
pub(super) async fn choose(
    client: &Client,
    begin: Option<&str>,
    continue_with: Option<&str>,
) -> Result<Thread, Failure> {
    if let Some(id) = begin {
        return Ok(Thread::Named(conversation("init", id)));
    }
    let Some(word) = continue_with else {
        return Ok(Thread::New);
    };
    match select::session(client, word).await {
        Ok(session) => Ok(Thread::Of(Box::new(session))),
        Err(failure) if failure.exit() == Exit::NotFound && word != "@last" => {
            Ok(Thread::Named(conversation("resume", word)))
        }
        Err(failure) => Err(failure),
    }
}

fn conversation(mode: &str, id: &str) -> Conversation {
    Conversation {
        mode: mode.to_owned(),
        id: id.to_owned(),
    }
}
