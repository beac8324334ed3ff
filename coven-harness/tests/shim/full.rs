//! Bounds: a spool that is full, and a disk that is. The process waits, and nothing is lost.

use std::time::Duration;

use bytes::Bytes;
use coven_core::{Exit, OutputEnd};
use coven_harness::process::Wiring;
use coven_harness::shim::{InputError, InputId, InputRefusal};

use crate::small_disk;
use crate::support::{SUCCESS, in_terminal, within};
use crate::world::{Told, World, program};

fn len_bytes(world: &World) -> u64 {
    let files = std::fs::read_dir(&world.folder).unwrap();
    // A part may be removed between its listing and the look at it.
    let sizes = files.filter_map(|file| Some(file.unwrap().metadata().ok()?.len()));
    sizes.sum()
}

/// Whether the process is asleep in a write: its output is not read.
fn waits(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.contains("write") || stat.contains("pipe") || state.contains(") S ")
}

async fn until_blocked(world: &World, pid: u32) {
    within(async {
        let mut quiet = 0;
        let mut last = 0;
        while quiet < 50 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let now = len_bytes(world);
            quiet = if now == last && waits(pid) {
                quiet + 1
            } else {
                0
            };
            last = now;
        }
    })
    .await;
}

#[tokio::test]
async fn at_its_bound_a_spool_blocks_the_process_and_goes_on_when_some_is_acknowledged() {
    const LIMIT_BYTES: u64 = 1 << 20;
    for wiring in [in_terminal(), Wiring::Pipes] {
        let world = World::new();
        let go = world.folder.with_extension("go");
        let script = format!("exec seq 1 1000000; : {}", go.display());
        let spawn = world.spawn(&script, wiring);
        let mut child = world
            .launch(&program(&[]), spawn, LIMIT_BYTES)
            .await
            .unwrap();
        let pid = child.facts.as_ref().unwrap().pid;
        until_blocked(&world, pid).await;
        let full = len_bytes(&world);
        assert!((LIMIT_BYTES / 2..=LIMIT_BYTES).contains(&full), "{full}");
        let mut told = Told::default();
        while !told.is_over() {
            within(told.next(&mut child.records)).await.unwrap();
            if told.last % 10 == 0 {
                child.control.ack(told.last);
                assert!(len_bytes(&world) <= LIMIT_BYTES);
            }
        }
        let text = told.text().replace('\r', "");
        let expected: String = (1..=1_000_000)
            .map(|number| format!("{number}\n"))
            .collect();
        assert!(text == expected, "{} of {}", text.len(), expected.len());
        assert_eq!(
            (told.exit, told.end),
            (Some(SUCCESS), Some(OutputEnd::Complete))
        );
        child.control.ack(told.last);
        within(child.control.close()).await.unwrap();
    }
}

#[tokio::test]
async fn a_full_spool_takes_input_until_its_reserve_is_used_and_the_exit_always() {
    let world = World::new();
    let spawn = world.spawn("trap 'exit 8' TERM; seq 1 1000000; read x", in_terminal());
    let mut child = world.launch(&program(&[]), spawn, 256 << 10).await.unwrap();
    let pid = child.facts.as_ref().unwrap().pid;
    until_blocked(&world, pid).await;
    let mut refused = None;
    for number in 0..4000_u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_le_bytes());
        let typed = child
            .control
            .input(InputId(id), Bytes::from_static(b"x"), Duration::ZERO);
        if let Err(error) = within(typed).await {
            refused = Some((number, error));
            break;
        }
    }
    let (taken, error) = refused.expect("it is bounded");
    assert!(taken > 10, "{taken}");
    let InputError::Refused(InputRefusal::SpoolFull | InputRefusal::TooMuchWaiting) = error else {
        panic!("{error:?}");
    };
    let facts = child.facts.clone().unwrap();
    let killed = coven_harness::process::kill(&facts, &world.session, Duration::from_secs(1));
    within(killed).await.unwrap();
    // What it had written waits in its terminal until there is room.
    let mut told = Told::default();
    while !told.is_over() {
        within(told.next(&mut child.records)).await.unwrap();
        child.control.ack(told.last);
    }
    assert!(
        matches!(
            told.exit,
            Some(Exit::Code { code: 8 } | Exit::Signal { .. })
        ),
        "{:?}",
        told.exit
    );
}

#[tokio::test]
async fn a_limit_that_is_raised_lets_the_process_go_on() {
    let world = World::new();
    let spawn = world.spawn("seq 1 200000", Wiring::Pipes);
    let mut child = world.launch(&program(&[]), spawn, 256 << 10).await.unwrap();
    let pid = child.facts.as_ref().unwrap().pid;
    until_blocked(&world, pid).await;
    child.control.set_limit(64 << 20);
    let mut told = Told::default();
    told.hear_all(&mut child.records).await;
    assert!(told.text().ends_with("200000\n"));
}

#[tokio::test]
async fn on_a_full_disk_the_process_waits_and_goes_on_when_there_is_room() {
    let test = "full::on_a_full_disk_the_process_waits_and_goes_on_when_there_is_room";
    let Some(disk) = small_disk::of_its_own(test, 1 << 20) else {
        return;
    };
    let world = World::at(&disk);
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![1; 600 << 10]).unwrap();
    let spawn = world.spawn("seq 1 300000; exit 5", in_terminal());
    let child = world.launch(&program(&[]), spawn, 64 << 20).await.unwrap();
    let pid = child.facts.as_ref().unwrap().pid;
    until_blocked(&world, pid).await;
    let id = InputId([1; 16]);
    let typed = within(
        child
            .control
            .input(id, Bytes::from_static(b"x"), Duration::ZERO),
    )
    .await;
    assert_eq!(typed, Err(InputError::Refused(InputRefusal::SpoolFull)));
    // An engine that dies meanwhile changes nothing.
    drop(child);
    let mut child = world.adopt(1).await;
    std::fs::remove_file(&ballast).unwrap();
    let mut told = Told::default();
    while !told.is_over() {
        within(told.next(&mut child.records)).await.unwrap();
        child.control.ack(told.last);
    }
    let text = told.text().replace('\r', "");
    let expected: String = (1..=300_000).map(|number| format!("{number}\n")).collect();
    assert!(text == expected, "{} of {}", text.len(), expected.len());
    assert_eq!(told.exit, Some(Exit::Code { code: 5 }));
    within(child.control.close()).await.unwrap();
}
