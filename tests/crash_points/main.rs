//! An engine that dies at any step of a session's way leaves it so that the next one knows what
//! became of it: never launched, lost and why, still running, or ended. Its agent ran once at most.
//!
//! This program is the engine that dies, the shims of both, and the next engine, which looks.
#![forbid(unsafe_code)]

mod door;
mod dying;
mod rebooted;
mod silent;
mod standing;
mod table;
#[path = "../world/mod.rs"]
mod world;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use coven::harness::process::kill_marked;
use coven::{Archived, Ending, Engine, Event, Exit, OrphanReason, Page, Phase, Record, SessionId};
use tokio::runtime::Runtime;

use crate::table::{Leads, MayHaveRun, Way};
use crate::world::{PATIENCE, World, within, written};

const NAME: &str = "wherever_an_engine_dies_the_next_knows_what_became_of_its_session";
const RECOVERING: &str =
    "wherever_an_engine_dies_that_takes_over_the_next_finds_what_the_first_left";
const LOST: &str = "a_shim_that_is_lost_before_it_said_what_became_of_the_launch_is_reached_again";

fn main() -> ExitCode {
    if let Some(exit) = silent::shim() {
        return exit;
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = || Runtime::new().expect("a runtime");
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [dying::WORD, dir, way, point] => {
            let way = Way::parse(way).expect("it is one");
            runtime().block_on(dying::run(Path::new(dir), way, point));
        }
        [dying::AGAIN, dir, way, point] => {
            let way = Way::parse(way).expect("it is one");
            runtime().block_on(dying::again(Path::new(dir), way, point));
        }
        ["--list", ..] => {
            let others = silent::NAMES.iter().chain(&standing::NAMES);
            let others = others.chain(&rebooted::NAMES);
            for name in [NAME, LOST, RECOVERING].iter().chain(others) {
                println!("{name}: test");
            }
        }
        _ => {
            let others = silent::NAMES.len() + standing::NAMES.len() + rebooted::NAMES.len();
            println!("\nrunning {} tests", 3 + others);
            runtime().block_on(async {
                // They wait, most of the time.
                let silent = tokio::spawn(silent::all());
                let standing = tokio::spawn(standing::all());
                a_shim_that_is_lost_before_it_said_what_became_of_the_launch_is_reached_again()
                    .await;
                wherever_an_engine_dies_the_next_knows_what_became_of_its_session().await;
                wherever_an_engine_dies_that_takes_over_the_next_finds_what_the_first_left().await;
                rebooted::all().await;
                standing.await.expect("they hold");
                silent.await.expect("they hold");
            });
        }
    }
    ExitCode::SUCCESS
}

async fn wherever_an_engine_dies_the_next_knows_what_became_of_its_session() {
    let mut tried = 0;
    for way in Way::ALL {
        let table = table::of(way);
        // One that dies nowhere passes by every point that there is, and by no other.
        let (dir, passed) = dying::engine(way, None);
        let named: BTreeSet<_> = table.iter().map(|(point, _)| (*point).to_owned()).collect();
        assert_eq!(
            passed.into_iter().collect::<BTreeSet<_>>(),
            named,
            "{way:?}"
        );
        drop(dir);
        for (point, leads) in table {
            let (dir, passed) = dying::engine(way, Some(point));
            assert_eq!(passed.last().map(String::as_str), Some(point), "{way:?}");
            look(dir, way, leads)
                .await
                .unwrap_or_else(|found| panic!("{way:?}, {point}: {found}"));
            tried += 1;
        }
    }
    println!("test {NAME} ... ok ({tried} deaths)");
}

