//! Killed at any moment, the log has every event it acknowledged, once.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use coven_core::{Event, Seq};
use coven_store::{Import, NewEvent, Options, Store};
use support::*;

/// Tells the child, which is this same program, where the log is and which round it is.
const CHILD: &str = "COVEN_STORE_CRASH_CHILD";

/// Says how many times to kill.
const KILLS: &str = "COVEN_STORE_KILLS";

const KILLS_PER_HOME: u32 = 20;

/// Must be even: the last one is looked after.
const _: () = assert!(KILLS_PER_HOME.is_multiple_of(2));

/// Where the database says of its file whether it was closed, and how.
const FLAGS_AT: usize = 9;
const NOT_CLOSED: u8 = 2;

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

/// The session that loses its oldest output again and again.
const TRIMMED: u64 = 1;

/// The one that ends again and again, and is deleted.
const DELETED: u64 = 2;

/// Bytes of output that a session has that is imported, in events of so many.
const IMPORTED: (u64, u64) = (1_200_000, 40_000);

/// What the log said it has of each session.
type Acked = BTreeMap<String, Told>;

#[derive(Clone, Copy, Debug, Default)]
struct Told {
    /// Its last Seq.
    seq: u64,
    /// Where its output begins and ends.
    trimmed: u64,
    end: u64,
    deletion: Deletion,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Deletion {
    #[default]
    None,
    Asked,
    Done,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other test runs it, to kill it"]
async fn writes_until_it_is_killed() {
    let Ok(place) = std::env::var(CHILD) else {
        return;
    };
    let (round, path) = place.split_once(':').expect("a round and a path");
    let path = PathBuf::from(path);
    // A fold for every few commits, so that many are killed in the middle of one.
    let options = Options {
        fold_bytes: 50_000,
        ..Options::default()
    };
    if imports(round.parse().expect("a number")) {
        import(&path, options, &format!("{round}-{SESSIONS}"));
    }
    tell(format_args!("opening"));
    let store = Store::open(&path, options).expect("it opens");
    tell(format_args!("opened"));
    let writers: Vec<_> = (0..SESSIONS)
        .map(|n| tokio::spawn(write_for_ever(store.clone(), format!("{round}-{n}"), n)))
        .collect();
    for writer in writers {
        writer.await.expect("no panic");
    }
}

/// Whether a round begins with an import.
const fn imports(round: u32) -> bool {
    round.is_multiple_of(3)
}

fn import(path: &Path, options: Options, session: &str) {
    let words = words(SESSIONS);
    let (all, each) = IMPORTED;
    tell(format_args!("importing {session}"));
    let mut import = Import::begin(path, options, id(session)).expect("the log is closed");
    let outputs =
        (0..all / each).map(|n| output(n * each, written(&words, n * each, each as usize)));
    let events = [created(), started()].into_iter().chain(outputs);
    for event in events.chain([output_closed(), exited(0)]) {
        let new = NewEvent {
            at: at(1),
            actor: None,
            event,
        };
        import.push(&new).expect("it follows");
    }
    let seq = import.commit().expect("it is whole").last_seq;
    tell(format_args!("acked {session} {seq} 0 {all}"));
}

/// One write, so that a line is told whole or is the last.
fn tell(line: std::fmt::Arguments<'_>) {
    let told = std::io::stdout().write_all(format!("{line}\n").as_bytes());
    told.expect("somebody listens");
}

async fn write_for_ever(store: Store, name: String, n: u64) {
    for life in 0_u64.. {
        let session = match n {
            DELETED => format!("{name}-{life}"),
            _ => name.clone(),
        };
        let turns = if n == DELETED { 5 } else { u64::MAX };
        write(&store, &session, n, turns).await;
        tell(format_args!("deleting {session}"));
        let end = vec![output_closed(), exited(0), Event::Deleted];
        append(&store, &session, end).await.expect("it ran");
        tell(format_args!("deleted {session}"));
    }
}

async fn write(store: &Store, session: &str, n: u64, turns: u64) {
    let words = words(n);
    let mut last = running(store, session).await.last;
    let (mut trimmed_bytes, mut offset) = (0, 0);
    for turn in 0..turns {
        // Small and large, one event and several.
        let sizes: Vec<usize> = match (turn + n) % 4 {
            0 => vec![1],
            1 => vec![100, 3000],
            2 => vec![40_000],
            _ => vec![700; 20],
        };
        let mut events = Vec::new();
        if n == TRIMMED && turn % 5 == 4 {
            events.push(trimmed(trimmed_bytes, offset));
            trimmed_bytes = offset;
        }
        for len_bytes in sizes {
            events.push(output(offset, written(&words, offset, len_bytes)));
            offset += len_bytes as u64;
        }
        let appended = store.append(batch(session, last, events)).await;
        last = appended.expect("nobody else writes to it").last;
        tell(format_args!(
            "acked {session} {last} {trimmed_bytes} {offset}"
        ));
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

/// What a child told before it was killed.
#[derive(Default)]
struct Heard {
    acked: Acked,
    has_opened: bool,
}

/// Lets the child go on until it has told so many things and for so long after that, kills it, and hears
/// the rest.
fn kill_after(mut child: Child, lines: usize, after: Duration) -> Heard {
    let told = BufReader::new(child.stdout.take().expect("it was piped"));
    let (mut all, mut heard) = (Heard::default(), 0);
    for line in told.lines() {
        let line = line.expect("text");
        let words: Vec<&str> = line.split(' ').collect();
        // The test harness's own lines are in between, and the last one may be cut short.
        match words[..] {
            ["acked", session, seq, trimmed, end] => {
                let (Ok(seq), Ok(trimmed), Ok(end)) = (seq.parse(), trimmed.parse(), end.parse())
                else {
                    continue;
                };
                let told = all.acked.entry(session.to_owned()).or_default();
                (told.seq, told.trimmed, told.end) = (seq, trimmed, end);
            }
            ["deleting", session] => {
                all.acked.entry(session.to_owned()).or_default().deletion = Deletion::Asked;
            }
            ["deleted", session] => {
                all.acked.entry(session.to_owned()).or_default().deletion = Deletion::Done;
            }
            ["opened"] => all.has_opened = true,
            ["importing", _] | ["opening"] => {}
            _ => continue,
        }
        heard += 1;
        if heard == lines {
            // Not to wait for anything: this is the moment, and any will do.
            thread::sleep(after);
            child.kill().expect("it runs");
        }
    }
    child.wait().expect("it is over");
    assert!(heard >= lines, "the child ended by itself after {heard}");
    all
}

/// Looks whether a session has all that was acknowledged, and nothing that was not written.
fn check(store: &Store, session: &str, told: Told) {
    let record = store.record(&id(session)).expect("a read");
    let record = match (record, told.deletion) {
        (Some(record), Deletion::None | Deletion::Asked) => record,
        (None, Deletion::Asked | Deletion::Done) => {
            assert_eq!(events_of(store, session), [], "{session}");
            return;
        }
        (None, Deletion::None) => panic!("{session} was acked"),
        (Some(_), Deletion::Done) => panic!("{session} was deleted"),
    };
    assert!(record.last_seq >= Seq::new(told.seq), "{session}");
    let kept = &record.session;
    let (output_bytes, trimmed_bytes) = (kept.output_bytes, kept.trimmed_bytes);
    assert!(output_bytes >= told.end, "{session}");
    assert!(trimmed_bytes >= told.trimmed, "{session}");
    let n = session.split('-').nth(1).expect("a round and a number");
    let words = words(n.parse().expect("a number"));
    let output = all_output(store, session);
    assert_eq!(
        trimmed_bytes + output.len() as u64,
        output_bytes,
        "{session}"
    );
    let expected = written(&words, trimmed_bytes, output.len());
    assert!(output == expected, "{session}");
    let events = events_of(store, session);
    let outputs = events
        .iter()
        .filter(|it| matches!(it.event, Event::Output { .. }));
    let mut next = trimmed_bytes;
    for envelope in outputs {
        let Event::Output { offset, data, .. } = &envelope.event else {
            continue;
        };
        assert_eq!(*offset, next, "once each, in order: {session}");
        next += data.len() as u64;
    }
}

/// Looks whether what may have been imported is there whole or not at all.
fn check_import(store: &Store, round: u32) {
    let session = format!("{round}-{SESSIONS}");
    if store.record(&id(&session)).expect("a read").is_some() {
        let told = Told {
            end: IMPORTED.0,
            ..Told::default()
        };
        check(store, &session, told);
    }
}

/// Whether a child begins with what the one before it left when it was killed; before any other, the log
/// was opened, looked at and closed.
const fn begins_with_what_was_left(round: u32) -> bool {
    round % 2 == 1
}

/// After how many things that a child told it is killed.
fn lines(round: u32, moment: u8) -> usize {
    match round % 6 {
        // While it opens what was left.
        1 => 1,
        // In the middle of an import.
        3 => 1,
        // Some are killed before their first commit is old, some in the middle of many.
        _ => 3 + usize::from(moment) % 48,
    }
}

/// Whether a file of the log was not closed since it was written to: who opens it puts it in order.
fn is_left_open(path: &Path) -> bool {
    let first = std::fs::read(path).expect("it is there");
    first[FLAGS_AT] & NOT_CLOSED != 0
}

/// How the logs were that children began with.
#[derive(Clone, Copy, Debug, Default)]
struct Begun {
    /// Not closed.
    left_open: u32,
    /// Not closed, and killed before it was open.
    killed_again: u32,
}

/// Kills writers of one home, one after the other, looks after every other one whether its sessions have
/// what was acknowledged, and those of the one before it, and in the end whether all have.
async fn kill_in_one_home(kills: u32, seed: u64) -> Begun {
    let home = Home::new();
    let moments = noise(seed, 2 * kills as usize);
    let (mut all, mut unseen) = (Acked::new(), Acked::new());
    let (mut last, mut begun) = (0, Begun::default());
    for (round, moment) in (0..kills).zip(moments.chunks(2)) {
        let lines = lines(round, moment[0]);
        // However long it takes to open what was left.
        let spread = if lines == 1 { 64 } else { 16 };
        let after = Duration::from_micros(u64::from(moment[1]) * spread);
        let is_left_open = begins_with_what_was_left(round)
            && [home.path(), home.journal()]
                .iter()
                .any(|file| is_left_open(file));
        let heard = kill_after(start_child(&home, round), lines, after);
        begun.left_open += u32::from(is_left_open);
        let is_killed_again = !imports(round) && !heard.has_opened;
        begun.killed_again += u32::from(is_left_open && is_killed_again);
        unseen.extend(heard.acked);
        if begins_with_what_was_left(round + 1) {
            continue;
        }
        let store = home.open();
        let newest = unseen.values().map(|told| told.seq).max().unwrap_or(0);
        assert!(store.last_seq().get() >= newest.max(last), "Seqs only grow");
        last = store.last_seq().get();
        for (session, told) in &unseen {
            check(&store, session, *told);
        }
        for round in [round - 1, round] {
            if imports(round) {
                check_import(&store, round);
            }
        }
        all.append(&mut unseen);
        store.close().await;
    }
    let store = home.open();
    for (session, told) in &all {
        check(&store, session, *told);
    }
    let seqs = store.read_all(Seq::ZERO, ALL).expect("a read");
    let seqs = seqs.iter().map(|it| it.seq.get());
    assert!(
        seqs.clone().is_sorted_by(|one, next| one < next),
        "each once"
    );
    assert_eq!(seqs.last(), Some(last));
    let problems = store.verify().expect("a read").problems;
    assert_eq!(problems, Vec::new());
    store.close().await;
    begun
}

/// `COVEN_STORE_KILLS=5000 cargo test -p coven-store --test crash` kills as often as that.
#[tokio::test]
async fn after_kill_minus_9_every_acked_event_is_there_once() {
    let kills = std::env::var(KILLS).map_or(200_u32, |text| text.parse().expect("a number"));
    // In homes of their own, or opening ever larger logs would be most of the work.
    let homes = u64::from(kills).div_ceil(u64::from(KILLS_PER_HOME));
    let mut begun = Begun::default();
    for home in 0..homes {
        let more = kill_in_one_home(KILLS_PER_HOME, home).await;
        begun.left_open += more.left_open;
        begun.killed_again += more.killed_again;
    }
    println!("{begun:?}");
    assert!(begun.killed_again > 0, "{begun:?}");
    assert!(begun.left_open > begun.killed_again, "{begun:?}");
}
