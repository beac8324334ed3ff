use bytes::Bytes;
use coven::{OutputEnd, Seq, SessionId, Timestamp};

use super::*;

fn preview(events: impl IntoIterator<Item = Event>) -> Vec<LogLine> {
    let mut preview = Preview::default();
    for (at, event) in events.into_iter().enumerate() {
        preview.take(&Envelope {
            seq: Seq::new(at as u64 + 1),
            session: SessionId::parse("s").unwrap(),
            at: Timestamp::from_nanos(at as i64),
            actor: None,
            event,
        });
    }
    preview.finish()
}

fn output(data: &[u8]) -> Event {
    Event::Output {
        offset: 0,
        channel: Channel::Tty,
        data: Bytes::copy_from_slice(data),
    }
}

fn input(data: &str) -> Event {
    Event::Input {
        data: InputData::Plain {
            data: Bytes::copy_from_slice(data.as_bytes()),
        },
        id: None,
    }
}

fn messages(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|line| line.message.as_str()).collect()
}

#[test]
fn output_is_told_in_lines_without_control_sequences_however_it_is_cut() {
    let written =
        "\x1b[1;31mré\x1b]0;title\x07d\x1b[0m one\r\ntwo\x1b[2;1Hthree \u{1F642}\n\n  \nfour";
    for size in 1..written.len() {
        let pieces = written.as_bytes().chunks(size).map(output);
        let lines = preview(pieces);
        assert_eq!(
            messages(&lines),
            ["réd one", "two", "three \u{1F642}", "four"],
            "in pieces of {size}"
        );
    }
}

#[test]
fn a_secret_that_is_cut_over_two_events_is_hidden() {
    let secret = format!("sk-{}", "aB3".repeat(12));
    let (one, two) = secret.split_at(9);
    let lines = preview([
        output(b"key: "),
        output(one.as_bytes()),
        output(two.as_bytes()),
    ]);
    assert_eq!(messages(&lines), ["key: [redacted]"]);
}

#[test]
fn input_begins_with_a_mark_and_the_end_of_the_session_is_told() {
    let lines = preview([
        input("fix it\r"),
        Event::Input {
            data: InputData::Redacted { len_bytes: 9 },
            id: None,
        },
        Event::KillRequested,
        Event::Exited {
            exit: Some(Exit::Signal { signal: 15 }),
            output: OutputEnd::Complete,
        },
    ]);
    assert_eq!(
        messages(&lines),
        [
            "> fix it",
            "> [redacted: 9 bytes]",
            "kill requested",
            "ended by signal 15"
        ]
    );
    assert_eq!(lines[0].level, LogLevel::Tool);
    assert_eq!(lines[3].level, LogLevel::Error);
}

#[test]
fn a_long_line_is_cut_at_240_characters() {
    let lines = preview([output("é".repeat(300).as_bytes())]);
    assert_eq!(lines[0].message, format!("{}...", "é".repeat(240)));
    let lines = preview([output("é".repeat(240).as_bytes())]);
    assert_eq!(lines[0].message, "é".repeat(240));
}

#[test]
fn the_newest_lines_that_fit_are_kept() {
    let lines =
        preview((0..20_000).map(|n| output(format!("{n} {}\n", "\"x".repeat(100)).as_bytes())));
    let json = serde_json::to_vec(&lines).unwrap();
    assert!(json.len() <= limits::MAX_PLAIN_ANSWER_BYTES);
    assert!(json.len() > limits::MAX_PLAIN_ANSWER_BYTES - 1000);
    assert!(lines.last().unwrap().message.starts_with("19999 "));
}