/// The engine that takes over dies as well, on its way there or soon after.
async fn wherever_an_engine_dies_that_takes_over_the_next_finds_what_the_first_left() {
    let lost = Leads::Lost(OrphanReason::EngineDied, MayHaveRun::Perhaps);
    let never = Leads::Lost(OrphanReason::LaunchInterrupted, MayHaveRun::Never);
    let mut tried = 0;
    for (way, first, seconds, leads) in [
        (
            Way::Here,
            "BeforeSpawn",
            &["Recovering", "LossRecorded"][..],
            never,
        ),
        (Way::Shim, "FolderMade", &["Recovering"], Leads::Nowhere),
        (
            Way::Shim,
            "BeforeSpawn",
            &["Recovering", "TakenOver"],
            Leads::NeverRan,
        ),
        (
            Way::Shim,
            "ProcessMade",
            &["Recovering", "TakenOver", "StartRecorded"],
            Leads::On,
        ),
        (
            Way::Shim,
            "ExitHeard",
            &["TakenOver", "ExitHeard", "EndRecorded"],
            Leads::Ended,
        ),
        (
            Way::KilledInShim,
            "KillRecorded",
            &[
                "Recovering",
                "TakenOver",
                "KillDone",
                "EndRecorded",
                "Dismissed",
            ],
            Leads::Killed,
        ),
        (
            Way::Here,
            "StartRecorded",
            &["Recovering", "LossRecorded"],
            lost,
        ),
        (
            Way::KilledHere,
            "KillRecorded",
            &["Recovering", "LossRecorded"],
            Leads::Killed,
        ),
    ] {
        for second in seconds {
            let (dir, _) = dying::engine(way, Some(first));
            dying::next_engine(dir.path(), way, second);
            look(dir, way, leads)
                .await
                .unwrap_or_else(|found| panic!("{way:?}, {first}, {second}: {found}"));
            tried += 1;
        }
    }
    println!("test {RECOVERING} ... ok ({tried} deaths)");
}

/// The connection is lost between the shim's greeting and its first record, as when the shim is
/// stopped for a while or another engine comes: its agent lives, and is not ended.
async fn a_shim_that_is_lost_before_it_said_what_became_of_the_launch_is_reached_again() {
    let (dir, _) = dying::engine(Way::Shim, Some("ProcessMade"));
    let door = door::hanging_up_once(&dir.path().join("home/spools"));
    look(dir, Way::Shim, Leads::On)
        .await
        .unwrap_or_else(|found| panic!("{found}"));
    door.join().expect("it was hung up on once");
    println!("test {LOST} ... ok");
}

/// The next engine finds what this death leads to, and nothing is left of the session at its end.
async fn look(dir: tempfile::TempDir, way: Way, leads: Leads) -> Result<(), String> {
    let world = next(dir, way).await?;
    found(&world, way, leads).await?;
    within(world.engine.shutdown()).await;
    Ok(())
}

/// The next engine.
async fn next(dir: tempfile::TempDir, way: Way) -> Result<World, String> {
    let engine = Engine::open(dying::options(dir.path(), way)).await;
    let engine = engine.map_err(|error| error.to_string())?;
    Ok(World { engine, dir })
}

/// What it found is what this death leads to, and nothing is left of the session at its end.
async fn found(world: &World, way: Way, leads: Leads) -> Result<(), String> {
    let all = Page {
        before: None,
        limit: 2,
        archived: Archived::Included,
    };
    let listed = within(world.engine.list(all)).await;
    let records = listed.map_err(|error| error.to_string())?.records;
    match (&records[..], leads) {
        ([], Leads::Nowhere) => no_folder_is_left(world)?,
        ([record], leads) if leads != Leads::Nowhere => {
            session(world, record, way, leads).await?;
            nothing_is_left(world, &record.session.id).await?;
        }
        _ => return Err(format!("there are {} sessions", records.len())),
    }
    let runs = runs(world);
    if !leads.runs().contains(&runs) {
        return Err(format!("its agent ran {runs} times"));
    }
    Ok(())
}

