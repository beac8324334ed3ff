//! Disks that take no writes. A full one: nothing is lost, reads go on, a kill works, and all
//! resumes by itself. A read-only one at the start: a clear refusal.

#[path = "shared/not_run.rs"]
mod not_run;
#[path = "shared/small_disk.rs"]
mod small_disk;
mod world;

use std::fs;
use std::path::Path;
use std::time::Duration;

use coven::{
    Code, Engine, Error, Event, EventKind, OpenError, Options, Pruning, Retention, Seq, SessionId,
    Status, Unavailable, WriterState,
};
use tokio::runtime::Runtime;
use world::{Held, World, kinds, me, noise, options, request, within, written};

/// Bytes of the disk, and of the file that takes up most of it.
const DISK_BYTES: usize = 96 << 20;
const FILLER_BYTES: usize = 72 << 20;

/// What an agent writes: more than fits beside the filler.
const NOISE_BYTES: usize = 16 << 20;

/// How often another one writes to each of its two pipes.
const TURNS: usize = 50_000;

#[test]
fn a_full_disk_loses_nothing_and_all_resumes_when_there_is_room() {
    let name = "a_full_disk_loses_nothing_and_all_resumes_when_there_is_room";
    if let Some(disk) = small_disk::of_its_own(name, DISK_BYTES) {
        Runtime::new().unwrap().block_on(on_a_full_disk(&disk));
    }
}

#[test]
fn an_agent_that_filled_the_disk_is_killed_and_its_end_recorded_there() {
    let name = "an_agent_that_filled_the_disk_is_killed_and_its_end_recorded_there";
    if let Some(disk) = small_disk::of_its_own(name, DISK_BYTES) {
        Runtime::new().unwrap().block_on(filled_and_killed(&disk));
    }
}

#[test]
fn an_agent_that_filled_the_disk_goes_on_in_what_is_pruned() {
    let name = "an_agent_that_filled_the_disk_goes_on_in_what_is_pruned";
    if let Some(disk) = small_disk::of_its_own(name, DISK_BYTES) {
        Runtime::new().unwrap().block_on(filled_and_pruned(&disk));
    }
}

#[test]
fn an_engine_that_ends_on_a_full_disk_records_what_its_agents_wrote_and_their_end() {
    let name = "an_engine_that_ends_on_a_full_disk_records_what_its_agents_wrote_and_their_end";
    if let Some(disk) = small_disk::of_its_own(name, DISK_BYTES) {
        Runtime::new().unwrap().block_on(filled_and_ended(&disk));
    }
}

#[test]
fn a_home_on_a_read_only_disk_is_refused() {
    let name = "a_home_on_a_read_only_disk_is_refused";
    if let Some(disk) = small_disk::of_its_own(name, DISK_BYTES) {
        Runtime::new().unwrap().block_on(on_a_read_only_disk(&disk));
    }
}

/// A world whose home is on a small disk, and an agent there that has filled it and goes on.
async fn filled(disk: &Path) -> (World, SessionId) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("project")).unwrap();
    let mut options = options(dir.path());
    options.home = disk.join("home");
    // Long enough to write more than is kept for its end.
    options.grace = Duration::from_secs(3);
    let engine = Engine::open(options).await.unwrap();
    let world = World { engine, dir };
    fs::write(disk.join("filler"), vec![1; FILLER_BYTES]).unwrap();
    // It cannot be compressed to nothing, and does not end for being asked to. It is one process: of several
    // one may write on behind the half of a line at which another was killed.
    let flood = "trap '' TERM HUP; exec base64 -w 76 /dev/urandom";
    let flood = world.launch_id(flood).await;
    until_health(&world.engine, WriterState::Failed).await;
    (world, flood)
}

async fn filled_and_killed(disk: &Path) {
    let (world, flood) = filled(disk).await;
    within(world.engine.kill(&flood, me())).await.unwrap();
    let events = world.to_the_end(&flood).await;
    assert_eq!(kinds(&events).last(), Some(&EventKind::Exited));
    let health = world.engine.health().store;
    assert_eq!(health.state, WriterState::Failed, "the disk is full still");
    assert_is_whole(&written(&events));
}

