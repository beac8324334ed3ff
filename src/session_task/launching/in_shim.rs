//! Making a session's process by a shim.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use coven_core::{Session, SessionId};
use coven_harness::shim::{self, LaunchError, LaunchStep, NewFolder};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{Made, NoProcess, ToMake, never_ran};
use crate::on_the_way::Waypoint;
use crate::session_task::first_message;
use crate::session_task::killing::UNHEARD;
use crate::session_task::process::{Process, Shimmed};
use crate::shared::{Shared, blocking};

/// How long a shim may take to say what became of a launch, and to take the first input: on a machine
/// that launches hundreds at once it waits for its turn.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes the folder of a session's shim.
///
/// # Errors
/// Why there can be none, for people.
pub(super) async fn folder(shared: &Arc<Shared>, session: &SessionId) -> Result<NewFolder, String> {
    let (of, session) = (Arc::clone(shared), session.clone());
    let made = blocking(move || {
        of.spools.make()?;
        NewFolder::make(&of.spools.folder(&session))
    });
    let made = made
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)));
    let made = made.map_err(|error| format!("no spool can be made: {error}"))?;
    shared.on_the_way.reached(&Waypoint::FolderMade);
    Ok(made)
}

/// Removes the folder of a session that no shim is to hold.
pub(super) async fn remove(folder: NewFolder) {
    let removed = blocking(move || folder.remove()).await;
    // The next engine removes it.
    if let Err(error) | Ok(Err(error)) = removed.map_err(io::Error::other) {
        tracing::warn!(%error, "the folder of a session that never ran is left");
    }
}

/// Has a shim make it, and gives it the first input. One that takes too long, or long though the launch
/// is called off, is to be looked for.
pub(super) async fn make(
    shared: &Arc<Shared>,
    session: &Session,
    shim: (shim::Program, NewFolder),
    to_make: ToMake,
    mut called_off: watch::Receiver<bool>,
) -> Result<Made, NoProcess> {
    let too_long = async {
        let is_called_off = async {
            if called_off
                .wait_for(|is_called_off| *is_called_off)
                .await
                .is_err()
            {
                pending::<()>().await;
            }
        };
        // It is soon over, as a rule, and then known.
        if timeout(PATIENCE, is_called_off).await.is_ok() {
            sleep(UNHEARD).await;
        }
    };
    tokio::select! {
        made = make_however_long(shared, session, shim, to_make) => made,
        () = too_long => Err(NoProcess::Unknown(
            "its shim does not say what became of the launch".to_owned(),
        )),
    }
}

async fn make_however_long(
    shared: &Arc<Shared>,
    session: &Session,
    (mut program, folder): (shim::Program, NewFolder),
    to_make: ToMake,
) -> Result<Made, NoProcess> {
    let ToMake {
        spawn,
        executable,
        argv,
        first_input: first_data,
        hint,
    } = to_make;
    program.args.push(session.id.as_str().into());
    let launch = shim::Launch {
        program: &program,
        folder,
        session: &session.id,
        spawn,
        executable,
        argv,
        limit_bytes: shared.share_spools().await,
    };
    let on_the_way = |step: LaunchStep| shared.on_the_way.reached(&step.into());
    let launched = shim::launch_with(launch, &on_the_way).await;
    let child = launched.map_err(|error| match error {
        LaunchError::Spawn(error) => never_ran(&error, &hint),
        LaunchError::Lost { source } => NoProcess::Unknown(source.to_string()),
        error @ (LaunchError::Folder { .. } | LaunchError::Program { .. }) => {
            NoProcess::NeverRan(error.to_string())
        }
    })?;
    let Some(facts) = child.facts.clone() else {
        return Err(NoProcess::Unknown("its process is not known".to_owned()));
    };
    shared.on_the_way.reached(&Waypoint::ProcessMade);
    let mut first_input = first_data.map(|data| first_message::of(&session.id, data));
    if let Some(first) = &first_input {
        let (id, data) = (shim::InputId(first.id.0), first.data.clone());
        match child.control.input(id, data, first.pause).await {
            Ok(_) => first_input = None,
            // It is asked again, as with whatever is typed.
            Err(error) => {
                tracing::warn!(session = %session.id, %error, "the first message is not typed yet");
            }
        }
        shared.on_the_way.reached(&Waypoint::FirstMessageGiven);
    }
    let folder = shared.spools.folder(&session.id);
    let shimmed = Shimmed::launched(
        session,
        folder,
        child,
        shared.encounters.of(session.id.clone()),
    );
    let (process, keyboard) = Process::in_shim(facts, shimmed);
    Ok(Made {
        process,
        keyboard,
        first_input,
    })
}
