//! Whole stories, as text: every `scripts/*.story` is lived line by line.
//!
//! `given` and `when` ask or observe something, `then` says what is so after it. `given` must not
//! be refused; `when` may be, and the `then` lines tell. Text may hold `\r \n \e \xFF`. After the
//! last line, the session is folded again from its first event and must be what it was live.

mod support;

use std::path::Path;

use bytes::Bytes;
use coven_core::{
    Channel, Command, ConversationId, ConversationRequest, Decision, Echo, Effect, Event, Exit,
    FailureCause, InputData, Label, Labels, LaunchRequest, Origin, OrphanReason, OutputEnd,
    Refusal, TermSize, Title,
};
use support::{History, conversation, process, request};

#[test]
fn every_story_comes_true() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut stories: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of stories")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    stories.sort();
    assert!(
        stories.len() >= 15,
        "only {} stories were found",
        stories.len()
    );
    for story in stories {
        let text = std::fs::read_to_string(&story).expect("a story is text");
        let name = story.file_name().expect("a name").to_string_lossy();
        live(&name, &text);
    }
}

fn live(name: &str, text: &str) {
    let mut story = Story::default();
    for (number, line) in text.lines().enumerate() {
        let at = format!("{name}:{}: {line}", number + 1);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (word, rest) = line
            .split_once(' ')
            .unwrap_or_else(|| panic!("{at}: one word only"));
        match word {
            "given" => {
                story.happens(rest, &at);
                assert!(story.answer.is_ok(), "{at}: {:?}", story.answer);
            }
            "when" => story.happens(rest, &at),
            "then" => story.check(rest, &at),
            _ => panic!("{at}: a line begins with given, when or then"),
        }
    }
    let history = story
        .history
        .unwrap_or_else(|| panic!("{name}: nothing happened"));
    assert_eq!(
        history.replayed(),
        history.record,
        "{name}: a replay differs"
    );
}

struct Story {
    history: Option<History>,
    answer: Result<Decision, Refusal>,
}

impl Default for Story {
    fn default() -> Self {
        Self {
            history: None,
            answer: Ok(Decision::nothing()),
        }
    }
}

impl Story {
    fn happens(&mut self, what: &str, at: &str) {
        if let Some(history) = beginning(what, at) {
            assert!(self.history.is_none(), "{at}: it has begun");
            self.history = Some(history);
        } else {
            let history = self
                .history
                .as_mut()
                .unwrap_or_else(|| panic!("{at}: before a launch"));
            self.answer = history.ask(command(what, at));
        }
    }

    fn check(&self, claim: &str, at: &str) {
        let record = &self
            .history
            .as_ref()
            .unwrap_or_else(|| panic!("{at}: too soon"))
            .record;
        let session = &record.session;
        let (subject, rest) = claim.split_once(' ').unwrap_or((claim, ""));
        let found = match subject {
            "recorded" => kinds(&self.answer),
            "done" => effects(&self.answer),
            "refused" => self
                .answer
                .as_ref()
                .err()
                .map_or("not refused".to_owned(), |refusal| {
                    refusal.code().to_string()
                }),
            "status" => session.status().to_string(),
            "phase" => format!("{:?}", session.phase.name()),
            "output_bytes" => session.output_bytes.to_string(),
            "title" => session.title.as_str().to_owned(),
            "labels" => session
                .labels
                .iter()
                .map(Label::as_str)
                .collect::<Vec<_>>()
                .join(" "),
            "exit_code" => shown(session.phase.exit_code()),
            "exit_signal" => shown(session.phase.exit_signal()),
            "process" => shown(session.phase.process().map(|process| process.pid)),
            "identity" => match &session.origin {
                Origin::Launched { identity, .. } => {
                    shown(identity.as_ref().map(ConversationId::as_str))
                }
                Origin::External { .. } => "none".to_owned(),
            },
            "size" => match &session.origin {
                Origin::Launched { size, .. } => format!("{}x{}", size.cols(), size.rows()),
                Origin::External { .. } => "none".to_owned(),
            },
            "typed" => typed(&self.answer),
            "ended" => shown(record.ended_at.map(|_| "yes")),
            "archived" => shown(record.archived_at.map(|_| "yes")),
            _ => panic!("{at}: nothing is known of {subject}"),
        };
        assert_eq!(found, rest, "{at}");
    }
}

/// A line that begins a session, or `None`.
fn beginning(what: &str, at: &str) -> Option<History> {
    let mut words = what.split(' ');
    match words.next() {
        Some("register") => return Some(History::registered()),
        Some("launch") => {}
        _ => return None,
    }
    let mut asked = LaunchRequest {
        launch_mode: Some(words.next().unwrap_or("interactive").to_owned()),
        ..request()
    };
    let mut identity = None;
    while let Some(word) = words.next() {
        let id = words.next().unwrap_or_else(|| panic!("{at}: {word} what?"));
        match word {
            "init" | "resume" => {
                asked.conversation = Some(ConversationRequest {
                    mode: word.to_owned(),
                    id: id.to_owned(),
                });
            }
            "known-as" => identity = Some(conversation(id)),
            _ => panic!("{at}: a launch has no {word}"),
        }
    }
    Some(History::launched(&asked, identity))
}

