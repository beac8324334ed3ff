//! What a shim's death leaves, wherever it comes.

use coven_core::Exit;
use coven_harness::process::{SpawnError, is_running, kill_marked};
use coven_harness::shim::frame::{Decoder, OVERHEAD_BYTES};
use coven_harness::shim::{self, Damage, Found, LaunchError, Record};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

use crate::process::Process;
use crate::support::{in_terminal, within};
use crate::world::{LIMIT_BYTES, Left, Told, World, enter, program};

#[tokio::test]
async fn a_shim_that_is_killed_hangs_its_process_up_and_leaves_a_spool_that_can_be_read() {
    let world = World::new();
    let (mut child, mut told) = world.ready("echo ready; sleep 300").await;
    let facts = child.facts.clone().unwrap();
    assert!(matches!(shim::look(&world.folder).unwrap(), Found::Alive));
    world.shim(&child).kill().await;
    while within(told.next(&mut child.records)).await.is_ok() {}
    let remains = world.remains().await;
    let left = Left::of(&remains);
    assert_eq!(left.started().as_ref(), Some(&facts));
    assert!(!left.is_over(), "{left:?}");
    let head = left.head.unwrap();
    assert_eq!(
        (head.shim_pid, head.session),
        (facts.shim_pid.unwrap(), world.session.to_string())
    );
    let mut again = Told::default();
    for recorded in remains.records().unwrap() {
        again.add(recorded.unwrap());
    }
    assert_eq!((again.output, again.last), (told.output, told.last));
    within(async {
        while is_running(&facts) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    remains.remove().unwrap();
    assert!(!world.folder.exists());
}

#[tokio::test]
async fn wherever_a_shim_dies_on_its_way_to_the_start_a_scan_tells_what_became_of_the_session() {
    // Without a part there was no process; without a record there may have been one.
    let fates = [
        ("Begun", false, false),
        ("Locked", false, false),
        ("SpoolMade", true, false),
        ("Listening", true, false),
        ("Made", true, false),
        ("Spawned", true, false),
        ("Started", true, true),
    ];
    for (waypoint, has_part, has_started) in fates {
        let world = World::new();
        let until = format!("until={waypoint}");
        let spawn = world.spawn("echo ready; read x", in_terminal());
        let launched = world.launch(program(&[&until]), spawn, LIMIT_BYTES).await;
        assert!(
            matches!(launched, Err(LaunchError::Lost { .. })),
            "{waypoint}: {launched:?}"
        );
        let remains = world.remains().await;
        let left = Left::of(&remains);
        assert_eq!(remains.has_part, has_part, "{waypoint}");
        assert_eq!(left.head.is_some(), has_part, "{waypoint}");
        assert_eq!(left.started().is_some(), has_started, "{waypoint}");
        assert!(left.damage.is_none() && !left.is_over(), "{waypoint}");
        remains.remove().unwrap();
        assert!(!world.folder.exists(), "{waypoint}");
        // A process that was made is hung up, and one that hides from that bears the mark.
        let grace = std::time::Duration::from_secs(5);
        let marked = kill_marked(&world.session, grace);
        assert!(
            within(marked).await.unwrap().survivors.is_empty(),
            "{waypoint}"
        );
    }
}

#[tokio::test]
async fn of_what_a_shim_made_and_cannot_hold_it_does_not_say_that_it_never_ran() {
    let world = World::new();
    let left = world.folder.with_file_name("left");
    let leaves = format!("setsid sh -c 'echo > {}; exec sleep 300'", left.display());
    let spawn = world.spawn(&leaves, in_terminal());
    let launching = world.launch(program(&["stop=Made"]), spawn, LIMIT_BYTES);
    let blinding = async {
        let shim = within(Process::stopped(world.session.as_str())).await;
        within(async {
            while !left.exists() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        // It can look at its process no more.
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        let pid = Pid::from_raw(shim.pid.cast_signed());
        prlimit(pid, Resource::Nofile, none).unwrap();
        shim.signal(Signal::CONT);
    };
    let (launched, ()) = tokio::join!(launching, blinding);
    assert!(
        matches!(launched, Err(LaunchError::Lost { .. })),
        "{launched:?}"
    );
    let remains = world.remains().await;
    let left = Left::of(&remains);
    assert!(remains.has_part && left.records.is_empty(), "{left:?}");
    // What left its group runs on, until who finds that ends it.
    let grace = std::time::Duration::from_secs(5);
    let killed = within(kill_marked(&world.session, grace)).await.unwrap();
    assert_eq!(killed.ended.len(), 1, "{killed:?}");
    assert!(killed.survivors.is_empty(), "{killed:?}");
}

#[tokio::test]
async fn a_shim_that_dies_around_the_exit_leaves_it_on_record_or_says_that_it_is_lost() {
    for (waypoint, exit) in [
        ("ExitSeen", None),
        ("ExitRecorded", Some(Exit::Code { code: 7 })),
    ] {
        let world = World::new();
        let until = format!("until={waypoint}");
        // It waits until its launch was told.
        let spawn = world.spawn("read x; echo said; exit 7", in_terminal());
        let mut child = world
            .launch(program(&[&until]), spawn, LIMIT_BYTES)
            .await
            .unwrap();
        enter(&child).await;
        while within(child.records.next()).await.is_ok() {}
        let remains = world.remains().await;
        let left = Left::of(&remains);
        assert_eq!(left.exit(), exit, "{waypoint}");
        assert!(exit.is_some() || !left.is_over(), "{waypoint}");
    }
}

#[tokio::test]
async fn a_record_that_was_cut_is_the_end_and_damage_before_it_is_told_and_nothing_is_changed() {
    let world = World::new();
    let mut child = world
        .run("echo one; echo two; sleep 300", in_terminal())
        .await;
    let mut told = Told::default();
    told.until(&mut child.records, "two").await;
    let shim = child.facts.as_ref().unwrap().shim_pid.unwrap();
    world.shim(&child).kill().await;
    drop(world.remains().await);
    let part = world.part();
    let whole = std::fs::read(&part).unwrap();
    for torn in [&b"\x40"[..], b"\x40\0\0\0\x04\0abc", &[0; 300]] {
        let torn = [&whole, torn].concat();
        std::fs::write(&part, &torn).unwrap();
        let remains = world.remains().await;
        let left = Left::of(&remains);
        assert!(left.damage.is_none());
        assert_eq!(
            left.started().map(|process| process.shim_pid),
            Some(Some(shim))
        );
        assert_eq!(std::fs::read(&part).unwrap(), torn);
    }
    let at = whole.windows(3).position(|text| text == b"one").unwrap();
    let mut changed = whole.clone();
    changed[at] ^= 1;
    std::fs::write(&part, &changed).unwrap();
    let remains = world.remains().await;
    let left = Left::of(&remains);
    let damage = left.damage.as_ref().unwrap().to_string();
    assert!(damage.contains("is damaged at byte"), "{damage}");
    assert!(left.started().is_some());
    assert_eq!(std::fs::read(&part).unwrap(), changed);
}

#[tokio::test]
async fn a_length_that_leads_beyond_the_end_takes_no_record_away_unseen() {
    let world = World::new();
    let script = "stty raw; echo one; read x; echo two; sleep 300";
    let (mut child, mut told) = world.ready(&format!("echo ready; {script}")).await;
    enter(&child).await;
    told.until(&mut child.records, "two").await;
    world.shim(&child).kill().await;
    drop(world.remains().await);
    let part = world.part();
    let whole = std::fs::read(&part).unwrap();
    let mut decoder = Decoder::default();
    decoder.buffer().extend_from_slice(&whole);
    let (mut at, mut records) = (0, 0);
    while let Some(frame) = decoder.next_frame().unwrap() {
        for bit in 0..23 {
            let len_bytes = frame.payload.len() ^ (1 << bit);
            if at + len_bytes + OVERHEAD_BYTES <= whole.len() {
                continue;
            }
            let mut changed = whole.clone();
            changed[at + bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&part, &changed).unwrap();
            let left: Vec<_> = world.remains().await.records().unwrap().collect();
            let Some((Err(Damage::Changed { offset, .. }), before)) = left.split_last() else {
                panic!("byte {at}, bit {bit}: {left:?}");
            };
            // The head of the part is none.
            let wanted = (at as u64, usize::saturating_sub(records, 1));
            assert_eq!((*offset, before.len()), wanted, "bit {bit}");
            assert_eq!(std::fs::read(&part).unwrap(), changed);
        }
        at = whole.len() - decoder.left_bytes();
        records += 1;
    }
    assert!(records > 4, "{records}");
}

#[tokio::test]
async fn a_launch_that_failed_while_its_engine_died_is_told_to_the_next() {
    let world = World::new();
    let mut spawn = world.spawn("", in_terminal());
    spawn.program = "/no/such/program".into();
    let until = program(&["until=Started"]);
    let launched = world.launch(until, spawn, LIMIT_BYTES).await;
    assert!(
        matches!(
            launched,
            Err(LaunchError::Lost { .. } | LaunchError::Spawn(SpawnError::MissingExecutable { .. }))
        ),
        "{launched:?}"
    );
    let remains = world.remains().await;
    let left = Left::of(&remains);
    let said = left.records.first().map(|first| &first.record);
    assert!(
        matches!(said, Some(Record::LaunchFailed { .. })),
        "{left:?}"
    );
}
