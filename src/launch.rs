//! `Engine::launch`: a request becomes a session's task.
//!
//! All that can be checked is checked before anything is written. From then on the task owns the
//! launch, whether or not anybody still waits for it.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use coven_core::{
    Actor, ConversationId, ConversationMode, Draft, HarnessId, Launch, LaunchRequest, Origin,
    Refusal, SessionId,
};
use coven_harness::environment::{Environment, login_path, lookup, search_path};
use coven_harness::process::Spawn;
use coven_harness::{CannotRun, ConversationPlan, Harness};
use uuid::Uuid;

use crate::options::Waypoint;
use crate::session_task::{self, Accepted, Run};
use crate::shared::{Shared, blocking};
use crate::{Error, Record, place};

pub(crate) async fn launch(
    shared: &Arc<Shared>,
    mut request: LaunchRequest,
    by: Actor,
) -> Result<Record, Error> {
    shared.refuse_when_shutting_down()?;
    let draft = Draft::parse(&request)?;
    let harness = harness(shared, &draft.harness)?;
    let on_the_way = shared.on_the_way.clone();
    let held = blocking(move || {
        let held = place::hold(&draft, || on_the_way.reached(&Waypoint::PlaceChecked));
        held.map(|held| (held, draft))
    });
    let (held, draft) = held.await??;
    let launch = draft.at(held.place);
    let conversation = conversation(shared, &launch).await?;
    let id = new_id();
    let run = match harness.command(&launch, &conversation) {
        Err(CannotRun::Refused(refusal)) => return Err(refusal.into()),
        Err(CannotRun::Unsupported { reason }) => Err(reason),
        Ok(command) => {
            let environment = match request.env.take() {
                Some(theirs) => theirs.into_iter().collect(),
                None => own_environment(shared).await,
            };
            let program = find(&harness, &environment).await?;
            let directory = Path::new(launch.place.cwd());
            program.map(|program| Run {
                spawn: Spawn {
                    program,
                    args: command.arguments().map(Into::into).collect(),
                    environment: environment.for_session(&id, directory, command.environment()),
                    directory: held.directory,
                    wiring: command.wiring().at(launch.size),
                    open_files: shared.open_files,
                },
                command,
            })
        }
    };
    let accepted = Accepted {
        id,
        launch,
        by,
        harness,
        run,
    };
    let launched = session_task::start(Arc::clone(shared), accepted).await;
    launched.unwrap_or_else(|_| Err(Error::internal(&"the session's task ended early")))
}

/// Ordered by time within one process; order in the log comes from `Seq` alone.
fn new_id() -> SessionId {
    SessionId::parse(&Uuid::now_v7().to_string()).expect("a UUID is an id")
}

fn harness(shared: &Shared, id: &HarnessId) -> Result<Arc<dyn Harness>, Refusal> {
    let found = shared.registry.get(id).cloned();
    found.ok_or_else(|| {
        let known: Vec<_> = shared
            .registry
            .iter()
            .map(|one| one.about().id.as_str())
            .collect();
        let problem = format!("is not one of {}", known.join(", "));
        Refusal::invalid("harness", id.as_str(), problem)
    })
}

/// Which conversation to begin or to go on with, in the harness's own terms.
async fn conversation(shared: &Shared, launch: &Launch) -> Result<ConversationPlan, Error> {
    let fresh = Uuid::new_v4();
    match (&launch.conversation, &launch.continues) {
        // A launch has one of the two at most.
        (Some(asked), _) => {
            let known = match asked.mode {
                ConversationMode::Init => None,
                ConversationMode::Resume => known(shared, &launch.harness, &asked.id).await?,
            };
            Ok(ConversationPlan::new(Some(asked), fresh, known))
        }
        (None, Some(session)) => {
            let id = continued(shared, &launch.harness, session).await?;
            Ok(ConversationPlan::Resume { id })
        }
        (None, None) => Ok(ConversationPlan::new(None, fresh, None)),
    }
}

/// What the harness calls the conversation that a caller began under `id`.
async fn known(
    shared: &Shared,
    harness: &HarnessId,
    id: &ConversationId,
) -> Result<Option<ConversationId>, Error> {
    let (harness, id) = (harness.clone(), id.clone());
    let record = shared.read(move |store| {
        let session = store.by_conversation(&harness, id.as_str())?;
        session.map_or(Ok(None), |session| store.record(&session))
    });
    Ok(record.await?.and_then(|record| identity(&record)))
}

/// The conversation of an earlier session of the same harness.
async fn continued(
    shared: &Shared,
    harness: &HarnessId,
    session: &SessionId,
) -> Result<ConversationId, Error> {
    let refuse = |problem: &str| Refusal::invalid("continues", session.as_str(), problem);
    let record = match shared.record(session).await {
        Err(Error::Refused(_)) => return Err(refuse("is no session").into()),
        record => record?,
    };
    if record.session.harness != *harness {
        return Err(refuse("is a session of another harness").into());
    }
    identity(&record).ok_or_else(|| refuse("has no conversation that is known").into())
}

fn identity(record: &Record) -> Option<ConversationId> {
    match &record.session.origin {
        Origin::Launched { identity, .. } => identity.clone(),
        Origin::External { .. } => None,
    }
}

/// This process's environment, its PATH led by the one that the user has in a login shell: whoever
/// started a daemon may have had another.
pub(crate) async fn own_environment(shared: &Shared) -> Environment {
    let mut environment = Environment::of_this_process();
    let path = shared
        .login_path
        .get_or_init(|| login_path(&environment, shared.open_files));
    if let Some(login) = path.await {
        let own = environment.get("PATH").unwrap_or(OsStr::new(""));
        let path = search_path(login, own);
        environment.set("PATH", path);
    }
    environment
}

/// The executable, from the PATH of the launch; or why there is none, and what to do.
async fn find(
    harness: &Arc<dyn Harness>,
    environment: &Environment,
) -> Result<Result<std::path::PathBuf, String>, Error> {
    let path = environment.get("PATH").unwrap_or(OsStr::new("")).to_owned();
    let about = harness.about();
    let wanted = about.executable.clone();
    let found = blocking(move || lookup(wanted, &path)).await?;
    Ok(found.ok_or_else(|| {
        format!(
            "{} is not installed: there is no executable {} in the launch's PATH. {}",
            about.label, about.executable, about.install_hint
        )
    }))
}
