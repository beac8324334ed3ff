//! The launch that goes on with a session's conversation.

use coven_http::client::Client;
use coven_http::wire::{LaunchBody, LaunchMode, SessionRecord};

use super::{key, refused};
use crate::command::launching;
use crate::command::run::environment;
use crate::command::run::place::{self, Place};
use crate::command::run::shown::{Shown, terminal_size};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;

/// What an agent is told that does nothing untold: one that is not in a terminal.
const GO_ON: &str = "continue";

/// Makes sure that a session has ended, here.
///
/// # Errors
/// [`Exit::Refused`] when it has not, or runs elsewhere.
pub(super) fn check(session: &SessionRecord) -> Result<(), Failure> {
    let id = &session.id;
    let refused = |why: String| Err(Failure::new(Exit::Refused, why));
    if session.external {
        return refused(format!(
            "session {id} is external: Coven did not launch it and cannot go on with it; use \
             what runs it"
        ));
    }
    if session.ended_at.is_none() {
        return refused(format!(
            "session {id} has not ended; `coven attach {id}` shows it, `coven input {id} \"…\"` \
             tells its agent more, `coven kill {id}` ends it"
        ));
    }
    Ok(())
}

/// How a session was wired, and so is the one that goes on with it.
pub(super) fn mode(session: &SessionRecord) -> LaunchMode {
    session.launch_mode.unwrap_or(LaunchMode::Interactive)
}

/// Launches the session that goes on with `session`'s conversation under `key`: once, also where a
/// daemon dies of it or another asks the same. Gives it, and the daemon that has it.
///
/// # Errors
/// When it is refused, with what to do, or does not start.
pub(super) async fn resume(
    home: &Home,
    session: &SessionRecord,
    prompt: Option<String>,
    shown: Shown,
    key: String,
) -> Result<(Client, SessionRecord), Failure> {
    let body = body(session, prompt, shown);
    let ask = async |client: &Client, key: &str| {
        let launched = client.launch_once(&body, key).await;
        launched.map_err(|error| refused::why(error, session))
    };
    let next_key = |vain: &SessionRecord| key::after(&vain.id);
    launching::launch(home, key, next_key, ask).await
}

fn body(session: &SessionRecord, prompt: Option<String>, shown: Shown) -> LaunchBody {
    // Harnesses know a conversation only where it was begun.
    let Place { project, cwd } = place::of(session);
    let mode = mode(session);
    let prompt = prompt.or_else(|| match mode {
        LaunchMode::Interactive => None,
        LaunchMode::NonInteractive | LaunchMode::Stream => Some(GO_ON.to_owned()),
    });
    let ours = if shown == Shown::Live {
        terminal_size()
    } else {
        None
    };
    let theirs = || Some((session.cols?.into(), session.rows?.into()));
    let size = ours.or_else(theirs);
    LaunchBody {
        project_root: Some(project),
        cwd: Some(cwd),
        harness: Some(session.harness.clone()),
        prompt,
        title: Some(session.title.clone()),
        model: session.model.clone(),
        launch_mode: Some(mode.as_str().to_owned()),
        launch_policy: session.launch_policy.clone(),
        conversation_id: session.conversation_id.clone(),
        continues: Some(session.id.clone()),
        labels: (!session.labels.is_empty()).then(|| session.labels.clone()),
        env: Some(environment()),
        cols: size.map(|size| size.0),
        rows: size.map(|size| size.1),
        ..LaunchBody::default()
    }
}
