use bytes::Bytes;
use coven::store::NewEvent;
use coven::{
    Actor, Channel, ConversationId, Envelope, Event, Exit, FailureCause, InputData, InputId,
    Labels, OrphanReason, OutputEnd, ProcessFacts, Record, Seq, SessionId, TermSize, Timestamp,
    Title,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sha2::Digest;

use super::*;
use crate::wire::Time;

fn data() -> impl Strategy<Value = Bytes> {
    let bytes = vec(any::<u8>(), 0..200).prop_map(Bytes::from);
    let text = ".{0,80}".prop_map(|text: String| Bytes::from(text.into_bytes()));
    // The beginning of an emoji, a lone ESC, and half a surrogate.
    let odd = prop::sample::select(vec![
        &b"\xf0\x9f\x98"[..],
        b"\x1b",
        b"\xed\xa0\x80",
        b"",
        b"\0",
    ]);
    prop_oneof![bytes, text, odd.prop_map(Bytes::from_static)]
}

fn event() -> impl Strategy<Value = Event> {
    let channel = prop::sample::select(vec![Channel::Tty, Channel::Stdout, Channel::Stderr]);
    let ends = || prop::sample::select(vec![OutputEnd::Complete, OutputEnd::Cut]);
    let causes = prop::sample::select(vec![FailureCause::Launch, FailureCause::EngineDied]);
    let exit = prop_oneof![
        (0..256).prop_map(|code| Exit::Code { code }),
        (1..65).prop_map(|signal| Exit::Signal { signal }),
    ];
    let texts = || vec(".{0,20}", 0..4);
    let process = (
        any::<u32>(),
        any::<u64>(),
        ".{0,40}",
        option::of(any::<u32>()),
    );
    let named = || option::of(any::<[u8; 16]>().prop_map(InputId));
    prop_oneof![
        (any::<u64>(), channel, data()).prop_map(|(offset, channel, data)| Event::Output {
            offset,
            channel,
            data
        }),
        (data(), named()).prop_map(|(data, id)| Event::Input {
            data: InputData::Plain { data },
            id,
        }),
        (any::<u64>(), named()).prop_map(|(len_bytes, id)| Event::Input {
            data: InputData::Redacted { len_bytes },
            id,
        }),
        (process, ".{0,20}", texts()).prop_map(|(process, executable, argv)| {
            let (pid, start_time, boot_id, shim_pid) = process;
            let process = ProcessFacts {
                pid,
                start_time,
                boot_id,
                shim_pid,
            };
            Event::Started {
                process,
                executable,
                argv,
            }
        }),
        (".{0,80}", causes).prop_map(|(reason, cause)| Event::LaunchFailed { reason, cause }),
        "[a-z ]{1,20}x".prop_map(|id| Event::Identified {
            conversation: ConversationId::parse("id", &id).unwrap()
        }),
        (1..=1000_i64, 1..=1000_i64).prop_map(|(cols, rows)| Event::Resized {
            size: TermSize::parse(cols, rows).unwrap()
        }),
        "[^\\pC\\s][^\\pC]{0,30}".prop_filter_map("a title", |text| {
            let title = Title::parse(&text).ok()?;
            Some(Event::Titled { title })
        }),
        Just(Event::Labelled {
            labels: Labels::parse(&["blue", "a.b:c-d_e"]).unwrap()
        }),
        ends().prop_map(|end| Event::OutputClosed { end }),
        (prop::option::of(exit), ends()).prop_map(|(exit, output)| Event::Exited { exit, output }),
        option::of(any::<i32>()).prop_map(|exit_code| Event::Completed { exit_code }),
        prop::sample::select(OrphanReason::ALL.to_vec())
            .prop_map(|reason| Event::Orphaned { reason }),
        (any::<u64>(), any::<u64>(), any::<[u8; 32]>()).prop_map(|(offset, len_bytes, sha256)| {
            Event::Trimmed {
                offset,
                len_bytes,
                sha256,
            }
        }),
        (any::<[u8; 16]>(), any::<u64>(), option::of(any::<u64>())).prop_map(
            |(id, len_bytes, written_bytes)| Event::Undelivered {
                id: InputId(id),
                len_bytes,
                written_bytes,
            }
        ),
        prop::sample::select(vec![Event::KillRequested, Event::Archived, Event::Summoned]),
    ]
}

fn actor() -> impl Strategy<Value = Option<Actor>> {
    let actor = (
        any::<u32>(),
        option::of(any::<u32>()),
        option::of(".{0,30}"),
    );
    option::of(actor.prop_map(|(uid, pid, client)| Actor { uid, pid, client }))
}

fn envelopes() -> impl Strategy<Value = Vec<Envelope>> {
    vec((any::<i64>(), actor(), event()), 0..12).prop_map(|events| {
        let events = events.into_iter().zip(7..);
        events
            .map(|((at, actor, event), seq)| Envelope {
                seq: Seq::new(seq),
                session: id(),
                at: Timestamp::from_nanos(at),
                actor,
                event,
            })
            .collect()
    })
}

fn id() -> SessionId {
    SessionId::parse("a-session").unwrap()
}

/// Some session: what it is does not matter to the lines of its events.
fn record() -> Record {
    let external = coven::External {
        root: "/elsewhere".to_owned(),
        harness: coven::HarnessId::parse("other").unwrap(),
        title: Title::parse("theirs").unwrap(),
        transcript_path: None,
        labels: Labels::default(),
    };
    let envelope = Envelope {
        seq: Seq::new(1),
        session: id(),
        at: Timestamp::from_nanos(0),
        actor: None,
        event: Event::Registered {
            external: Box::new(external),
        },
    };
    Record::fold(None, &envelope).unwrap()
}

fn export(envelopes: &[Envelope]) -> Vec<u8> {
    let now = Time::from(Timestamp::from_nanos(1));
    let count = envelopes.len() as u64;
    let (mut writer, mut bytes) = Writer::begin(&record(), count, Redaction::Exact, now);
    for envelope in envelopes {
        bytes.extend(writer.event(envelope));
    }
    bytes.extend(writer.end());
    bytes
}

fn read(bytes: &[u8]) -> Result<Vec<NewEvent>, Malformed> {
    let mut reader = Reader::begin(bytes)?;
    let mut events = Vec::new();
    while let Some(event) = reader.next_event()? {
        events.push(event);
    }
    Ok(events)
}

proptest! {
    #[test]
    fn what_is_exported_is_read_back_to_the_last_detail(envelopes in envelopes()) {
        let read = read(&export(&envelopes)).unwrap();
        let told = envelopes.into_iter().map(|envelope| NewEvent {
            at: envelope.at,
            actor: envelope.actor,
            event: envelope.event,
        });
        prop_assert_eq!(read, told.collect::<Vec<_>>());
    }

    #[test]
    fn an_export_in_which_a_byte_is_another_or_is_missing_is_not_taken(
        envelopes in envelopes(),
        at in any::<prop::sample::Index>(),
        byte in 1..=255_u8,
    ) {
        let whole = export(&envelopes);
        let header = 1 + whole.iter().position(|byte| *byte == b'\n').unwrap();
        let at = header + at.index(whole.len() - header);
        let mut other = whole.clone();
        other[at] ^= byte;
        prop_assert!(read(&other).is_err());
        other.remove(at);
        prop_assert!(read(&other).is_err());
        prop_assert!(read(&whole[..at]).is_err());
    }

    #[test]
    fn whatever_bytes_there_are_reading_them_ends_with_an_error(bytes in vec(any::<u8>(), 0..400)) {
        prop_assert!(read(&bytes).is_err());
    }
}

#[test]
fn output_that_the_header_says_was_trimmed_is_not_taken() {
    let said = |offset, len| Envelope {
        seq: Seq::new(9),
        session: id(),
        at: Timestamp::from_nanos(5),
        actor: None,
        event: Event::Output {
            offset,
            channel: Channel::Tty,
            data: Bytes::from(vec![b'x'; len]),
        },
    };
    let with_trimmed = |envelopes: &[Envelope]| {
        let lines = String::from_utf8(export(envelopes)).unwrap();
        lines.replacen("\"trimmedBytes\":0", "\"trimmedBytes\":10", 1)
    };
    // Nor what begins before that and goes beyond it: nobody trims a part of an event.
    for (offset, len) in [(4, 6), (4, 7), (9, 1), (0, 20)] {
        let refused = read(with_trimmed(&[said(10, 5), said(offset, len)]).as_bytes()).unwrap_err();
        assert_eq!(refused.line(), 3);
        assert!(refused.to_string().contains("trimmed"), "{refused}");
    }
    let taken = read(with_trimmed(&[said(10, 5), said(15, 1)]).as_bytes()).unwrap();
    assert_eq!(taken.len(), 2);
}

#[test]
fn a_line_is_what_the_document_says() {
    let envelope = Envelope {
        seq: Seq::new(9),
        session: id(),
        at: Timestamp::from_nanos(5),
        actor: None,
        event: Event::Output {
            offset: 3,
            channel: Channel::Tty,
            data: Bytes::from_static(b"\x1b[0m\xff"),
        },
    };
    let lines = export(&[envelope]);
    let lines: Vec<&str> = std::str::from_utf8(&lines).unwrap().lines().collect();
    let document = include_str!("../../../docs/export-format.md");
    for (line, version) in lines.into_iter().zip([env!("CARGO_PKG_VERSION"), "", ""]) {
        let line = line.replace(
            &format!("\"covenVersion\":\"{version}\""),
            "\"covenVersion\":\"0.1.0\"",
        );
        assert!(document.contains(&line), "{line}");
    }
}

#[test]
fn what_is_read_and_never_written_is_what_the_document_says() {
    let envelope = |event| Envelope {
        seq: Seq::new(9),
        session: id(),
        at: Timestamp::from_nanos(500_000_000),
        actor: None,
        event,
    };
    let process = ProcessFacts {
        pid: 7,
        start_time: 8,
        boot_id: "a-boot".to_owned(),
        shim_pid: None,
    };
    let said = Event::Output {
        offset: 0,
        channel: Channel::Tty,
        data: Bytes::from_static(b"said"),
    };
    let started = Event::Started {
        process,
        executable: "/bin/sh".to_owned(),
        argv: vec!["sh".to_owned()],
    };
    let lines = export(&[envelope(started), envelope(said)]);
    let as_written = read(&lines).unwrap();
    let mut lines: Vec<String> = String::from_utf8(lines)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    for (written, never_written) in [
        ("\"actor\":null,", ""),
        ("\"shimPid\":null,", ""),
        (".500000000Z", ".5Z"),
        ("{\"text\":\"said\"}", "{\"base64\":\"c2FpZA==\"}"),
    ] {
        let is_there = lines.iter().any(|line| line.contains(written));
        assert!(is_there, "{written} in {lines:?}");
        for line in &mut lines[1..3] {
            *line = line.replace(written, never_written);
        }
    }
    let hash = writer::hash_of("a-session")
        .chain_update(&lines[1])
        .chain_update("\n")
        .chain_update(&lines[2])
        .chain_update("\n");
    let hash = data_encoding::HEXLOWER.encode(&hash.finalize());
    lines[3] = format!("{{\"end\":{{\"events\":2,\"sha256\":\"{hash}\"}}}}");
    let lines = format!("{}\n", lines.join("\n"));
    assert_eq!(read(lines.as_bytes()).unwrap(), as_written);
}

#[test]
fn an_output_of_more_than_the_document_says_is_refused() {
    let said = |len| Envelope {
        seq: Seq::new(9),
        session: id(),
        at: Timestamp::from_nanos(5),
        actor: None,
        event: Event::Output {
            offset: 0,
            channel: Channel::Tty,
            data: vec![b'x'; len].into(),
        },
    };
    // With two quotes.
    assert!(read(&export(&[said(59_998)])).is_ok());
    assert!(read(&export(&[said(59_999)])).is_err());
    let document = include_str!("../../../docs/export-format.md");
    assert!(document.contains("at most 60,000 bytes"));
}

#[test]
fn a_line_without_end_is_given_up_before_it_fills_the_memory() {
    let endless = std::io::Read::chain(&b"{\"header\":\""[..], std::io::repeat(b'x'));
    let refused = Reader::begin(std::io::BufReader::new(endless)).unwrap_err();
    assert_eq!(refused.code(), coven::Code::PayloadTooLarge);
    assert_eq!(refused.line(), 1);
}
