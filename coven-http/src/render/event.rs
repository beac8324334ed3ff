//! An event for the wire: every stored event is one event there, or none.

use coven::{Envelope, InputData};

use crate::limits;
use crate::wire::{
    Channel, Event, Exit, ExitStatus, Identified, Input, LabelsChange, Output, OutputEnd, Payload,
    Size, StatusChange, TitleChange, Trim, Undelivered, event,
};

/// The event for the wire; `None` for one that says nothing to clients.
pub(crate) fn event(envelope: &Envelope) -> Option<Event> {
    let payload = payload(&envelope.event)?;
    Some(Event {
        seq: envelope.seq.get(),
        id: event::id(envelope.seq),
        session_id: envelope.session.as_str().to_owned(),
        kind: payload.kind()?.to_owned(),
        payload_json: payload.to_json(),
        created_at: envelope.at.into(),
    })
}

fn payload(event: &coven::Event) -> Option<Payload> {
    Some(match event {
        coven::Event::Created { .. } => Payload::Status(StatusChange::Created),
        coven::Event::Registered { .. } => Payload::Status(StatusChange::Running { pid: None }),
        coven::Event::Started { process, .. } => Payload::Status(StatusChange::Running {
            pid: Some(process.pid),
        }),
        coven::Event::LaunchFailed { reason, cause } => Payload::Exit(Exit {
            reason: Some(beginning(reason).to_owned()),
            cause: cause.word().map(str::to_owned),
            ..failed(OutputEnd::Complete)
        }),
        coven::Event::Identified { conversation } => Payload::Identified(Identified {
            harness_conversation_id: conversation.as_str().to_owned(),
        }),
        coven::Event::Output {
            offset,
            channel,
            data,
        } => Payload::Output(Output {
            data: String::from_utf8_lossy(data).into_owned(),
            offset: *offset,
            bytes: data.len() as u64,
            channel: self::channel(*channel),
        }),
        coven::Event::Input { data, id } => Payload::Input(Input {
            id: id.map(|id| id.to_string()),
            ..input(data)
        }),
        coven::Event::Resized { size } => Payload::Resize(Size {
            cols: size.cols(),
            rows: size.rows(),
        }),
        coven::Event::Titled { title } => Payload::Title(TitleChange {
            title: title.as_str().to_owned(),
        }),
        coven::Event::Labelled { labels } => Payload::Labels(LabelsChange {
            labels: labels
                .iter()
                .map(|label| label.as_str().to_owned())
                .collect(),
        }),
        coven::Event::KillRequested => Payload::Kill,
        // Said again by the exit event, which is never far.
        coven::Event::OutputClosed { .. } => return None,
        coven::Event::Exited { exit, output } => Payload::Exit(exited(*exit, *output)),
        coven::Event::Completed { exit_code } => Payload::Exit(Exit {
            exit_code: *exit_code,
            ..of_code(exit_code.unwrap_or(0), OutputEnd::Complete)
        }),
        coven::Event::Orphaned { reason } => Payload::Status(StatusChange::Orphaned {
            reason: reason.as_str().to_owned(),
        }),
        coven::Event::Archived => Payload::Archived,
        coven::Event::Summoned => Payload::Summoned,
        coven::Event::Deleted => Payload::Deleted,
        coven::Event::Trimmed {
            offset,
            len_bytes,
            sha256,
        } => Payload::Trimmed(Trim {
            offset: *offset,
            bytes: *len_bytes,
            sha256: hex(sha256),
        }),
        coven::Event::Undelivered {
            id,
            len_bytes,
            written_bytes,
        } => Payload::Undelivered(Undelivered {
            id: id.to_string(),
            bytes: *len_bytes,
            written: *written_bytes,
        }),
    })
}

