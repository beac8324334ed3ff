//! What is typed, and what the terminal answers: once each, whoever lives.

use std::time::Duration;

use bytes::Bytes;
use coven_harness::process::{Stdin, Wiring};
use coven_harness::shim::{self, InputError, InputId, InputRefusal, Record, Taken};

use crate::support::{SUCCESS, in_terminal, terminal_output, within};
use crate::world::{Told, World, all, enter, type_in};

const fn id(number: u8) -> InputId {
    InputId([number; 16])
}

#[tokio::test]
async fn a_retried_id_is_typed_once_by_whomever_it_is_asked() {
    let world = World::new();
    let script = "echo ready; while read line; do echo \"<$line>\"; done";
    let mut child = world.run(script, Wiring::Pipes).await;
    let mut told = Told::default();
    told.until(&mut child.records, "ready").await;
    assert_eq!(type_in(&child.control, 1, "once\n").await, Ok(Taken::Now));
    assert_eq!(
        type_in(&child.control, 1, "once\n").await,
        Ok(Taken::Before)
    );
    drop(child);
    let mut child = world.adopt().await;
    assert_eq!(
        type_in(&child.control, 1, "once\n").await,
        Ok(Taken::Before)
    );
    assert_eq!(type_in(&child.control, 2, "twice\n").await, Ok(Taken::Now));
    told.until(&mut child.records, "<twice>").await;
    assert_eq!(told.text(), "ready\n<once>\n<twice>\n");
    assert_eq!(told.done(), [(id(1), 5), (id(2), 6)]);
}

#[tokio::test]
async fn what_is_typed_is_not_kept_and_a_password_is_told_from_a_line() {
    let world = World::new();
    let script = "stty -echo; echo ready; read x; stty echo; echo open; read x";
    let (mut child, mut told) = world.ready(script).await;
    assert!(within(child.control.secret_entry()).await.unwrap());
    type_in(&child.control, 1, "S3cret\n").await.unwrap();
    told.until(&mut child.records, "open").await;
    assert!(!within(child.control.secret_entry()).await.unwrap());
    for entry in std::fs::read_dir(&world.folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(6).any(|part| part == b"S3cret"));
    }
    enter(&child).await;
    told.hear_all(&mut child.records).await;
    assert_eq!(told.exit, Some(SUCCESS));
}

#[tokio::test]
async fn nothing_is_typed_during_the_pause_after_an_input() {
    let world = World::new();
    let script = "stty raw -echo; echo ready; a=$(date +%s%N); dd bs=1 count=1 2>/dev/null; \
                  b=$(date +%s%N); dd bs=1 count=1 2>/dev/null; c=$(date +%s%N); \
                  echo; echo $(( (c - b) / 1000000 ))";
    let (mut child, mut told) = world.ready(script).await;
    let first = child
        .control
        .input(id(1), Bytes::from_static(b"a"), Duration::from_millis(300));
    let second = child
        .control
        .input(id(2), Bytes::from_static(b"b"), Duration::ZERO);
    let (first, second) = tokio::join!(within(first), within(second));
    assert_eq!((first, second), (Ok(Taken::Now), Ok(Taken::Now)));
    told.hear_all(&mut child.records).await;
    let text = told.text();
    let between: u64 = text.lines().last().unwrap().trim().parse().unwrap();
    assert!(between >= 250, "{text:?}");
}

#[tokio::test]
async fn what_nobody_read_is_told_undelivered_and_too_much_is_refused() {
    let world = World::new();
    let mut child = world.run("echo ready; sleep 300", Wiring::Pipes).await;
    let mut told = Told::default();
    told.until(&mut child.records, "ready").await;
    let large = Bytes::from(vec![b'x'; 1 << 20]);
    assert_eq!(
        type_in(&child.control, 1, large.clone()).await,
        Ok(Taken::Now)
    );
    let over = type_in(&child.control, 2, large).await;
    assert_eq!(over, Err(InputError::Refused(InputRefusal::TooMuchWaiting)));
    let facts = child.facts.clone().unwrap();
    let grace = Duration::from_secs(5);
    within(coven_harness::process::kill(&facts, &world.session, grace))
        .await
        .unwrap();
    told.hear_all(&mut child.records).await;
    let [(undelivered, delivered_bytes)] = told.done()[..] else {
        panic!("{told:?}");
    };
    assert_eq!(undelivered, id(1));
    assert!(
        (4096..1 << 20).contains(&delivered_bytes),
        "{delivered_bytes}"
    );
    let late = type_in(&child.control, 3, "x").await;
    assert_eq!(late, Err(InputError::Refused(InputRefusal::NobodyReads)));
}