async fn filled_and_pruned(disk: &Path) {
    let (world, flood) = filled(disk).await;
    let nothing = Retention {
        total_bytes: Some(0),
        ..Retention::default()
    };
    for _ in 0..3 {
        until_health(&world.engine, WriterState::Failed).await;
        let pruned = world.engine.prune(Some(nothing), Pruning::Real, me());
        let pruned = within(pruned).await.unwrap();
        assert!(pruned.failed.is_empty(), "{pruned:?}");
        let written = pruned.sessions[0].offset + pruned.sessions[0].len_bytes;
        within(async {
            while world.engine.get(&flood).await.unwrap().session.output_bytes < written + (1 << 20)
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
    within(world.engine.kill(&flood, me())).await.unwrap();
    let events = world.to_the_end(&flood).await;
    assert_eq!(kinds(&events).last(), Some(&EventKind::Exited));
}

async fn filled_and_ended(disk: &Path) {
    let (world, flood) = filled(disk).await;
    within(world.engine.shutdown()).await;
    let World { engine, dir } = world;
    drop(engine);
    fs::remove_file(disk.join("filler")).unwrap();
    let mut options = options(dir.path());
    options.home = disk.join("home");
    let engine = Engine::open(options).await.unwrap();
    let world = World { engine, dir };
    let record = within(world.engine.get(&flood)).await.unwrap();
    assert_eq!(record.session.status(), Status::Killed);
    assert_is_whole(&written(&world.to_the_end(&flood).await));
}

/// It has every line, and the last one as far as it came.
fn assert_is_whole(written: &[u8]) {
    assert!(written.len() > 1 << 20, "{}", written.len());
    let mut lines = written.split(|&byte| byte == b'\n').rev();
    lines.next();
    assert!(lines.all(|line| line.len() <= 77 && line.ends_with(b"\r")));
}

async fn on_a_read_only_disk(disk: &Path) {
    let old = disk.join("old");
    let engine = Engine::open(Options::at(&old)).await.unwrap();
    engine.shutdown().await;
    drop(engine);
    small_disk::remount(disk, "ro");
    for home in [old, disk.join("new")] {
        match Engine::open(Options::at(&home)).await {
            Err(error @ OpenError::ReadOnly { .. }) => {
                assert!(
                    error.to_string().contains("cannot be written to"),
                    "{error}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn on_a_full_disk(disk: &Path) {
    // The project is elsewhere: only the home is full.
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("project")).unwrap();
    let mut options = options(dir.path());
    options.home = disk.join("home");
    let engine = Engine::open(options).await.unwrap();
    let world = World { engine, dir };
    let noise = noise(3, NOISE_BYTES);
    fs::write(world.path("noise"), &noise).unwrap();
    let idle = world.launch_id("echo pid $$; exec sleep 1000").await;
    let said = world.until(&idle, "\n").await;
    let pid: u32 = said.trim().strip_prefix("pid ").unwrap().parse().unwrap();
    let process = Held::open(pid);
    let turns = world.launch_in("stream", &in_turns()).await;
    fs::write(disk.join("filler"), vec![1; FILLER_BYTES]).unwrap();

    let flood = world.launch_id("stty raw -echo; cat noise").await;
    until_health(&world.engine, WriterState::Failed).await;
    let health = world.engine.health().store;
    assert!(health.last_error.unwrap().contains("full"));

    fs::write(world.path("go"), "").unwrap();

    // What people ask for is refused, and says why; what is on record can be read.
    let launched = world.engine.launch(request(&world.project(), "true"), me());
    let refused = within(launched).await.unwrap_err();
    assert_eq!(refused.code(), Code::RuntimeUnavailable);
    let reason = Unavailable::DiskFull;
    assert!(matches!(refused, Error::Unavailable { reason: told } if told == reason));
    let refused = world.input(&idle, "x").await.unwrap_err();
    assert!(matches!(refused, Error::Unavailable { reason: told } if told == reason));
    assert_eq!(
        within(world.engine.get(&flood))
            .await
            .unwrap()
            .session
            .status(),
        Status::Running
    );
    let read = within(world.engine.output(&flood, 0, 1 << 20))
        .await
        .unwrap();
    let read: Vec<u8> = read.iter().flat_map(|chunk| chunk.data.to_vec()).collect();
    assert!(!read.is_empty() && noise.starts_with(&read));

    // The agent can be stopped all the same.
    within(world.engine.kill(&idle, me())).await.unwrap();
    let refused = within(world.engine.kill(&idle, me())).await.unwrap_err();
    assert_eq!(refused.code(), Code::SessionNotLive, "it is killed once");
    process.ended().await;

    fs::remove_file(disk.join("filler")).unwrap();
    let events = world.to_the_end(&flood).await;
    assert!(written(&events) == noise, "output was lost");
    let events = world.to_the_end(&turns).await;
    assert_eq!(written(&events).len(), 2 * TURNS);
    assert_eq!(kinds(&events).last(), Some(&EventKind::Exited));
    let killed = kinds(&world.to_the_end(&idle).await);
    let place = |kind| killed.iter().position(|of| *of == kind).unwrap();
    assert!(place(EventKind::KillRequested) < place(EventKind::Exited));
    let kills = killed.iter().filter(|of| **of == EventKind::KillRequested);
    assert_eq!(kills.count(), 1);
    until_health(&world.engine, WriterState::Healthy).await;
    let id = world.launch_id("echo again").await;
    assert_eq!(written(&world.to_the_end(&id).await), b"again\r\n");
    let mut all = world.engine.follow_all(Some(Seq::ZERO));
    let mut last = Seq::ZERO;
    while last < world.engine.last_seq() {
        for envelope in within(all.next()).await.unwrap().unwrap() {
            assert!(envelope.seq > last);
            last = envelope.seq;
            if let Event::Orphaned { .. } = envelope.event {
                panic!("no session was lost");
            }
        }
    }
}

/// An agent that writes to one pipe and the other in turns, a byte each, once there is `go`.
fn in_turns() -> String {
    format!(
        "until [ -e go ]; do sleep 0.01; done; \
         i=0; while [ $i -lt {TURNS} ]; do printf o; printf e >&2; i=$((i + 1)); done"
    )
}

/// Nothing wakes for a change of health: it is looked at, as those who watch it do.
async fn until_health(engine: &Engine, wanted: WriterState) {
    within(async {
        while engine.health().store.state != wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
