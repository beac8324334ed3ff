//! Which conversation a launch begins, or goes on with.

use coven_http::client::Client;
use coven_http::wire::Conversation;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::select;

/// Where a session comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// The conversation it begins or goes on with.
    pub(super) conversation: Option<Conversation>,
    /// The session whose conversation that is.
    pub(super) continues: Option<String>,
}

/// The conversation to begin under an id of the caller's, or to go on with: a session's, or the
/// one of that id where no session is called so.
///
/// # Errors
/// When there is no such session, or it is another harness's.
pub(super) async fn choose(
    client: &Client,
    harness: &str,
    begin: Option<&str>,
    continue_with: Option<&str>,
) -> Result<Origin, Failure> {
    if let Some(id) = begin {
        return Ok(Origin {
            conversation: Some(conversation("init", id)),
            continues: None,
        });
    }
    let Some(word) = continue_with else {
        return Ok(Origin::default());
    };
    let session = match select::session(client, word).await {
        Ok(session) => session,
        Err(failure) if failure.exit() == Exit::NotFound && word != "@last" => {
            return Ok(Origin {
                conversation: Some(conversation("resume", word)),
                continues: None,
            });
        }
        Err(failure) => return Err(failure),
    };
    if session.harness != harness {
        return Err(Failure::usage(format!(
            "session {} is {}'s, and {harness} cannot go on with it",
            session.id, session.harness
        )));
    }
    Ok(Origin {
        // The daemon knows which that is.
        conversation: None,
        continues: Some(session.id),
    })
}

fn conversation(mode: &str, id: &str) -> Conversation {
    Conversation {
        mode: mode.to_owned(),
        id: id.to_owned(),
    }
}
