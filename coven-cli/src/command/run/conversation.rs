//! Which conversation a launch begins, or goes on with.

use coven_http::client::{Client, EventsQuery};
use coven_http::wire::{Conversation, Payload, SessionRecord};

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

/// Events asked for at once.
const PAGE: usize = 1000;

/// The conversation to begin under an id of the caller's, or to go on with: a session's, or the
/// one of that id where no session is called so.
///
/// # Errors
/// When the session has no conversation that is known.
pub(super) async fn choose(
    client: &Client,
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
    let id = of_session(client, &session).await?;
    Ok(Origin {
        conversation: Some(conversation("resume", &id)),
        continues: Some(session.id),
    })
}

fn conversation(mode: &str, id: &str) -> Conversation {
    Conversation {
        mode: mode.to_owned(),
        id: id.to_owned(),
    }
}

/// What a session's conversation is called: by its caller, else by its harness.
async fn of_session(client: &Client, session: &SessionRecord) -> Result<String, Failure> {
    if let Some(id) = &session.conversation_id {
        return Ok(id.clone());
    }
    let mut query = EventsQuery {
        after_seq: None,
        limit: Some(PAGE),
    };
    loop {
        let page = client.events(&session.id, query).await?;
        for event in &page.events {
            if let Payload::Identified(identified) = event.payload() {
                return Ok(identified.harness_conversation_id);
            }
        }
        match page.next_cursor {
            Some(cursor) if page.has_more => query.after_seq = Some(cursor.after_seq),
            _ => break,
        }
    }
    Err(Failure::new(
        Exit::Refused,
        format!(
            "session {} has no conversation to go on with: its harness never told its id",
            session.id
        ),
    ))
}