/// The session, which was found like this when the engine was open, is what it should be, to its
/// end.
async fn session(world: &World, found: &Record, way: Way, leads: Leads) -> Result<(), String> {
    let id = &found.session.id;
    let phase = &found.session.phase;
    let lost_for = |wanted| {
        let is_lost = *phase == (Phase::Orphaned { reason: wanted });
        is_lost.then_some(()).ok_or(format!("it is {phase:?}"))
    };
    match leads {
        Leads::Nowhere => Ok(()),
        Leads::Lost(reason, _) => lost_for(reason),
        Leads::Ended if phase.has_ended() => has_ended_well(world, id).await,
        Leads::Ended => Err(format!("it is {phase:?}")),
        Leads::Ends => has_ended_well(world, id).await,
        Leads::NeverRan => never_ran(phase),
        Leads::OnOrNeverRan if phase.has_ended() => never_ran(phase),
        Leads::OnOrKilled if !matches!(phase, Phase::Running { .. }) => was_killed(world, id).await,
        Leads::Killed => was_killed(world, id).await,
        Leads::KilledOrLost(reason) => match lost_for(reason) {
            Ok(()) => Ok(()),
            Err(_) => was_killed(world, id).await,
        },
        Leads::KilledOrEnded => match was_killed(world, id).await {
            Ok(()) => Ok(()),
            Err(_) => was_signalled(world, id).await,
        },
        Leads::On | Leads::OnOrNeverRan | Leads::OnOrKilled => {
            let is_started = |event: &Event| matches!(event, Event::Started { .. });
            world.until_event(id, is_started).await;
            let goes = dying::go(&world.engine, world.dir.path(), way, id).await;
            goes.map_err(|error| format!("it takes no input: {error}"))?;
            has_ended_well(world, id).await
        }
    }
}

fn never_ran(phase: &Phase) -> Result<(), String> {
    match phase {
        Phase::Ended {
            ending: Ending::NeverStarted { .. },
        } => Ok(()),
        other => Err(format!("it is {other:?}")),
    }
}

/// It is over, or soon will be, as one that was killed.
async fn was_killed(world: &World, id: &SessionId) -> Result<(), String> {
    match at_the_end(world, id).await? {
        Phase::Ended {
            ending: Ending::Killed { .. },
        } => Ok(()),
        other => Err(format!("it is {other:?}")),
    }
}

/// It has ended by a signal of which nobody knows who sent it.
async fn was_signalled(world: &World, id: &SessionId) -> Result<(), String> {
    match at_the_end(world, id).await? {
        Phase::Ended {
            ending: Ending::Exited {
                exit: Exit::Signal { .. },
            },
        } => Ok(()),
        other => Err(format!("it is {other:?}")),
    }
}

async fn at_the_end(world: &World, id: &SessionId) -> Result<Phase, String> {
    world.to_the_end(id).await;
    let record = world.engine.get(id).await;
    let record = record.map_err(|error| error.to_string())?;
    Ok(record.session.phase.clone())
}

/// It ends, or has ended, as it does when nobody dies, and was typed everything once.
async fn has_ended_well(world: &World, id: &SessionId) -> Result<(), String> {
    let events = world.to_the_end(id).await;
    let phase = at_the_end(world, id).await?;
    if phase.exit_code() != Some(7) {
        return Err(format!("it is {phase:?}"));
    }
    let said = String::from_utf8_lossy(&written(&events)).into_owned();
    let mut took = said.lines().filter(|line| line.starts_with("took "));
    match (took.next(), took.next()) {
        (Some(last), None) if last.contains("go") => Ok(()),
        _ => Err(format!("it wrote {said:?}")),
    }
}

/// No folder of a launch that came to nothing is left, from the moment on that the engine serves.
fn no_folder_is_left(world: &World) -> Result<(), String> {
    let spools = world.dir.path().join("home/spools");
    match std::fs::read_dir(spools).map_or(0, Iterator::count) {
        0 => Ok(()),
        folders => Err(format!("{folders} spools are left")),
    }
}

/// No process of it, no shim and no spool is left, or comes to be.
async fn nothing_is_left(world: &World, id: &SessionId) -> Result<(), String> {
    let spools = world.dir.path().join("home/spools");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let folders = std::fs::read_dir(&spools).map_or(0, Iterator::count);
        let shims = dying::shims_of(id).len();
        if folders == 0 && shims == 0 {
            break;
        }
        if Instant::now() > deadline {
            return Err(format!("{folders} spools and {shims} shims are left"));
        }
        tokio::task::yield_now().await;
    }
    let killed = kill_marked(id, std::time::Duration::ZERO).await;
    let killed = killed.map_err(|error| error.to_string())?;
    let left = [killed.ended, killed.forced, killed.survivors].concat();
    if left.is_empty() {
        Ok(())
    } else {
        Err(format!("it runs on as {left:?}"))
    }
}

/// How often the session's agent has run.
fn runs(world: &World) -> usize {
    let told = std::fs::read_to_string(world.path("ran")).unwrap_or_default();
    told.lines().count()
}
