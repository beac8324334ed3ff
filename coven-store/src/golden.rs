//! The bytes on disk: every variant of every stored type, and every table, as `tests/format/`
//! has them. What is there was written by a released version and must be read for ever: lines are
//! added to it and never changed. `COVEN_BLESS=1` writes it anew while a format is being made.

mod home;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use coven_core::{
    Channel, Conversation, ConversationId, ConversationMode, Event, EventKind, Exit, External,
    IdempotencyKey, InputData, Launch, LaunchMode, LaunchPolicy, Model, OrphanReason, OutputEnd,
    ProcessFacts, Seq, TermSize, Timestamp, Title,
};
use redb::{Database, ReadableDatabase, ReadableTable, TableHandle};

use crate::cold::segment::Segment;
use crate::file::journal_path;
use crate::layout::{
    BY_CONVERSATION, BY_CREATED, GONE, IDS, LIVE, META, ORDER, OUTPUT, RECORDS, SEGMENTS, SLOTS,
    meta,
};
use crate::stored::Mark;
use crate::test_support::*;
use crate::{Batch, NewEvent, Store, Urgency};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/format/v3.txt");

/// Sessions that between them have every event, with every variant of all it carries, and stand
/// in every phase at the end.
fn histories() -> Vec<(&'static str, Vec<Event>)> {
    let orphaned = |reason| vec![created(), Event::Orphaned { reason }];
    let kill = Event::KillRequested;
    let failed = Event::LaunchFailed {
        reason: "codex: not found".to_owned(),
    };
    vec![
        ("full", full_life()),
        (
            "plain",
            vec![
                created(),
                bare_start(),
                output_closed(),
                exited(3),
                Event::Archived,
                Event::Summoned,
            ],
        ),
        ("never", vec![streamed(), failed.clone()]),
        ("waiting", vec![created()]),
        ("cancelled", vec![created(), kill.clone()]),
        ("called-off", vec![created(), kill.clone(), failed]),
        ("running", vec![created(), started()]),
        ("silent", vec![created(), started(), output_closed()]),
        ("dying", vec![created(), started(), kill.clone()]),
        ("dying-silent", vec![created(), started(), kill, cut()]),
        ("engine-died", orphaned(OrphanReason::EngineDied)),
        ("reboot", orphaned(OrphanReason::Reboot)),
        ("shutdown", orphaned(OrphanReason::Shutdown)),
        ("interrupted", orphaned(OrphanReason::LaunchInterrupted)),
        ("far", vec![registered("far")]),
        (
            "far-done",
            vec![transcribed(), Event::Completed { exit_code: Some(2) }],
        ),
        (
            "far-well",
            vec![registered("far-well"), Event::Completed { exit_code: None }],
        ),
        (
            "trimmed",
            vec![
                created(),
                started(),
                output(0, "old"),
                Event::Trimmed {
                    offset: 0,
                    len_bytes: 3,
                    sha256: [0xab; 32],
                },
                output(3, "new"),
            ],
        ),
        ("imported", orphaned(OrphanReason::Imported)),
        (
            "gone",
            vec![
                created(),
                started(),
                output_closed(),
                exited(0),
                Event::Deleted,
            ],
        ),
    ]
}

fn full_life() -> Vec<Event> {
    let on = |channel, offset, data: &'static [u8]| Event::Output {
        offset,
        channel,
        data: data.into(),
    };
    vec![
        Event::Created {
            launch: Box::new(full_launch()),
        },
        started(),
        Event::Identified {
            conversation: conversation_id("0199a213-81c0-7800-8aa1-bbab2a035a53"),
        },
        on(Channel::Tty, 0, b"\x1b[1mhi\xff\r\n"),
        on(Channel::Stdout, 9, b"{}\n"),
        on(Channel::Stderr, 12, b""),
        Event::Input {
            data: InputData::Plain { data: "y\r".into() },
        },
        Event::Input {
            data: InputData::Redacted { len_bytes: 300 },
        },
        Event::Resized {
            size: TermSize::parse(200, 50).expect("a size"),
        },
        Event::Titled {
            title: Title::parse("Mend the tests").expect("a title"),
        },
        Event::Labelled {
            labels: labels(&["mine", "a:b"]),
        },
        Event::KillRequested,
        cut(),
        Event::Exited {
            exit: Exit::Signal { signal: 15 },
            output: OutputEnd::Cut,
        },
        Event::Archived,
    ]
}

fn full_launch() -> Launch {
    Launch {
        model: Some(Model::parse("openai/gpt-5").expect("a model")),
        mode: LaunchMode::NonInteractive,
        policy: Some(LaunchPolicy {
            add_dirs: vec!["/tmp/out".to_owned()],
        }),
        labels: labels(&["ci"]),
        size: TermSize::parse(100, 30).expect("a size"),
        continues: Some(id("0199a213-81c0-7800-8aa1-bbab2a035a00")),
        idempotency_key: Some(IdempotencyKey::parse("retry-1").expect("a key")),
        environment: vec!["HOME".to_owned(), "PATH".to_owned()],
        ..launch_in_conversation("talk")
    }
}

