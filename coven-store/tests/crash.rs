//! Killed at any moment, the log has every event it acknowledged, once.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use coven_core::{Event, Seq};
use coven_store::{Options, Store};
use support::*;

/// Tells the child, which is this same program, where the log is and which round it is.
const CHILD: &str = "COVEN_STORE_CRASH_CHILD";

/// Says how many times to kill.
const KILLS: &str = "COVEN_STORE_KILLS";

const KILLS_PER_HOME: u32 = 20;

const SESSIONS: u64 = 4;

/// What session `n` of a round writes, for ever: this, again and again.
fn words(n: u64) -> Vec<u8> {
    noise(n + 1, 50_021)
}

/// What is at `offset` of it.
fn written(words: &[u8], offset: u64, len_bytes: usize) -> Vec<u8> {
    let start = usize::try_from(offset % words.len() as u64).expect("it is short");
    let endless = words.iter().copied().cycle();
    endless.skip(start).take(len_bytes).collect()
}

/// What the log said it has: by session, its last Seq and the end of its output.
type Acked = BTreeMap<String, (u64, u64)>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other test runs it, to kill it"]
async fn writes_until_it_is_killed() {
    let Ok(place) = std::env::var(CHILD) else {
        return;
    };
    let (round, path) = place.split_once(':').expect("a round and a path");
    // A fold for every few commits, so that many are killed in the middle of one.
    let options = Options {
        fold_bytes: 100_000,
        ..Options::default()
    };
    let store = Store::open(&PathBuf::from(path), options).expect("it opens");
    let writers: Vec<_> = (0..SESSIONS)
        .map(|n| tokio::spawn(write_for_ever(store.clone(), format!("{round}-{n}"), n)))
        .collect();
    for writer in writers {
        writer.await.expect("no panic");
    }
}

async fn write_for_ever(store: Store, session: String, n: u64) {
    let words = words(n);
    let mut last = running(&store, &session).await.last;
    let mut offset = 0;
    for turn in 0_u64.. {
        // Small and large, one event and several.
        let sizes: Vec<usize> = match (turn + n) % 4 {
            0 => vec![1],
            1 => vec![100, 3000],
            2 => vec![40_000],
            _ => vec![700; 20],
        };
        let mut events = Vec::new();
        for len_bytes in sizes {
            events.push(output(offset, written(&words, offset, len_bytes)));
            offset += len_bytes as u64;
        }
        let appended = store.append(batch(&session, last, events)).await;
        last = appended.expect("nobody else writes to it").last;
        // One write, so that a line is told whole or is the last.
        let line = format!("acked {session} {last} {offset}\n");
        let told = std::io::stdout().write_all(line.as_bytes());
        told.expect("somebody listens");
    }
}

fn start_child(home: &Home, round: u32) -> Child {
    let program = std::env::current_exe().expect("this program");
    Command::new(program)
        .args([
            "--exact",
            "writes_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(CHILD, format!("{round}:{}", home.path().display()))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts")
}

/// Lets the child write until it has told of so many batches and for so long after that, kills it,
/// and hears the rest.
fn kill_after(mut child: Child, lines: usize, after: Duration) -> Acked {
    let told = BufReader::new(child.stdout.take().expect("it was piped"));
    let mut acked = Acked::new();
    let mut heard = 0;
    for line in told.lines() {
        let line = line.expect("text");
        let words: Vec<&str> = line.split(' ').collect();
        // The test harness's own lines are in between, and the last one may be cut short.
        if let ["acked", session, seq, end] = words[..]
            && let (Ok(seq), Ok(end)) = (seq.parse(), end.parse())
        {
            acked.insert(session.to_owned(), (seq, end));
            heard += 1;
            if heard == lines {
                // Not to wait for anything: this is the moment, and any will do.
                thread::sleep(after);
                child.kill().expect("it runs");
            }
        }
    }
    child.wait().expect("it is over");
    assert!(heard >= lines, "the child ended by itself after {heard}");
    acked
}

/// Looks whether a session has all that was acknowledged, and nothing that was not written.
fn check(store: &Store, session: &str, (seq, end): (u64, u64)) {
    let record = store
        .record(&id(session))
        .expect("a read")
        .expect("it was acked");
    assert!(record.last_seq >= Seq::new(seq), "{session}");
    assert!(record.session.output_bytes >= end, "{session}");
    let n = session.split_once('-').expect("a round and a number").1;
    let words = words(n.parse().expect("a number"));
    let output = all_output(store, session);
    assert_eq!(output.len() as u64, record.session.output_bytes);
    assert!(output == written(&words, 0, output.len()), "{session}");
    let events = events_of(store, session);
    let outputs = events
        .iter()
        .filter(|it| matches!(it.event, Event::Output { .. }));
    let mut next = 0;
    for envelope in outputs {
        let Event::Output { offset, data, .. } = &envelope.event else {
            continue;
        };
        assert_eq!(*offset, next, "once each, in order: {session}");
        next += data.len() as u64;
    }
}

/// Kills writers of one home, one after the other, and looks after each whether its sessions have
/// what was acknowledged, and in the end whether all have.
async fn kill_in_one_home(kills: u32, seed: u64) {
    let home = Home::new();
    let moments = noise(seed, 2 * kills as usize);
    let mut all = Acked::new();
    let mut last = 0;
    for (round, moment) in (0..kills).zip(moments.chunks(2)) {
        // Some are killed before their first commit is old, some in the middle of many.
        let lines = 1 + usize::from(moment[0]) % 48;
        let after = Duration::from_micros(u64::from(moment[1]) * 16);
        let acked = kill_after(start_child(&home, round), lines, after);
        let store = home.open();
        let newest = acked.values().map(|(seq, _)| *seq).max();
        assert!(store.last_seq().get() >= newest.expect("something was acked"));
        assert!(store.last_seq().get() > last, "Seqs only grow");
        last = store.last_seq().get();
        for (session, told) in &acked {
            check(&store, session, *told);
        }
        all.extend(acked);
        store.close().await;
    }
    let store = home.open();
    for (session, told) in &all {
        check(&store, session, *told);
    }
    let seqs = store.read_all(Seq::ZERO, ALL).expect("a read");
    assert!(
        seqs.iter().map(|it| it.seq.get()).eq(1..=last),
        "no Seq is missing or there twice"
    );
    let problems = store.verify().expect("a read").problems;
    assert_eq!(problems, Vec::new());
    store.close().await;
}

/// `COVEN_STORE_KILLS=5000 cargo test -p coven-store --test crash` kills as often as that.
#[tokio::test]
async fn after_kill_minus_9_every_acked_event_is_there_once() {
    let kills = std::env::var(KILLS).map_or(200_u32, |text| text.parse().expect("a number"));
    // In homes of their own, or opening ever larger logs would be most of the work.
    let homes = u64::from(kills).div_ceil(u64::from(KILLS_PER_HOME));
    for home in 0..homes {
        kill_in_one_home(KILLS_PER_HOME, home).await;
    }
}