fn input(data: &InputData) -> Input {
    match data {
        InputData::Plain { data } => {
            let text = String::from_utf8_lossy(data);
            let shown = beginning(&text);
            let truncated = shown.len() < text.len();
            Input {
                data: shown.to_owned(),
                redacted: false,
                truncated,
                bytes: truncated.then_some(data.len() as u64),
                id: None,
            }
        }
        InputData::Redacted { len_bytes } => Input {
            data: String::new(),
            redacted: true,
            truncated: false,
            bytes: Some(*len_bytes),
            id: None,
        },
    }
}

fn exited(exit: Option<coven::Exit>, output: coven::OutputEnd) -> Exit {
    let output = match output {
        coven::OutputEnd::Complete => OutputEnd::Complete,
        coven::OutputEnd::Cut => OutputEnd::Cut,
    };
    match exit {
        Some(coven::Exit::Code { code }) => of_code(code, output),
        Some(coven::Exit::Signal { signal }) => Exit {
            signal: Some(signal),
            ..failed(output)
        },
        None => failed(output),
    }
}

fn of_code(code: i32, output: OutputEnd) -> Exit {
    Exit {
        status: if code == 0 {
            ExitStatus::Completed
        } else {
            ExitStatus::Failed
        },
        exit_code: Some(code),
        ..failed(output)
    }
}

const fn failed(output: OutputEnd) -> Exit {
    Exit {
        status: ExitStatus::Failed,
        exit_code: None,
        signal: None,
        reason: None,
        cause: None,
        output,
    }
}