fn streamed() -> Event {
    let mut launch = launch_in_conversation("talk-2");
    launch.mode = LaunchMode::Stream;
    launch.conversation = Some(Conversation {
        mode: ConversationMode::Resume,
        id: conversation_id("talk-2"),
    });
    Event::Created {
        launch: Box::new(launch),
    }
}

fn bare_start() -> Event {
    Event::Started {
        process: ProcessFacts {
            pid: 1,
            start_time: 0,
            boot_id: "b".to_owned(),
            shim_pid: None,
        },
        executable: "/bin/true".to_owned(),
        argv: Vec::new(),
    }
}

fn transcribed() -> Event {
    let Event::Registered { external } = registered("far-done") else {
        unreachable!("that is what registered() makes")
    };
    Event::Registered {
        external: Box::new(External {
            transcript_path: Some("/elsewhere/log.jsonl".to_owned()),
            labels: labels(&["far"]),
            ..*external
        }),
    }
}

fn cut() -> Event {
    Event::OutputClosed {
        end: OutputEnd::Cut,
    }
}

fn conversation_id(text: &str) -> ConversationId {
    ConversationId::parse("id", text).expect("an id")
}

async fn write(store: &Store) {
    for (session, events) in histories() {
        let new = |(event, nanos): (Event, i64)| NewEvent {
            at: Timestamp::from_nanos(1_763_800_000_000_000_000 + nanos),
            // Asked for by somebody, or nobody, in turn.
            actor: (nanos % 2 == 1).then(actor),
            event,
        };
        let batch = Batch {
            session: id(session),
            events: events.into_iter().zip(1..).map(new).collect(),
            after: Some(Seq::ZERO),
            urgency: Urgency::Control,
        };
        store.append(batch).await.expect("it can happen");
    }
}

/// Every row of a cold file as a line of text: the table, the key, and the value. The events in a
/// segment are lines of their own, since how well it is compressed is nobody's business.
fn dump(path: &Path) -> String {
    let db = Database::open(path).expect("it is closed");
    let txn = db.begin_read().expect("a transaction");
    let mut text = String::new();
    macro_rules! rows {
        ($table:expr, $show:expr) => {
            let table = txn.open_table($table).expect("a table");
            for row in table.iter().expect("rows") {
                let (key, value) = row.expect("a row");
                let (key, value) = (key.value(), $show(value.value()));
                writeln!(text, "{} {key:?} = {value}", $table.name()).expect("a string");
            }
        };
    }
    rows!(META, hex);
    rows!(SLOTS, hex);
    rows!(IDS, |slot| format!("{slot}"));
    rows!(GONE, |seq| format!("{seq}"));
    rows!(SEGMENTS, hex);
    let segments = txn.open_table(SEGMENTS).expect("a table");
    for entry in segments.iter().expect("rows") {
        let (key, bytes) = entry.expect("a row");
        let (slot, first) = key.value();
        let segment = Segment::decode(slot, first, bytes.value()).expect("a segment");
        for row in segment.rows() {
            let (seq, row) = row.expect("an event");
            let seq = seq.get();
            writeln!(text, "events ({slot}, {seq}) = {}", hex(row)).expect("a string");
        }
    }
    rows!(ORDER, hex);
    rows!(RECORDS, hex);
    rows!(BY_CREATED, |row| format!("{row:?}"));
    rows!(BY_CONVERSATION, |()| String::new());
    rows!(LIVE, |()| String::new());
    rows!(OUTPUT, |seq| format!("{seq}"));
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex"))
        .collect()
}

fn golden() -> String {
    std::fs::read_to_string(GOLDEN).expect("the golden file")
}

/// What is the same whenever it is written: no two logs have the same name.
fn is_pinned(line: &&str) -> bool {
    !line.starts_with("segments ") && !line.starts_with("meta \"log\"")
}

#[tokio::test]
async fn every_row_is_written_to_the_bytes_it_always_was() {
    let home = Home::new();
    let store = home.open();
    write(&store).await;
    store.close().await;
    let found = dump(&home.path());
    if std::env::var_os("COVEN_BLESS").is_some() {
        std::fs::write(GOLDEN, &found).expect("the golden file");
    }
    let golden = golden();
    let found: Vec<&str> = found.lines().filter(is_pinned).collect();
    let golden: Vec<&str> = golden.lines().filter(is_pinned).collect();
    for (found, golden) in found.iter().zip(&golden) {
        assert_eq!(found, golden);
    }
    assert_eq!(found.len(), golden.len());
}

