//! Why a conversation is not gone on with, in the words of the session that it was.

use coven::Code;
use coven_http::client::Error;
use coven_http::wire::SessionRecord;

use crate::exit::Exit;
use crate::failure::Failure;

/// Why the launch that would go on with `session` failed.
pub(super) fn why(error: Error, session: &SessionRecord) -> Failure {
    let detail = |key| error.answer()?.details.as_ref()?.get(key)?.as_str();
    if error.code() == Some(Code::SessionIdConflict) {
        let (id, made) = (
            &session.id,
            detail("sessionId").unwrap_or("another session"),
        );
        return refused(format!(
            "{made} goes on with session {id}: another `coven resume` has just made it, with another \
             prompt, size or environment; `coven attach {made}` shows it"
        ));
    }
    let Some(field) = detail("field") else {
        return error.into();
    };
    let message = error.to_string();
    let problem = message.strip_prefix(field).unwrap_or(&message).trim();
    let (id, harness) = (&session.id, &session.harness);
    match field {
        "harness" => Failure::new(
            Exit::NotFound,
            format!(
                "session {id} is {harness}'s, and there is no harness {harness:?} any more; \
                 declare it again, `coven harnesses` lists those there are"
            ),
        ),
        "projectRoot" | "cwd" => {
            let place = session.cwd.as_ref().unwrap_or(&session.project_root);
            refused(format!(
                "session {id} ran in {place}, which {problem}; put it back, or go on elsewhere: \
                 coven run --continue {id} --project DIR \"…\""
            ))
        }
        "continues" => refused(format!(
            "session {id} {problem}: {harness} had not told it when the session ended; \
             `coven log {id}` shows what it wrote, `coven run` begins anew"
        )),
        "conversation.mode" | "conversation.id" => refused(format!(
            "{harness} cannot go on with the conversation of session {id}: {message}"
        )),
        "prompt" => Failure::usage(format!("the prompt {problem}")),
        _ => error.into(),
    }
}

fn refused(why: String) -> Failure {
    Failure::new(Exit::Refused, why)
}