#[tokio::test]
async fn how_far_a_shim_had_come_with_typing_is_in_its_spool_whatever_it_forgot() {
    let world = World::new();
    let script = "stty raw -echo; echo ready; head -c 2 >/dev/null; echo read; seq 1 60000; \
                  echo written; exec tail -f /dev/null";
    let mut child = world.run_within(256 << 10, script, in_terminal()).await;
    let mut told = Told::default();
    told.until(&mut child.records, "ready").await;
    for number in [1, 2] {
        assert_eq!(type_in(&child.control, number, "x").await, Ok(Taken::Now));
    }
    let large = Bytes::from(vec![b'x'; 200_000]);
    for number in [3, 4] {
        let taken = type_in(&child.control, number, large.clone()).await;
        assert_eq!(taken, Ok(Taken::Now));
    }
    while !told.text_ends("written\n") {
        within(told.next(&mut child.records)).await.unwrap();
        child.control.ack(told.last);
    }
    let mut done = told.done();
    done.dedup();
    assert_eq!(done, [(id(1), 1), (id(2), 1)]);
    // What was acknowledged is forgotten, but for the last part.
    within(async {
        while world.parts().len() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.shim(&child).kill().await;
    let remains = world.remains().await;
    let mut left = Vec::new();
    for recorded in remains.records().unwrap() {
        let shim::Recorded { number, record, .. } = recorded.unwrap();
        assert!(number > 1, "it forgot something");
        left.extend(match record {
            Record::InputTaken { id, .. } => Some((id, None)),
            Record::InputDone {
                id,
                delivered_bytes,
            } => Some((id, Some(delivered_bytes))),
            _ => None,
        });
    }
    assert!(
        left.ends_with(&[(id(2), Some(1)), (id(4), None)]),
        "{left:?}"
    );
}

#[tokio::test]
async fn how_far_a_shim_had_come_with_typing_is_told_after_its_sessions_end_whatever_it_forgot() {
    let world = World::new();
    let script = "stty raw -echo; echo ready; head -c 1 >/dev/null; seq 1 60000";
    let mut child = world.run_within(1 << 20, script, in_terminal()).await;
    let mut told = Told::default();
    told.until(&mut child.records, "ready").await;
    assert_eq!(type_in(&child.control, 1, "x").await, Ok(Taken::Now));
    told.hear_all(&mut child.records).await;
    // All that its session did is in parts of which none was forgotten until now.
    assert!(world.parts().len() > 1);
    child.control.ack(told.last);
    // It has heard that, once it answers what it is asked then.
    within(child.control.secret_entry()).await.unwrap();
    drop(child);
    let next = within(shim::adopt_all(&world.folder, &world.session)).await;
    let mut next = next.unwrap();
    let mut done = None;
    for number in 1.. {
        let recorded = within(next.records.next()).await.unwrap();
        assert!(number > 1 || recorded.number > 1, "it forgot something");
        if let Record::InputDone {
            id,
            delivered_bytes,
        } = recorded.record
        {
            done = Some((id, delivered_bytes));
        }
        if recorded.number == told.last {
            break;
        }
    }
    assert_eq!(done, Some((id(1), 1)));
}

#[tokio::test]
async fn a_program_without_a_keyboard_is_typed_nothing() {
    let world = World::new();
    let mut child = world.run("sleep 0.2", terminal_output(Stdin::Null)).await;
    let typed = type_in(&child.control, 1, "x").await;
    assert_eq!(typed, Err(InputError::Refused(InputRefusal::NobodyReads)));
    all(&mut child).await;
}

/// It asks, waits until it is told to go on, asks again, and tells all it was typed.
const ASKS: &str = "stty raw -echo min 0 time 0; echo ready; printf '\\033[c'; \
    while [ ! -e GO ]; do sleep 0.01; done; printf '\\033[5n'; sleep 0.3; echo; \
    dd bs=1000 count=9 2>/dev/null | tr '\\033' 'E'; echo .";

#[tokio::test]
async fn queries_are_answered_once_though_no_engine_lives() {
    let world = World::new();
    let go = world.folder.with_extension("go");
    let script = ASKS.replace("GO", go.to_str().unwrap());
    let (child, mut told) = world.ready(&script).await;
    drop(child);
    std::fs::write(&go, "").unwrap();
    let mut child = world.adopt().await;
    told.hear_all(&mut child.records).await;
    let text = told.text();
    assert_eq!(text.matches("E[0n").count(), 1, "{text:?}");
    assert_eq!(text.matches("E[?").count(), 1, "{text:?}");
    let answered = told.others.iter().filter_map(|record| match record {
        Record::Answered { query } => Some(usize::try_from(*query).unwrap()),
        _ => None,
    });
    let answered: Vec<usize> = answered.collect();
    assert_eq!(answered.len(), 2, "{told:?}");
    for (query, asked) in answered.into_iter().zip([&b"\x1b[c"[..], b"\x1b[5n"]) {
        assert!(told.output[query..].starts_with(asked));
    }
}

/// It asks by one write what is answered with three times as much, and more of it than terminals hold,
/// before it reads any of that.
const ASKS_AND_ASKS: &str = "stty raw -echo; echo ready; read -r go; \
    yes \"$(printf '\\033[c')\" | head -n 3000 | tr -d '\\n' | dd bs=9000 iflag=fullblock 2>/dev/null; \
    head -c 27000 | tr -dc c | wc -c";

#[tokio::test]
async fn one_who_asks_much_before_he_reads_is_answered_all_of_it() {
    let world = World::new();
    let (mut child, mut told) = world.ready(ASKS_AND_ASKS).await;
    type_in(&child.control, 1, "go\n").await.unwrap();
    told.until(&mut child.records, "3000\n").await;
    assert_eq!(told.text().matches("\x1b[c").count(), 3000);
}

#[tokio::test]
async fn a_terminal_is_resized_and_its_program_told() {
    let world = World::new();
    let script = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.02; done";
    let (mut child, mut told) = world.ready(script).await;
    let size = crate::support::size(101, 33);
    child.control.resize(size);
    told.hear_all(&mut child.records).await;
    assert!(told.text().contains("33 101"), "{:?}", told.text());
    assert!(told.others.contains(&Record::Resized { size }));
}
