//! Output that is damaged is let go of as all other is, and is told to be.

mod world;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use coven::clock::ManualClock;
use coven::{Engine, Event, Options, Pruned, Pruning, Retention, Seq, SessionId, Unread};
use sha2::{Digest, Sha256};
use world::{World, me, options, within};

const ALL: Retention = Retention {
    session_bytes: None,
    total_bytes: None,
    max_age: None,
};

/// What a segment has at most: noise fills it.
const SEGMENT_BYTES: u64 = 256 << 10;

/// Writes noise, which is in the log's file as it is.
fn noise(bytes: u64) -> String {
    format!("stty -echo -opost; head -c {bytes} /dev/urandom")
}

/// Another engine in the same home, in whose log a bit has turned in what these bytes begin with.
async fn damaged(world: World, wanted: &[u8], change: impl FnOnce(&mut Options)) -> World {
    damaged_in(world, &[wanted], change).await
}

/// The same with a bit of each of these.
async fn damaged_in(world: World, wanted: &[&[u8]], change: impl FnOnce(&mut Options)) -> World {
    world.engine.shutdown().await;
    let World { engine, dir } = world;
    drop(engine);
    turn_bits(&dir.path().join("home/coven.redb"), wanted);
    let mut options = options(dir.path());
    change(&mut options);
    let engine = within(Engine::open(options)).await.unwrap();
    World { engine, dir }
}

fn turn_bits(path: &Path, wanted: &[&[u8]]) {
    // One may lie in two places of the file, a part in each: not all four do.
    let parts = wanted.iter().enumerate().flat_map(|(number, wanted)| {
        let parts = wanted.chunks_exact(16).take(4);
        parts.map(move |part| (part, number))
    });
    let mut left: HashMap<&[u8], usize> = parts.collect();
    let whole = fs::read(path).unwrap();
    let mut bytes = whole.clone();
    for (at, window) in whole.windows(16).enumerate() {
        if let Some(found) = left.get(window).copied() {
            bytes[at] ^= 1;
            left.retain(|_, number| *number != found);
        }
    }
    assert!(left.is_empty(), "noise is not compressed");
    fs::write(path, bytes).unwrap();
}

