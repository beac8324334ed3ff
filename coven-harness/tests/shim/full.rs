//! Bounds: a spool that is full, and a disk that is. The process waits, and nothing is lost.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use coven_core::{Exit, OutputEnd};
use coven_harness::process::Wiring;
use coven_harness::shim::{Child, InputError, InputId, InputRefusal, Record, Taken};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::small_disk;
use crate::support::{SUCCESS, in_terminal, size, within};
use crate::world::{LIMIT_BYTES, Left, Told, Waypoints, World, enter, program, type_in};

/// About what a record of output takes at most: what is read at once.
const RECORD_BYTES: u64 = 64 << 10;

/// The least that a spool may take.
const LEAST_BYTES: u64 = 256 << 10;

fn len_bytes(world: &World) -> u64 {
    let files = std::fs::read_dir(&world.folder).unwrap();
    // A part may be removed between its listing and the look at it.
    let sizes = files.filter_map(|file| Some(file.unwrap().metadata().ok()?.len()));
    sizes.sum()
}

/// Runs a script that writes more than its spool may take, until it is not read any more.
async fn until_full(world: &World, limit_bytes: u64, script: &str, wiring: Wiring) -> Child {
    let (waypoints, tell) = Waypoints::new();
    let spawn = world.spawn(script, wiring);
    let launched = world.launch(program(&[&tell]), spawn, limit_bytes);
    let child = launched.await.unwrap();
    waypoints.until("Full").await;
    child
}

/// Hears a session to its end, and acknowledges every record.
async fn drain(child: &mut Child, each: impl Fn()) -> Told {
    let mut told = Told::default();
    while !told.is_over() {
        within(told.next(&mut child.records)).await.unwrap();
        child.control.ack(told.last);
        each();
    }
    told
}

fn numbers(upto: u32) -> String {
    (1..=upto).map(|number| format!("{number}\n")).collect()
}

fn assert_numbers(told: &Told, upto: u32) {
    let text = told.text().replace('\r', "");
    let expected = numbers(upto);
    assert!(text == expected, "{} of {}", text.len(), expected.len());
}

#[tokio::test]
async fn at_its_bound_a_spool_blocks_the_process_and_goes_on_when_some_is_acknowledged() {
    for limit_bytes in [1 << 20, LEAST_BYTES] {
        for wiring in [in_terminal(), Wiring::Pipes] {
            let world = World::new();
            let mut child = until_full(&world, limit_bytes, "exec seq 1 400000", wiring).await;
            let full = len_bytes(&world);
            assert!((limit_bytes / 2..=limit_bytes).contains(&full), "{full}");
            let bounded = || assert!(len_bytes(&world) <= limit_bytes);
            let told = drain(&mut child, bounded).await;
            assert_numbers(&told, 400_000);
            assert_eq!(
                (told.exit, told.end),
                (Some(SUCCESS), Some(OutputEnd::Complete))
            );
            within(child.control.close()).await.unwrap();
        }
    }
}

/// A process of Linux may have a pipe hold 1 MiB, and writes as soon as there is room in it.
#[tokio::test]
async fn a_pipe_that_its_process_made_larger_gives_no_more_at_once_and_its_spool_keeps_its_bound() {
    let world = World::new();
    let script = "exec /usr/bin/python3 -c 'import fcntl, os
left = 8 << 20
fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20)
while left: left -= os.write(1, bytes(left))'";
    let mut child = until_full(&world, LEAST_BYTES, script, Wiring::Pipes).await;
    let mut told = Told::default();
    while !told.is_over() {
        let next = within(child.records.next()).await.unwrap();
        if let Record::Output { bytes, .. } = &next.record {
            let len_bytes = bytes.len() as u64;
            assert!(len_bytes <= RECORD_BYTES, "{len_bytes} at once");
        }
        told.add(next);
        child.control.ack(told.last);
        let len_bytes = len_bytes(&world);
        assert!(len_bytes <= LEAST_BYTES, "{len_bytes}");
    }
    assert_eq!(told.output.len(), 8 << 20);
    assert_eq!(
        (told.exit, told.end),
        (Some(SUCCESS), Some(OutputEnd::Complete))
    );
}

