//! Engines come and go; the session does not notice, and no record is lost or told twice.

use std::time::Duration;

use coven_core::{Exit, OutputEnd, ProcessFacts};
use coven_harness::process::{self, KillReport, Wiring};
use coven_harness::shim::protocol::{FromShim, Refused, ToShim};
use coven_harness::shim::{self, AdoptError, Found, Lost, Record};
use rustix::process::Signal;

use crate::peer::Peer;
use crate::support::{SUCCESS, in_terminal, noise, session, within};
use crate::world::{LIMIT_BYTES, Left, Told, World, all, enter};

/// Cuts of a session's records at which its engine dies.
const DEATHS: u64 = 30;

/// What a terminal in cooked mode makes of `bytes`.
fn cooked(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in bytes {
        if *byte == b'\n' {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}

#[tokio::test]
async fn thirty_engines_that_die_at_random_are_given_all_that_none_has_on_record_as_it_was_before()
{
    for (mode, seed) in [("raw", 11), ("opost onlcr -echo", 12), ("pipes", 13)] {
        let world = World::new();
        let seeded = noise(seed, 3 << 20);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &seeded).unwrap();
        let (setting, wiring, expected) = match mode {
            "pipes" => (String::new(), Wiring::Pipes, seeded),
            "raw" => ("stty raw -echo; ".to_owned(), in_terminal(), seeded),
            _ => (format!("stty {mode}; "), in_terminal(), cooked(&seeded)),
        };
        let script = format!("{setting}cat {}", file.path().display());
        let mut child = world.run(&script, wiring).await;
        let (mut told, mut state) = (Told::default(), seed);
        for death in 0..DEATHS {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let records = if death == 0 { 0 } else { (state >> 33) % 40 };
            for _ in 0..records {
                if !told.is_over() {
                    within(told.next(&mut child.records)).await.unwrap();
                }
            }
            if state >> 63 == 0 {
                child.control.ack(told.last);
            }
            // As when its program is killed: its socket closes, whatever is in it.
            drop(child);
            child = world.adopt().await;
        }
        told.hear_all(&mut child.records).await;
        assert!(
            told.output == expected,
            "{mode}: {} of {} bytes",
            told.output.len(),
            expected.len()
        );
        assert_eq!(
            (told.exit, told.end),
            (Some(SUCCESS), Some(OutputEnd::Complete))
        );
        child.control.ack(told.last);
        within(child.control.close()).await.unwrap();
        assert!(!world.folder.exists());
    }
}

#[tokio::test]
async fn a_session_that_ended_while_nobody_was_connected_is_told_to_its_end() {
    let world = World::new();
    let go = world.folder.with_extension("go");
    let script = format!(
        "while [ ! -e {} ]; do sleep 0.01; done; echo late; exit 9",
        go.display()
    );
    let child = world.run(&script, in_terminal()).await;
    let pid = child.facts.clone().unwrap().pid;
    drop(child);
    std::fs::write(&go, "").unwrap();
    within(async {
        // Reaped, too: nothing is left of it but its records.
        while std::path::Path::new(&format!("/proc/{pid}")).exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let told = all(&mut world.adopt().await).await;
    assert_eq!(told.text(), "late\r\n");
    assert_eq!(
        (told.exit, told.end),
        (Some(Exit::Code { code: 9 }), Some(OutputEnd::Complete))
    );
}

/// Its engine may die between the last acknowledgement and the close.
#[tokio::test]
async fn the_end_of_a_session_is_told_to_whoever_comes_though_it_was_acknowledged() {
    // More than a part is let grow to that nobody needs; and an end that begins in an earlier part than it
    // ends in.
    let long = "seq 1 100000";
    let late = "trap '' HUP; stty raw; (while kill -0 $$; do :; done 2>&-; head -c 600000 /dev/zero; \
                exec sleep 300) & kill -9 $$";
    for (limit_bytes, script, end) in [
        (LIMIT_BYTES, long, OutputEnd::Complete),
        (1 << 20, late, OutputEnd::Cut),
    ] {
        let world = World::new();
        let child = world.run_within(limit_bytes, script, in_terminal());
        let mut child = child.await;
        let mut told = Told::default();
        while !told.is_over() {
            within(told.next(&mut child.records)).await.unwrap();
            child.control.ack(told.last);
        }
        // It has heard that, once it answers what it is asked then.
        within(child.control.secret_entry()).await.unwrap();
        drop(child);
        let next = within(shim::adopt_all(&world.folder, &world.session)).await;
        let mut next = next.unwrap();
        assert_eq!(next.newest, Some(told.last));
        let mut ends = Vec::new();
        loop {
            let recorded = within(next.records.next()).await.unwrap();
            let (number, record) = (recorded.number, recorded.record);
            if matches!(record, Record::Exited { .. } | Record::OutputClosed { .. }) {
                ends.push(record);
            }
            if number == told.last {
                break;
            }
        }
        assert!(ends.contains(&Record::OutputClosed { end }), "{ends:?}");
        within(next.control.close()).await.unwrap();
        assert!(!world.folder.exists());
    }
}

#[tokio::test]
async fn a_newer_engine_takes_the_place_of_one_that_is_frozen() {
    let world = World::new();
    let mut frozen = world.run("echo ready; read x", in_terminal()).await;
    let mut told = Told::default();
    let mut newer = world.adopt().await;
    told.until(&mut newer.records, "ready").await;
    let mut before = Told::default();
    let lost = loop {
        match within(before.next(&mut frozen.records)).await {
            Ok(()) => {}
            Err(lost) => break lost,
        }
    };
    assert_eq!(lost, Lost::Gone);
    enter(&newer).await;
    told.hear_all(&mut newer.records).await;
    assert_eq!(told.exit, Some(SUCCESS));
}

#[tokio::test]
async fn a_shim_that_is_stopped_loses_nothing_and_goes_on() {
    let world = World::new();
    let (child, mut told) = world.ready("stty raw; echo ready; seq 1 20000").await;
    let shim = world.shim(&child);
    shim.stop().await;
    drop(child);
    let waiting = shim::adopt_all(&world.folder, &world.session);
    let waiting = tokio::time::timeout(Duration::from_millis(50), waiting).await;
    assert!(waiting.is_err(), "who is stopped answered");
    assert!(matches!(shim::look(&world.folder).unwrap(), Found::Alive));
    shim.signal(Signal::CONT);
    let mut child = world.adopt().await;
    told.hear_all(&mut child.records).await;
    let expected: String = (1..=20000).map(|number| format!("{number}\n")).collect();
    assert_eq!(told.text(), format!("ready\n{expected}"));
}

#[tokio::test]
async fn an_engine_that_does_not_listen_holds_up_neither_the_process_nor_its_answers() {
    let world = World::new();
    let mut child = world
        .run("stty -echo; seq 1 300000; read x; exit 5", in_terminal())
        .await;
    // Nothing is taken of 2 MB, and the spool has it.
    within(async {
        let size = || {
            let files = std::fs::read_dir(&world.folder).unwrap();
            files
                .map(|file| file.unwrap().metadata().unwrap().len())
                .sum::<u64>()
        };
        while size() < 2_000_000 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    within(child.control.secret_entry()).await.unwrap();
    enter(&child).await;
    let told = all(&mut child).await;
    assert_eq!(told.exit, Some(Exit::Code { code: 5 }));
    assert!(told.text().ends_with("300000\r\n"));
}

#[tokio::test]
async fn what_is_not_there_cannot_be_adopted_and_the_session_goes_on() {
    let world = World::new();
    let nowhere = shim::adopt_all(&world.folder, &world.session).await;
    assert!(
        matches!(nowhere, Err(AdoptError::Unreachable { .. })),
        "{nowhere:?}"
    );
    let mut child = world.run("echo ready; read x; exit 6", in_terminal()).await;
    let other = within(shim::adopt_all(&world.folder, &session())).await;
    assert!(matches!(other, Err(AdoptError::OtherSession)), "{other:?}");
    let (mut peer, _) = Peer::welcomed(&world);
    peer.say(&ToShim::From(999));
    let never = peer.answer();
    let FromShim::Refused(Refused::NoSuchRecord { first: 1, next }) = never else {
        panic!("{never:?}");
    };
    assert!(next < 999);
    // Both took its place.
    while within(child.records.next()).await.is_ok() {}
    let mut child = world.adopt().await;
    enter(&child).await;
    assert_eq!(all(&mut child).await.exit, Some(Exit::Code { code: 6 }));
}

#[tokio::test]
async fn a_kill_by_the_engine_ends_what_the_shim_holds_and_not_the_shim() {
    let world = World::new();
    // A tool that hides its mark, its terminal and its parent: only the shim knows it.
    let hidden = "(setsid env -i /bin/sh -c 'echo tool $$ > /dev/null; exec /bin/sleep 300' &); \
                  echo ready; read x";
    let (mut child, mut told) = world.ready(hidden).await;
    let facts = child.facts.clone().unwrap();
    let shim = world.shim(&child);
    within(async {
        while shim.children().len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let grace = Duration::from_secs(5);
    let report = within(coven_harness::process::kill(&facts, &world.session, grace))
        .await
        .unwrap();
    assert!(report.survivors.is_empty(), "{report:?}");
    assert!(report.ended.len() + report.forced.len() >= 2, "{report:?}");
    told.hear_all(&mut child.records).await;
    assert!(
        matches!(told.exit, Some(Exit::Signal { .. })),
        "{:?}",
        told.exit
    );
    assert_eq!(shim.children(), [""; 0], "all are dead, and reaped");
    child.control.ack(told.last);
    within(child.control.close()).await.unwrap();
}

#[tokio::test]
async fn a_kill_has_a_shim_that_is_stopped_go_on_and_tell_the_end() {
    let world = World::new();
    let (mut child, mut told) = world.ready("echo ready; read x").await;
    let facts = child.facts.clone().unwrap();
    world.shim(&child).stop().await;
    let grace = Duration::from_secs(5);
    let report = within(coven_harness::process::kill(&facts, &world.session, grace));
    assert!(report.await.unwrap().survivors.is_empty());
    told.hear_all(&mut child.records).await;
    assert!(matches!(told.exit, Some(Exit::Signal { .. })));
    child.control.ack(told.last);
    within(child.control.close()).await.unwrap();
}

#[tokio::test]
async fn under_another_boot_id_a_living_shim_tells_who_is_to_be_ended_and_no_number_does() {
    let world = World::new();
    let (mut child, mut told) = world.ready("echo ready; read x").await;
    let mut stranger = Stranger::new();
    let (facts, shim) = (child.facts.clone().unwrap(), world.shim(&child));
    let of_another_boot = ProcessFacts {
        pid: stranger.0.id(),
        start_time: 0,
        boot_id: "another".to_owned(),
        shim_pid: Some(stranger.0.id()),
    };
    let here = || process::in_this_boot(&of_another_boot, &world.session).unwrap();
    assert_eq!(here().as_ref(), Some(&facts));
    let grace = Duration::from_secs(5);
    let kill = || within(process::kill(&of_another_boot, &world.session, grace));
    let report = kill().await.unwrap();
    let ended: Vec<u32> = report.ended.iter().map(|who| who.pid).collect();
    assert_eq!((ended, report.survivors), (vec![facts.pid], vec![]));
    told.hear_all(&mut child.records).await;
    child.control.ack(told.last);
    within(child.control.close()).await.unwrap();
    shim.until_ended().await;
    assert_eq!(here(), None);
    assert_eq!(kill().await.unwrap(), KillReport::default());
    assert!(stranger.0.try_wait().unwrap().is_none());
}

/// A process of no session, which ends with this.
struct Stranger(std::process::Child);

impl Stranger {
    fn new() -> Self {
        let mut sleep = std::process::Command::new("sleep");
        Self(sleep.arg("600").spawn().unwrap())
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // It may be gone, and then needs nothing of this.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_shim_that_is_ended_for_making_no_sense_leaves_what_it_wrote_down() {
    let world = World::new();
    let (child, _) = world.ready("echo ready; read x").await;
    let facts = child.facts.clone().unwrap();
    drop(child);
    let end = || coven_harness::process::kill_shim(Some(&facts), &world.session);
    assert!(end().unwrap());
    let remains = world.remains().await;
    assert_eq!(Left::of(&remains).started().unwrap().pid, facts.pid);
    assert!(!end().unwrap(), "there is none any more");
}

#[tokio::test]
async fn output_is_not_cut_while_the_engine_holds_it() {
    let world = World::new();
    let script = "trap '' HUP; (sleep 0.8; echo last; sleep 300) & echo first; kill -9 $$";
    let mut child = world.run(script, in_terminal()).await;
    child.control.hold_output();
    let mut told = Told::default();
    told.until(&mut child.records, "last").await;
    assert_eq!((told.exit.is_some(), told.end), (true, None));
    child.control.release_output();
    told.hear_all(&mut child.records).await;
    assert_eq!(told.end, Some(OutputEnd::Cut));
    let started = told.others.first();
    assert!(
        matches!(started, Some(Record::Started { .. })),
        "{started:?}"
    );
}

#[tokio::test]
async fn who_holds_output_and_dies_holds_it_no_more() {
    let world = World::new();
    let script = "trap '' HUP; sleep 300 & echo first; kill -9 $$";
    let child = world.run(script, in_terminal()).await;
    child.control.hold_output();
    within(child.control.secret_entry()).await.unwrap();
    drop(child);
    let told = all(&mut world.adopt().await).await;
    assert_eq!(told.end, Some(OutputEnd::Cut));
}