/// What comes of something, in time that goes on meanwhile, a little at each turn.
async fn ticking<T>(clock: &ManualClock, work: impl Future<Output = T>) -> T {
    let ticks = async {
        loop {
            clock.advance(Duration::from_millis(1));
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        done = work => done,
        never = ticks => never,
    }
}

/// What would go, and then goes, which is the same.
async fn prune(world: &World, retention: Retention) -> Pruned {
    let asked = async |pruning| {
        let pruned = within(world.engine.prune(Some(retention), pruning, me())).await;
        let pruned = pruned.unwrap();
        assert!(pruned.failed.is_empty(), "{pruned:?}");
        pruned
    };
    let would = asked(Pruning::DryRun).await;
    let pruned = asked(Pruning::Real).await;
    assert_eq!(would.sessions, pruned.sessions);
    let again = asked(Pruning::Real).await;
    assert!(again.sessions.is_empty(), "{again:?}");
    pruned
}

/// The trims of a session, which are among its newest events: (offset, end, hash).
async fn trims(world: &World, id: &SessionId, before: Seq) -> Vec<(u64, u64, [u8; 32])> {
    let limit = coven::ReadLimit::default();
    let events = world.engine.read(id, before, limit).await.unwrap();
    let trims = events.iter().filter_map(|envelope| match envelope.event {
        Event::Trimmed {
            offset,
            len_bytes,
            sha256,
        } => Some((offset, offset + len_bytes, sha256)),
        _ => None,
    });
    trims.collect()
}

/// The one place that could not be read: from where to where.
fn unread(pruned: &Pruned) -> (u64, u64) {
    let [Unread { offset, len_bytes }] = pruned.sessions[0].unread[..] else {
        panic!("{pruned:?}");
    };
    assert!((1..=SEGMENT_BYTES).contains(&len_bytes), "{pruned:?}");
    (offset, offset + len_bytes)
}

/// Checks that what could be read has its hash, and what could not one of zeros.
fn check_hashes(trims: &[(u64, u64, [u8; 32])], whole: &[u8], unread: (u64, u64)) {
    let mut next = 0;
    for &(from, to, sha256) in trims {
        assert_eq!(from, next, "{trims:?}");
        let range = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
        let expected = if (from, to) == unread {
            [0; 32]
        } else {
            Sha256::digest(&whole[range]).into()
        };
        assert_eq!(sha256, expected, "from {from} to {to}");
        next = to;
    }
    assert!(trims.iter().any(|&(from, to, _)| (from, to) == unread));
}

#[tokio::test]
async fn all_sessions_together_keep_to_their_budget_though_a_segment_of_the_oldest_is_damaged() {
    let world = World::new().await;
    let (oldest, whole) = world.run(&noise(1_500_000)).await;
    let (second, _) = world.run(&noise(400_000)).await;
    let world = damaged(world, &whole[700_000..], |_| {}).await;
    let retention = Retention {
        total_bytes: Some(300_000),
        ..ALL
    };
    let pruned = prune(&world, retention).await;
    let went: Vec<_> = pruned.sessions.iter().map(|it| it.len_bytes).collect();
    assert_eq!(pruned.sessions.len(), 2, "{pruned:?}");
    assert!(went.contains(&1_500_000), "{pruned:?}");
    let kept = pruned.sessions.iter().map(|it| it.kept_bytes).sum::<u64>();
    assert!((200_000..=300_000).contains(&kept), "{kept}");
    let record = world.engine.get(&second.session.id).await.unwrap();
    let session = record.session;
    assert_eq!(session.output_bytes - session.trimmed_bytes, kept);

    let id = &oldest.session.id;
    let (from, to) = unread(&pruned);
    assert!(from <= 700_000 && 700_000 < to, "{from} to {to}");
    check_hashes(
        &trims(&world, id, oldest.last_seq).await,
        &whole,
        (from, to),
    );
}

#[tokio::test]
async fn where_a_session_is_to_be_cut_in_what_is_damaged_all_of_that_goes_and_no_more() {
    let world = World::new().await;
    let (record, whole) = world.run(&noise(1_500_000)).await;
    let id = record.session.id.clone();
    let world = damaged(world, &whole[700_000..], |_| {}).await;
    let retention = Retention {
        session_bytes: Some(800_000),
        ..ALL
    };
    let pruned = prune(&world, retention).await;
    let (from, to) = unread(&pruned);
    let session = world.engine.get(&id).await.unwrap().session;
    assert_eq!(session.trimmed_bytes, to);
    let trims = trims(&world, &id, record.last_seq).await;
    check_hashes(&trims, &whole, (from, to));
    let left = within(world.engine.output(&id, to, 2 << 20)).await.unwrap();
    let left: Vec<u8> = left.iter().flat_map(|it| it.data.to_vec()).collect();
    assert!(left == whole[usize::try_from(to).unwrap()..]);
}

#[tokio::test]
async fn what_is_too_old_goes_though_it_is_damaged_where_one_looks_for_its_end() {
    let clock = Arc::new(ManualClock::new());
    let with = |options: &mut Options| options.clock = Arc::clone(&clock) as _;
    let world = World::with(with).await;
    let script = format!("{}; read go; head -c 300000 /dev/urandom", noise(1_500_000));
    let id = world.launch_id(&script).await;
    let old = async {
        while world.engine.get(&id).await.unwrap().session.output_bytes < 1_500_000 {
            tokio::task::yield_now().await;
        }
    };
    within(ticking(&clock, old)).await;
    clock.advance(Duration::from_secs(3600));
    world.input(&id, "\n").await.unwrap();
    let events = ticking(&clock, world.to_the_end(&id)).await;
    let whole = world::written(&events);
    let last = events.last().unwrap().seq;
    // Halfway is where it is looked first.
    let world = damaged(world, &whole[900_000..], with).await;
    let retention = Retention {
        max_age: Some(Duration::from_secs(1800)),
        ..ALL
    };
    let pruned = prune(&world, retention).await;
    assert_eq!(pruned.sessions[0].len_bytes, 1_500_000);
    let trims = trims(&world, &id, last).await;
    check_hashes(&trims, &whole, unread(&pruned));
}

#[tokio::test]
async fn where_far_more_than_a_segment_is_damaged_what_is_before_it_goes_and_it_is_told_that_more_should()
 {
    let world = World::new().await;
    let (record, whole) = world.run(&noise(7_500_000)).await;
    let id = record.session.id.clone();
    let places: Vec<&[u8]> = (1_500_000..7_000_000)
        .step_by(5_000)
        .map(|at| &whole[at..])
        .collect();
    let world = damaged_in(world, &places, |_| {}).await;
    let retention = Retention {
        session_bytes: Some(5_500_000),
        ..ALL
    };
    let asked = async |pruning| {
        let pruned = within(world.engine.prune(Some(retention), pruning, me())).await;
        let pruned = pruned.unwrap();
        let failed: Vec<_> = pruned.failed.iter().map(|(id, _)| id.clone()).collect();
        (pruned.sessions, failed)
    };
    let would = asked(Pruning::DryRun).await;
    let (sessions, failed) = asked(Pruning::Real).await;
    assert_eq!((&sessions, &failed), (&would.0, &would.1));
    assert_eq!(failed, std::slice::from_ref(&id));
    assert_eq!(sessions[0].unread, []);
    let to = sessions[0].len_bytes;
    assert!(to <= 1_500_000 && to + SEGMENT_BYTES > 1_500_000, "{to}");
    let trims = trims(&world, &id, record.last_seq).await;
    let gone = &whole[..usize::try_from(to).unwrap()];
    assert_eq!(trims, [(0, to, Sha256::digest(gone).into())]);
    // Once all of that is too much, it goes with what comes before it.
    let retention = Retention {
        session_bytes: Some(100_000),
        ..ALL
    };
    let kept = prune(&world, retention).await.sessions[0].kept_bytes;
    assert!((30_000..=100_000).contains(&kept), "{kept}");
}

/// Turns a bit in every page of the index of output, so that the database takes none of them for a page.
fn damage_index_of_output(home: &Path) {
    let path = home.join("coven.redb");
    let mut bytes = fs::read(&path).unwrap();
    let mut damaged = 0;
    let pages = (4096..bytes.len()).step_by(4096);
    let leaves: Vec<usize> = pages
        .filter(|at| bytes[*at..].starts_with(&[1, 0]))
        .collect();
    for at in leaves {
        bytes[at] ^= 2;
        fs::write(&path, &bytes).unwrap();
        let found = coven::repair::inspect(home, &mut |_| {}).unwrap();
        let mut tables = found.problems.iter().map(|it| it.table);
        if !found.problems.is_empty() && tables.all(|table| table == Some("output")) {
            damaged += 1;
        } else {
            bytes[at] ^= 2;
        }
    }
    assert!(damaged > 0, "the index is somewhere");
    fs::write(&path, &bytes).unwrap();
}

#[tokio::test]
async fn what_is_within_its_budget_stays_though_the_index_of_output_is_damaged() {
    let world = World::new().await;
    let (record, whole) = world.run(&noise(1_500_000)).await;
    let id = record.session.id.clone();
    world.engine.shutdown().await;
    let World { engine, dir } = world;
    drop(engine);
    damage_index_of_output(&dir.path().join("home"));
    let engine = within(Engine::open(options(dir.path()))).await.unwrap();
    let world = World { engine, dir };
    let retention = Retention {
        session_bytes: Some(1_000_000),
        ..ALL
    };
    let pruned = prune(&world, retention).await;
    let (gone, kept) = (pruned.sessions[0].len_bytes, pruned.sessions[0].kept_bytes);
    assert_eq!(pruned.sessions[0].unread, []);
    assert!(
        kept <= 1_000_000 && kept + SEGMENT_BYTES > 1_000_000,
        "{kept}"
    );
    let trims = trims(&world, &id, record.last_seq).await;
    let went = &whole[..usize::try_from(gone).unwrap()];
    assert_eq!(trims, [(0, gone, Sha256::digest(went).into())]);
}

#[tokio::test]
async fn what_is_within_its_budget_stays_though_all_that_is_behind_the_cut_is_damaged() {
    let world = World::new().await;
    let (record, whole) = world.run(&noise(1_500_000)).await;
    // What was written last may have a segment of its own, however little it is.
    let end = whole.len() - 64;
    let places: Vec<&[u8]> = (700_000..1_490_000)
        .step_by(5_000)
        .chain((1_490_000..end).step_by(64))
        .chain([end])
        .map(|at| &whole[at..at + 64])
        .collect();
    let world = damaged_in(world, &places, |_| {}).await;
    let retention = Retention {
        session_bytes: Some(600_000),
        ..ALL
    };
    let pruned = within(world.engine.prune(Some(retention), Pruning::Real, me())).await;
    let pruned = pruned.unwrap();
    let failed: Vec<_> = pruned.failed.iter().map(|(id, _)| id).collect();
    assert_eq!(failed, [&record.session.id]);
    let gone = pruned.sessions[0].len_bytes;
    assert!(gone <= 700_000 && gone + SEGMENT_BYTES > 700_000, "{gone}");
}
