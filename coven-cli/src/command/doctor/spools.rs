//! Where the folders of sessions are, and those sessions that run and cannot be reached.

use std::slice;

use coven_http::client::{Client, Error};
use coven_http::wire::{SessionRecord, Status};

use super::{Finding, State};
use crate::all_sessions;
use crate::ending;
use crate::home::Home;
use crate::unrecorded::{self, unrecorded};

/// What is wrong with the directory that the folders are in, if anything.
pub(super) fn directory(home: &Home) -> Option<Finding> {
    let error = coven::home::check_spools(home.dir()).err()?;
    let found = format!("{}: {error}", home.spools().display());
    Some(Finding::new("spools", State::Bad, found).advise(
        "mend it: until then nothing can be launched and no daemon starts; sessions that run go on, and \
         `coven daemon stop --kill` ends them",
    ))
}

/// The sessions that run and are out of reach, as their daemon sees it.
pub(super) async fn out_of_reach(client: &Client) -> Vec<Finding> {
    match sessions(client).await {
        Ok(sessions) => sessions.iter().filter_map(finding).collect(),
        Err(error) => vec![Finding::new(
            "sessions",
            State::Note,
            format!("which run cannot be told: {error}"),
        )],
    }
}

/// The agents that run and are of no session that the daemon knows.
pub(super) async fn of_nobody(home: &Home, client: &Client) -> Vec<Finding> {
    let finding = |found| Finding::new("session", State::Note, found);
    let found = match unrecorded(home, client, |_| false).await {
        Ok(found) => found,
        Err(error) => return vec![finding(format!("which shims run cannot be told: {error}"))],
    };
    let told = found.iter().map(slice::from_ref).map(|one| {
        let named = unrecorded::named(one);
        finding(format!("{named} runs and is not on record")).advise(format!(
            "`coven daemon stop`, and put a log in place that has it: the next daemon takes it over; or {} hangs \
             its agent up, and what it wrote last stays in its folder in spools",
            unrecorded::end(one)
        ))
    });
    told.collect()
}

/// Those that run, each whole: a list does not say whether they can be reached.
async fn sessions(client: &Client) -> Result<Vec<SessionRecord>, Error> {
    let mut running = Vec::new();
    all_sessions::each(client, |session| {
        if matches!(session.status, Status::Running | Status::Killed) && session.ended_at.is_none()
        {
            running.push(session.id);
        }
    })
    .await?;
    let mut sessions = Vec::new();
    for id in running {
        sessions.push(client.session(&id).await?);
    }
    Ok(sessions)
}

fn finding(session: &SessionRecord) -> Option<Finding> {
    let why = ending::out_of_reach(session)?;
    let found = format!("{} is out of reach: {why}", session.id);
    Some(Finding::new("session", State::Note, found))
}