fn command(what: &str, at: &str) -> Command {
    let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
    let number = || {
        rest.parse()
            .unwrap_or_else(|_| panic!("{at}: not a number"))
    };
    match verb {
        "input" => Command::Input {
            data: bytes(rest, at),
            echo: Echo::Shown,
            id: None,
        },
        "secret" => Command::Input {
            data: bytes(rest, at),
            echo: Echo::Hidden,
            id: None,
        },
        "resize" => {
            let (cols, rows) = rest.split_once('x').expect("COLSxROWS");
            let cells = |side: &str| side.parse().expect("a number of cells");
            Command::Resize {
                size: TermSize::parse(cells(cols), cells(rows)).expect("a size"),
            }
        }
        "kill" => Command::Kill,
        "archive" => Command::Archive,
        "summon" => Command::Summon,
        "delete" => Command::Delete,
        "title" => Command::Edit {
            title: Some(Title::parse(rest).expect("a title")),
            labels: None,
        },
        "labels" => {
            let texts: Vec<_> = rest.split(' ').collect();
            Command::Edit {
                title: None,
                labels: Some(Labels::parse(&texts).expect("labels")),
            }
        }
        "complete" if rest.is_empty() => Command::Complete { exit_code: None },
        "complete" => Command::Complete {
            exit_code: Some(number()),
        },
        "starts" => Command::RecordStart {
            process: process(),
            executable: "/usr/bin/codex".to_owned(),
            argv: vec!["codex".to_owned()],
        },
        "fails-to-start" => Command::RecordLaunchFailure {
            reason: rest.to_owned(),
            cause: FailureCause::Launch,
        },
        "identifies-as" => Command::RecordIdentity {
            conversation: conversation(rest),
        },
        "writes" => Command::RecordOutput {
            channel: Channel::Tty,
            data: bytes(rest, at),
        },
        "stdout" => Command::RecordOutput {
            channel: Channel::Stdout,
            data: bytes(rest, at),
        },
        "stderr" => Command::RecordOutput {
            channel: Channel::Stderr,
            data: bytes(rest, at),
        },
        "output-ends" => Command::RecordOutputEnd {
            end: OutputEnd::Complete,
        },
        "output-is-cut" => Command::RecordOutputEnd {
            end: OutputEnd::Cut,
        },
        "exits" => Command::RecordExit {
            exit: Exit::Code { code: number() },
        },
        "dies-of" => Command::RecordExit {
            exit: Exit::Signal { signal: number() },
        },
        "dies-unseen" => Command::RecordDeath,
        "is-lost" => Command::RecordLoss {
            reason: reason(rest, at),
        },
        _ => panic!("{at}: nobody can {verb}"),
    }
}

fn reason(word: &str, at: &str) -> OrphanReason {
    [
        OrphanReason::EngineDied,
        OrphanReason::Reboot,
        OrphanReason::Shutdown,
        OrphanReason::LaunchInterrupted,
        OrphanReason::ShimDied,
    ]
    .into_iter()
    .find(|reason| reason.as_str() == word)
    .unwrap_or_else(|| panic!("{at}: no such reason"))
}

fn bytes(text: &str, at: &str) -> Bytes {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b'e') => 0x1b,
            Some(b'x') => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).unwrap_or_else(|_| panic!("{at}: \\x{digits}"))
            }
            other => panic!("{at}: \\{other:?}"),
        });
    }
    bytes.into()
}

fn kinds(answer: &Result<Decision, Refusal>) -> String {
    match answer {
        Ok(decision) if decision.events.is_empty() => "nothing".to_owned(),
        Ok(decision) => {
            let kinds: Vec<_> = decision
                .events
                .iter()
                .map(|e| format!("{:?}", e.kind()))
                .collect();
            kinds.join(" ")
        }
        Err(_) => "nothing".to_owned(),
    }
}

/// What the last decision put on record of an input.
fn typed(answer: &Result<Decision, Refusal>) -> String {
    let events = answer.as_ref().map_or(&[][..], |decision| &decision.events);
    match events {
        [
            Event::Input {
                data: InputData::Plain { data },
                ..
            },
        ] => data.escape_ascii().to_string(),
        [
            Event::Input {
                data: InputData::Redacted { len_bytes },
                ..
            },
        ] => format!("{len_bytes} bytes unseen"),
        _ => "nothing".to_owned(),
    }
}

fn effects(answer: &Result<Decision, Refusal>) -> String {
    let effects = answer
        .as_ref()
        .map_or(&[][..], |decision| &decision.effects);
    let names: Vec<_> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Spawn => "Spawn",
            Effect::CancelSpawn => "CancelSpawn",
            Effect::Deliver { .. } => "Deliver",
            Effect::Resize { .. } => "Resize",
            Effect::Terminate { .. } => "Terminate",
        })
        .collect();
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(" ")
    }
}

fn shown<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or("none".to_owned(), |value| value.to_string())
}
