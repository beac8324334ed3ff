//! `Engine::launch`: a request becomes a session's task.
//!
//! All that can be checked is checked before anything is written. From then on the task owns the
//! launch, whether or not anybody still waits for it.

mod turns;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coven_core::{
    Actor, ConversationId, ConversationMode, Draft, HarnessId, IdempotencyKey, Launch,
    LaunchRequest, Origin, Refusal, SessionId,
};
use coven_harness::environment::{Environment, login_path, lookup, search_path};
use coven_harness::process::Spawn;
use coven_harness::{CannotRun, ConversationPlan, Harness};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::engine::Registered;
use crate::on_the_way::Waypoint;
use crate::session_task::{self, Accepted, Run};
use crate::shared::{Shared, blocking};
use crate::{Error, Record, place};

pub(crate) use turns::KeyedLaunches;
use turns::Turn;

pub(crate) async fn launch(
    shared: &Arc<Shared>,
    mut request: LaunchRequest,
    by: Actor,
) -> Result<(Registered, Record), Error> {
    shared.refuse_when_shutting_down()?;
    let draft = Draft::parse(&request)?;
    let harness = harness(shared, &draft.harness)?;
    let (launch, directory) = placed(shared, draft).await?;
    let conversation = conversation(shared, &launch).await?;
    let (id, turn) = match under(shared, &launch).await? {
        Known::Made(record) => return Ok((Registered::Again, *record)),
        Known::Free { id, turn } => (id, turn),
    };
    let run = match harness.command(&launch, &conversation) {
        Err(CannotRun::Refused(refusal)) => return Err(refusal.into()),
        Err(CannotRun::Unsupported { reason }) => Err(reason),
        Ok(command) => {
            let environment = environment(shared, request.env.take()).await;
            let program = find(&harness, &environment).await?;
            let cwd = Path::new(launch.place.cwd());
            program.map(|program| Run {
                spawn: Spawn {
                    program,
                    args: command.arguments().map(Into::into).collect(),
                    environment: environment.for_session(&id, cwd, command.environment()),
                    directory,
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
    let record = carry_out(shared, accepted, turn).await?;
    Ok((Registered::New, record))
}

/// Finds the place of a launch, and holds its working directory open.
async fn placed(shared: &Shared, draft: Draft) -> Result<(Launch, OwnedFd), Error> {
    let on_the_way = shared.on_the_way.clone();
    let held = blocking(move || {
        let held = place::hold(&draft, || on_the_way.reached(&Waypoint::PlaceChecked));
        held.map(|held| (draft.at(held.place), held.directory))
    });
    Ok(held.await??)
}

/// Has the session's task launch it, and waits until it runs or provably never will.
async fn carry_out(
    shared: &Arc<Shared>,
    accepted: Accepted,
    turn: Option<Turn>,
) -> Result<Record, Error> {
    let launched = session_task::start(Arc::clone(shared), accepted);
    let launched = match turn {
        None => launched.await,
        // It keeps its turn though whoever asked has left.
        Some(turn) => tokio::spawn(async move {
            let launched = launched.await;
            drop(turn);
            launched
        })
        .await
        .map_err(|error| Error::internal(&error))?,
    };
    launched.unwrap_or_else(|_| Err(Error::internal(&"the session's task ended early")))
}

/// What is known of a launch under the key that it may have.
enum Known {
    /// The session that the same launch made before.
    Made(Box<Record>),
    /// There is none.
    Free {
        /// That of the session that is launched.
        id: SessionId,
        /// To be kept until that is on record, where it has a key.
        turn: Option<Turn>,
    },
}

/// What is known of a launch. The key of a session that was deleted is free again, for a session with
/// another id: what is left of the old one's processes, if anything, bears the old one's mark.
///
/// # Errors
/// [`Refusal::IdConflict`] where its key is of another launch.
async fn under(shared: &Shared, launch: &Launch) -> Result<Known, Error> {
    let Some(key) = launch.idempotency_key.clone() else {
        let (id, turn) = (new_id(), None);
        return Ok(Known::Free { id, turn });
    };
    let log = shared.store.id();
    let turn = shared.keyed_launches.turn(id_of(log, &key, 0)).await;
    let found = shared.read(move |store| {
        let mut ids = (0..).map(|deleted| id_of(log, &key, deleted));
        loop {
            let id = ids.next().expect("there is no last one");
            if let Some(record) = store.record(&id)? {
                let launch = store.launch(&id)?;
                return Ok((id, Some((record, launch))));
            }
            if !store.was_deleted(&id)? {
                return Ok((id, None));
            }
        }
    });
    let turn = Some(turn);
    match found.await? {
        (id, None) => Ok(Known::Free { id, turn }),
        (_, Some((record, Some(made)))) if made == *launch => Ok(Known::Made(Box::new(record))),
        (session, Some(_)) => Err(Refusal::IdConflict { session }.into()),
    }
}

/// The id of the session that is launched into a log under a key, of which so many were deleted: the same
/// each time, so that the log itself has it once. It is no other log's: processes are known by the id of
/// their session, and those of another home are not ours to end.
fn id_of(log: [u8; 16], key: &IdempotencyKey, deleted: u32) -> SessionId {
    let mut hash = Sha256::new();
    hash.update(log);
    hash.update(key.as_str());
    if deleted > 0 {
        // No key has this byte.
        hash.update(format!("\0{deleted}"));
    }
    let hash = hash.finalize();
    let uuid = Builder::from_custom_bytes(std::array::from_fn(|at| hash[at])).into_uuid();
    SessionId::parse(&uuid.to_string()).expect("a UUID is an id")
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

/// The environment of a launch: what it says, or else this process's own.
async fn environment(shared: &Shared, theirs: Option<BTreeMap<String, String>>) -> Environment {
    match theirs {
        Some(theirs) => theirs.into_iter().collect(),
        None => own_environment(shared).await,
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
) -> Result<Result<PathBuf, String>, Error> {
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