#[tokio::test]
async fn a_full_spool_takes_input_until_its_reserve_is_used_and_the_exit_always() {
    let world = World::new();
    let script = "trap 'exit 8' TERM; seq 1 1000000; read x";
    let mut child = until_full(&world, LEAST_BYTES, script, in_terminal()).await;
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
    assert_eq!(error, InputError::Refused(InputRefusal::SpoolFull));
    assert!(len_bytes(&world) <= LEAST_BYTES);
    let facts = child.facts.clone().unwrap();
    let killed = coven_harness::process::kill(&facts, &world.session, Duration::from_secs(1));
    within(killed).await.unwrap();
    // What it had written waits in its terminal until there is room.
    let told = drain(&mut child, || {}).await;
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
async fn a_limit_that_is_raised_lets_the_process_go_on_and_one_that_is_lowered_stops_it() {
    let world = World::new();
    let (waypoints, tell) = Waypoints::new();
    let spawn = world.spawn("seq 1 200000; read x; seq 1 200000", Wiring::Pipes);
    let launched = world.launch(program(&[&tell]), spawn, LEAST_BYTES);
    let mut child = launched.await.unwrap();
    waypoints.until("Full").await;
    child.control.set_limit(64 << 20);
    let mut told = Told::default();
    told.until(&mut child.records, "200000\n").await;
    assert!(len_bytes(&world) > LEAST_BYTES);
    // There is room for what has the process go on.
    child.control.ack(told.last);
    // None at all is taken for the least.
    child.control.set_limit(0);
    // Answered after both.
    within(child.control.secret_entry()).await.unwrap();
    enter(&child).await;
    waypoints.until("Full").await;
    assert!(len_bytes(&world) <= LEAST_BYTES);
    while !told.is_over() {
        within(told.next(&mut child.records)).await.unwrap();
        child.control.ack(told.last);
        assert!(told.is_over() || len_bytes(&world) <= LEAST_BYTES);
    }
    assert_eq!(told.text(), numbers(200_000).repeat(2));
}

/// However often the terminal is resized meanwhile, its last size is all that is told.
#[tokio::test]
async fn resizing_a_terminal_does_not_fill_a_spool_and_the_last_size_is_told_before_more_output() {
    let world = World::new();
    let script = "seq 1 200000; stty size";
    let mut child = until_full(&world, LEAST_BYTES, script, in_terminal()).await;
    for turn in 0..20_000 {
        child.control.resize(size(80 + turn % 100, 24));
    }
    child.control.resize(size(77, 33));
    // Answered after all of that.
    within(child.control.secret_entry()).await.unwrap();
    assert!(len_bytes(&world) <= LEAST_BYTES);
    let mut told = drain(&mut child, || {}).await;
    assert!(told.text().ends_with("200000\r\n33 77\r\n"));
    let size = size(77, 33);
    told.others
        .retain(|record| matches!(record, Record::Resized { .. }));
    assert_eq!(told.others.last(), Some(&Record::Resized { size }));
}

#[tokio::test]
async fn on_a_full_disk_the_process_waits_and_goes_on_when_there_is_room() {
    let test = "full::on_a_full_disk_the_process_waits_and_goes_on_when_there_is_room";
    let Some(disk) = small_disk::of_its_own(test, 2 << 20) else {
        return;
    };
    let world = World::at(&disk);
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    let script = "seq 1 300000; exit 5";
    let child = until_full(&world, LIMIT_BYTES, script, in_terminal()).await;
    let free_bytes = free_bytes(&disk);
    assert!(
        free_bytes > 8 * RECORD_BYTES,
        "others have some: {free_bytes}"
    );
    assert!(len_bytes(&world) < LEAST_BYTES, "and the spool has little");
    let mut filler = File::create(disk.join("filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}
    // An engine that dies meanwhile changes nothing.
    drop(child);
    let mut child = world.adopt().await;
    std::fs::remove_file(disk.join("filler")).unwrap();
    std::fs::remove_file(&ballast).unwrap();
    let told = drain(&mut child, || {}).await;
    assert_numbers(&told, 300_000);
    assert_eq!(told.exit, Some(Exit::Code { code: 5 }));
    within(child.control.close()).await.unwrap();
}

fn free_bytes(disk: &Path) -> u64 {
    let disk = rustix::fs::statvfs(disk).unwrap();
    disk.f_bavail * disk.f_frsize
}

/// A limit of the size of files stops a write within a record, and sends a signal besides.
#[tokio::test]
async fn what_the_disk_does_not_take_is_kept_and_told_to_nobody() {
    let world = World::new();
    let (waypoints, tell) = Waypoints::new();
    let spawn = world.spawn("read x; echo one; exit 6", in_terminal());
    let launched = world.launch(program(&[&tell]), spawn, LIMIT_BYTES);
    let mut child = launched.await.unwrap();
    let mut told = Told::default();
    within(told.next(&mut child.records)).await.unwrap();
    limit_files_of(&child, Some(len_bytes(&world) + 50));
    enter(&child).await;
    waypoints.until("ExitRecorded").await;
    // There was room for this.
    within(told.next(&mut child.records)).await.unwrap();
    assert!(matches!(
        told.others.last(),
        Some(Record::InputTaken { .. })
    ));
    // Nobody is told of what is not on the spool: not before this answer, nor with it.
    within(child.control.secret_entry()).await.unwrap();
    let told_early = tokio::time::timeout(Duration::ZERO, child.records.next()).await;
    assert!(told_early.is_err(), "{told_early:?}");
    limit_files_of(&child, None);
    told.hear_all(&mut child.records).await;
    assert_eq!(told.text(), "\r\none\r\n");
    assert_eq!(told.exit, Some(Exit::Code { code: 6 }));
    // What was cut off in between is gone from the spool, too.
    world.shim(&child).kill().await;
    let remains = world.remains().await;
    let left = Left::of(&remains);
    assert!(left.damage.is_none(), "{left:?}");
    assert_eq!(left.last(), Some(told.last));
}

#[tokio::test]
async fn an_input_that_the_disk_does_not_take_is_refused_and_typed_once_it_does() {
    let world = World::new();
    let script = "echo ready; while read x; do echo \"<$x>\"; done";
    let mut child = world.run(script, Wiring::Pipes).await;
    let mut told = Told::default();
    told.until(&mut child.records, "ready").await;
    limit_files_of(&child, Some(len_bytes(&world)));
    let refused = Err(InputError::Refused(InputRefusal::SpoolFull));
    assert_eq!(type_in(&child.control, 1, "x\n").await, refused);
    limit_files_of(&child, None);
    assert_eq!(type_in(&child.control, 1, "y\n").await, Ok(Taken::Now));
    told.until(&mut child.records, ">").await;
    assert_eq!(told.text(), "ready\n<y>\n");
}

#[tokio::test]
async fn an_end_that_the_disk_does_not_take_is_acknowledged_by_nobody() {
    let world = World::new();
    let (waypoints, tell) = Waypoints::new();
    let script = "exec >&- 2>&-; until [ -e GO ]; do :; done; exit 6";
    let go = world.folder.with_extension("go");
    let spawn = world.spawn(&script.replace("GO", go.to_str().unwrap()), Wiring::Pipes);
    let launched = world.launch(program(&[&tell]), spawn, LIMIT_BYTES);
    let mut child = launched.await.unwrap();
    let mut told = Told::default();
    while told.end.is_none() {
        within(told.next(&mut child.records)).await.unwrap();
    }
    limit_files_of(&child, Some(len_bytes(&world)));
    std::fs::write(&go, "").unwrap();
    waypoints.until("ExitRecorded").await;
    child.control.ack(u64::MAX);
    assert!(within(child.control.close()).await.is_err());
    limit_files_of(&child, None);
    told.hear_all(&mut child.records).await;
    assert_eq!(told.exit, Some(Exit::Code { code: 6 }));
}

/// How large the files may become that the shim of `child` writes.
fn limit_files_of(child: &Child, len_bytes: Option<u64>) {
    let shim = child.facts.as_ref().unwrap().shim_pid.unwrap();
    let pid = Pid::from_raw(i32::try_from(shim).unwrap());
    let limit = Rlimit {
        current: len_bytes,
        maximum: None,
    };
    prlimit(pid, Resource::Fsize, limit).unwrap();
}