const fn channel(channel: coven::Channel) -> Channel {
    match channel {
        coven::Channel::Tty => Channel::Tty,
        coven::Channel::Stdout => Channel::Stdout,
        coven::Channel::Stderr => Channel::Stderr,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As much of a text as fits a payload when it is written as JSON.
fn beginning(text: &str) -> &str {
    // Room for the other fields.
    let budget = limits::MAX_PAYLOAD_BYTES - 200;
    let mut encoded = 0;
    for (at, c) in text.char_indices() {
        encoded += match c {
            '"' | '\\' => 2,
            '\0'..='\x1F' => 6,
            _ => c.len_utf8(),
        };
        if encoded > budget {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use coven::{
        Exit as Ended, InputId, OrphanReason, OutputEnd as End, Seq, SessionId, Timestamp,
    };

    use super::*;

    fn wire(event: coven::Event) -> Option<(String, String)> {
        let envelope = Envelope {
            seq: Seq::new(7),
            session: SessionId::parse("s").unwrap(),
            at: Timestamp::from_nanos(1),
            actor: None,
            event,
        };
        super::event(&envelope).map(|event| {
            assert_eq!((event.seq, event.id.as_str()), (7, "ev-7"));
            assert_eq!(
                event.created_at.to_string(),
                "1970-01-01T00:00:00.000000001Z"
            );
            (event.kind, event.payload_json)
        })
    }

    fn is(event: coven::Event, kind: &str, payload: &str) {
        assert_eq!(wire(event), Some((kind.to_owned(), payload.to_owned())));
    }

    #[test]
    fn each_event_has_the_kind_and_payload_of_the_contract() {
        is(
            coven::Event::Output {
                offset: 5,
                channel: coven::Channel::Tty,
                data: Bytes::from_static(b"a\x1b[0m\xffz"),
            },
            "output",
            r#"{"data":"a\u001b[0m�z","offset":5,"bytes":7,"channel":"tty"}"#,
        );
        is(
            coven::Event::Input {
                data: InputData::Plain {
                    data: Bytes::from_static(b"y\r"),
                },
                id: None,
            },
            "input",
            r#"{"data":"y\r"}"#,
        );
        is(
            coven::Event::Input {
                data: InputData::Redacted { len_bytes: 8 },
                id: None,
            },
            "input",
            r#"{"data":"","redacted":true,"bytes":8}"#,
        );
        let id = InputId([0x1d; 16]);
        let name = "1d".repeat(16);
        is(
            coven::Event::Input {
                data: InputData::Redacted { len_bytes: 8 },
                id: Some(id),
            },
            "input",
            &format!(r#"{{"data":"","redacted":true,"bytes":8,"id":"{name}"}}"#),
        );
        for (written_bytes, written) in [(Some(3), "3"), (None, "null")] {
            is(
                coven::Event::Undelivered {
                    id,
                    len_bytes: 8,
                    written_bytes,
                },
                "undelivered",
                &format!(r#"{{"id":"{name}","bytes":8,"written":{written}}}"#),
            );
        }
        is(
            coven::Event::KillRequested,
            "kill",
            r#"{"status":"killed"}"#,
        );
        is(
            coven::Event::LaunchFailed {
                reason: "no such program".to_owned(),
                cause: coven::FailureCause::Launch,
            },
            "exit",
            r#"{"status":"failed","exitCode":null,"reason":"no such program","output":"complete"}"#,
        );
        is(
            coven::Event::LaunchFailed {
                reason: "its daemon ended".to_owned(),
                cause: coven::FailureCause::EngineDied,
            },
            "exit",
            r#"{"status":"failed","exitCode":null,"reason":"its daemon ended","cause":"engine_died","output":"complete"}"#,
        );
        is(
            coven::Event::Orphaned {
                reason: OrphanReason::Reboot,
            },
            "status",
            r#"{"status":"orphaned","reason":"reboot"}"#,
        );
        is(
            coven::Event::Completed { exit_code: None },
            "exit",
            r#"{"status":"completed","exitCode":null,"output":"complete"}"#,
        );
        is(coven::Event::Archived, "archived", "{}");
        is(coven::Event::Deleted, "deleted", "{}");
        is(
            coven::Event::Trimmed {
                offset: 5,
                len_bytes: 7,
                sha256: [0x0a; 32],
            },
            "trimmed",
            &format!(r#"{{"offset":5,"bytes":7,"sha256":"{}"}}"#, "0a".repeat(32)),
        );
        assert_eq!(wire(coven::Event::OutputClosed { end: End::Cut }), None);
    }

    #[test]
    fn an_exit_tells_its_code_or_its_signal_where_one_was_seen_and_how_output_ended() {
        for (exit, output, payload) in [
            (
                Some(Ended::Code { code: 0 }),
                End::Complete,
                r#"{"status":"completed","exitCode":0,"output":"complete"}"#,
            ),
            (
                Some(Ended::Code { code: 3 }),
                End::Cut,
                r#"{"status":"failed","exitCode":3,"output":"cut"}"#,
            ),
            (
                Some(Ended::Signal { signal: 9 }),
                End::Complete,
                r#"{"status":"failed","exitCode":null,"signal":9,"output":"complete"}"#,
            ),
            (
                None,
                End::Cut,
                r#"{"status":"failed","exitCode":null,"output":"cut"}"#,
            ),
        ] {
            is(coven::Event::Exited { exit, output }, "exit", payload);
        }
    }

    #[test]
    fn an_input_too_long_for_one_event_is_shown_in_part_and_says_so() {
        let typed = "\u{1b}é\"".repeat(100_000);
        let (_, payload) = wire(coven::Event::Input {
            data: InputData::Plain {
                data: Bytes::from(typed.clone()),
            },
            id: None,
        })
        .unwrap();
        assert!(payload.len() <= limits::MAX_PAYLOAD_BYTES);
        let Payload::Input(input) = Payload::parse("input", &payload) else {
            panic!("not an input: {payload}")
        };
        assert!(input.truncated && typed.starts_with(&input.data) && input.data.len() > 20_000);
        assert_eq!(input.bytes, Some(typed.len() as u64));
    }

    #[test]
    fn a_payload_of_a_newer_daemon_is_kept_as_it_is() {
        for (kind, json) in [("weather", r#"{"sun":1}"#), ("output", r#"{"data":7}"#)] {
            let Payload::Other { json: kept } = Payload::parse(kind, json) else {
                panic!("{kind} was understood")
            };
            assert_eq!(kept.to_string(), json);
        }
    }
}