#[tokio::test]
async fn the_bytes_that_were_ever_written_are_read_as_what_they_were() {
    let home = Home::new();
    home.open().close().await;
    let db = Database::open(home.path()).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    for line in golden().lines() {
        restore(&txn, line);
    }
    let folded = {
        let meta = txn.open_table(META).expect("a table");
        let folded = meta.get(meta::FOLDED).expect("a read").expect("a row");
        Mark::unseal(folded.value(), meta::FOLDED).expect("a mark")
    };
    txn.commit().expect("a commit");
    drop(db);
    empty_journal(&home, folded);

    let store = home.open();
    let mut expected = Seq::ZERO;
    for (session, events) in histories() {
        let stored = events_of(&store, session);
        if session == "gone" {
            assert_eq!(stored, Vec::new());
            continue;
        }
        let mut stored = stored.iter();
        for (event, nanos) in events.iter().zip(1..) {
            expected = expected.next();
            if *event == output(0, "old") {
                continue;
            }
            let stored = stored.next().expect("it is there");
            assert_eq!(stored.seq, expected);
            assert_eq!(&stored.event, event, "{session}");
            let at = Timestamp::from_nanos(1_763_800_000_000_000_000 + nanos);
            assert_eq!(stored.at, at);
            assert_eq!(stored.actor, (nanos % 2 == 1).then(actor));
        }
        assert_eq!(stored.next(), None, "{session}");
    }
    assert_eq!(store.verify().expect("a read").problems, Vec::new());
    let next = append(&store, "new", vec![created()]).await.expect("new");
    assert_eq!(
        next.first,
        expected.next().next().next().next().next().next()
    );
}

/// Has the journal say that it was emptied up to `mark`.
fn empty_journal(home: &Home, mark: Mark) {
    let db = Database::open(journal_path(&home.path())).expect("it is closed");
    let txn = db.begin_write().expect("a transaction");
    let trimmed = mark.seal(meta::TRIMMED);
    txn.open_table(META)
        .expect("a table")
        .insert(meta::TRIMMED, trimmed.as_slice())
        .expect("a row");
    txn.commit().expect("a commit");
}

/// Writes a row of the log proper, or a record, from its line.
fn restore(txn: &redb::WriteTransaction, line: &str) {
    let (place, value) = line.split_once(" =").expect("a row");
    let value = value.trim();
    let (table, key) = place.split_once(' ').expect("a table and a key");
    let text = key.trim_matches('"');
    let numbers = |text: &str| -> Vec<u64> {
        text.trim_matches(['(', ')'])
            .split(", ")
            .filter_map(|number| number.parse().ok())
            .collect()
    };
    let bytes = || unhex(value);
    macro_rules! put {
        ($table:expr, $key:expr, $value:expr) => {{
            let mut table = txn.open_table($table).expect("a table");
            table.insert($key, $value).expect("a row");
        }};
    }
    match table {
        // That is what the journal beside it belongs to.
        "meta" if text == meta::LOG => {}
        "meta" => put!(META, text, bytes().as_slice()),
        "slots" => put!(SLOTS, numbers(key)[0], bytes().as_slice()),
        "ids" => put!(IDS, text, numbers(value)[0]),
        "gone" => put!(GONE, text, numbers(value)[0]),
        "segments" => {
            let key = numbers(key);
            put!(SEGMENTS, (key[0], key[1]), bytes().as_slice());
        }
        "events" => {}
        "order" => put!(ORDER, numbers(key)[0], bytes().as_slice()),
        "records" => put!(RECORDS, numbers(key)[0], bytes().as_slice()),
        "by_created" => {
            let (nanos, id) = key.trim_matches(['(', ')']).split_once(", ").expect("two");
            let (slot, archived) = value
                .trim_matches(['(', ')'])
                .split_once(", ")
                .expect("two");
            put!(
                BY_CREATED,
                (nanos.parse().expect("nanos"), id.trim_matches('"')),
                (slot.parse().expect("a slot"), archived == "true")
            );
        }
        "by_conversation" => {
            let parts: Vec<&str> = key.trim_matches(['(', ')']).split(", ").collect();
            let [harness, conversation, slot] = parts[..] else {
                panic!("{line}")
            };
            put!(
                BY_CONVERSATION,
                (
                    harness.trim_matches('"'),
                    conversation.trim_matches('"'),
                    slot.parse().expect("a slot")
                ),
                ()
            );
        }
        "live" => put!(LIVE, numbers(key)[0], ()),
        "output" => {
            let key = numbers(key);
            put!(OUTPUT, (key[0], key[1]), numbers(value)[0]);
        }
        other => panic!("a table {other} in {line}"),
    }
}

#[test]
fn every_kind_of_event_is_pinned() {
    let pinned: BTreeSet<String> = histories()
        .iter()
        .flat_map(|(_, events)| events)
        .map(|event| format!("{:?}", event.kind()))
        .collect();
    let all = EventKind::ALL.map(|kind| format!("{kind:?}"));
    assert_eq!(pinned, BTreeSet::from(all));
}
