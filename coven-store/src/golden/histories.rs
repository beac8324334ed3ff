//! What is written: sessions that between them have everything.

use coven_core::{
    Channel, Conversation, ConversationId, ConversationMode, Event, Exit, External, FailureCause,
    IdempotencyKey, InputData, InputId, Launch, LaunchMode, LaunchPolicy, Model, OrphanReason,
    OutputEnd, ProcessFacts, Seq, TermSize, Timestamp, Title,
};

use crate::test_support::*;
use crate::{Batch, NewEvent, Store, Urgency};

/// Sessions that between them have every event, with every variant of all it carries, and stand
/// in every phase at the end.
pub(super) fn histories() -> Vec<(&'static str, Vec<Event>)> {
    let orphaned = |reason| vec![created(), Event::Orphaned { reason }];
    let kill = Event::KillRequested;
    let failed = Event::LaunchFailed {
        reason: "codex: not found".to_owned(),
        cause: FailureCause::Launch,
    };
    let cut_short = Event::LaunchFailed {
        reason: "its daemon ended".to_owned(),
        cause: FailureCause::EngineDied,
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
        (
            "dying-silent",
            vec![created(), started(), kill.clone(), cut()],
        ),
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
        ("shim-died", orphaned(OrphanReason::ShimDied)),
        (
            "named-input",
            vec![created(), started(), typed("y\r"), secret()],
        ),
        ("unseen", vec![created(), started(), kill, cut(), unseen()]),
        (
            "undelivered",
            vec![
                created(),
                started(),
                typed("y\r"),
                undelivered(Some(1)),
                undelivered(None),
            ],
        ),
        ("in-boot", vec![created_in_boot()]),
        ("cut-short", vec![created_in_boot(), cut_short]),
    ]
}

fn typed(text: &'static str) -> Event {
    Event::Input {
        data: InputData::Plain { data: text.into() },
        id: Some(InputId([0x1d; 16])),
    }
}

fn undelivered(written_bytes: Option<u64>) -> Event {
    Event::Undelivered {
        id: InputId([0x1d; 16]),
        len_bytes: 2,
        written_bytes,
    }
}

fn unseen() -> Event {
    Event::Exited {
        exit: None,
        output: OutputEnd::Cut,
    }
}

fn secret() -> Event {
    Event::Input {
        data: InputData::Redacted { len_bytes: 8 },
        id: Some(InputId(*b"a name of sixtee")),
    }
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
            boot_id: None,
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
            id: None,
        },
        Event::Input {
            data: InputData::Redacted { len_bytes: 300 },
            id: None,
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
            exit: Some(Exit::Signal { signal: 15 }),
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
        boot_id: None,
    }
}

fn created_in_boot() -> Event {
    Event::Created {
        launch: Box::new(launch_of("fix the failing tests")),
        boot_id: Some("3e6b0d0c-8a52-4b0f-9d5e-2f1f6f0c7a11".to_owned()),
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

pub(super) async fn write(store: &Store) {
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
