//! Shared by the tests: a store in a folder of its own, and sessions to put in it.
#![allow(dead_code, unreachable_pub)] // each test uses its own part of this

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use coven_core::{
    Actor, Channel, Conversation, ConversationId, ConversationMode, Draft, Envelope, Event, Exit,
    External, ExternalRequest, Labels, Launch, LaunchRequest, OutputEnd, Place, ProcessFacts, Seq,
    SessionId, TermSize, Timestamp,
};
use coven_store::{AppendError, Appended, Batch, NewEvent, Options, ReadLimit, Store, Urgency};

/// [`Options::fold_after`] of a test that is about what is not folded yet, or that copies the files of a log which is
/// open, so that nothing depends on how fast the machine is.
pub const NEVER: Duration = Duration::MAX;

/// A store whose folder goes away with it.
pub struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("coven.redb")
    }

    pub fn journal(&self) -> PathBuf {
        self.dir().join("coven.redb.journal")
    }

    /// The files that are in it now, in a folder of its own.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        for file in fs::read_dir(self.dir()).expect("a folder") {
            let file = file.expect("it is there");
            fs::copy(file.path(), copy.dir().join(file.file_name())).expect("a copy");
        }
        copy
    }

    /// Nothing is folded there but what is enough, or a test has folded.
    pub fn open(&self) -> Store {
        let options = Options {
            fold_after: NEVER,
            ..Options::default()
        };
        Store::open(&self.path(), options).expect("the store opens")
    }
}

/// The size of a read that is to return everything.
pub const ALL: ReadLimit = ReadLimit {
    events: usize::MAX,
    bytes: usize::MAX,
};

pub fn id(text: &str) -> SessionId {
    SessionId::parse(text).expect("an id")
}

pub fn at(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

pub fn actor() -> Actor {
    Actor {
        uid: 1000,
        pid: Some(4242),
        client: Some("coven-cli/0.1".to_owned()),
    }
}

pub fn launch_of(prompt: &str) -> Launch {
    let request = LaunchRequest {
        project_root: Some("/home/someone/project".to_owned()),
        harness: Some("codex".to_owned()),
        prompt: Some(prompt.to_owned()),
        ..LaunchRequest::default()
    };
    let draft = Draft::parse(&request).expect("a well-formed request");
    let place = Place::new("/home/someone/project", "/home/someone/project/src");
    draft.at(place.expect("a place"))
}

pub fn launch_in_conversation(conversation: &str) -> Launch {
    let conversation = ConversationId::parse("id", conversation).expect("an id");
    Launch {
        conversation: Some(Conversation {
            mode: ConversationMode::Init,
            id: conversation.clone(),
        }),
        conversation_id: Some(conversation),
        ..launch_of("go on")
    }
}

pub fn created() -> Event {
    Event::Created {
        launch: Box::new(launch_of("fix the failing tests")),
        boot_id: None,
    }
}

pub fn registered(id: &str) -> Event {
    let request = ExternalRequest {
        id: Some(id.to_owned()),
        project_root: Some("/elsewhere".to_owned()),
        harness: Some("other".to_owned()),
        ..ExternalRequest::default()
    };
    let (_, external): (_, External) = External::parse(&request).expect("well-formed");
    Event::Registered {
        external: Box::new(external),
    }
}

pub fn started() -> Event {
    Event::Started {
        process: ProcessFacts {
            pid: 77,
            start_time: 123_456,
            boot_id: "9b1f0a52-8d29-4b0e-9c59-0f2f6d1f9b11".to_owned(),
            shim_pid: Some(76),
        },
        executable: "/usr/bin/codex".to_owned(),
        argv: vec!["codex".to_owned(), "--".to_owned(), "21".to_owned()],
    }
}

pub fn output(offset: u64, data: impl Into<Bytes>) -> Event {
    Event::Output {
        offset,
        channel: Channel::Tty,
        data: data.into(),
    }
}

/// The oldest output that is left goes, up to `end`.
pub fn trimmed(offset: u64, end: u64) -> Event {
    Event::Trimmed {
        offset,
        len_bytes: end - offset,
        sha256: [7; 32],
    }
}

/// Trims a session whose trimmed output ends at `offset`, up to `end`.
pub async fn trim(store: &Store, session: &str, offset: u64, end: u64) -> Appended {
    let appended = append(store, session, vec![trimmed(offset, end)]).await;
    appended.expect("there is so much")
}

pub fn resized() -> Event {
    Event::Resized {
        size: TermSize::parse(100, 30).expect("a size"),
    }
}

pub fn output_closed() -> Event {
    Event::OutputClosed {
        end: OutputEnd::Complete,
    }
}

pub fn exited(code: i32) -> Event {
    Event::Exited {
        exit: Some(Exit::Code { code }),
        output: OutputEnd::Complete,
    }
}

pub fn labels(texts: &[&str]) -> Labels {
    Labels::parse(texts).expect("labels")
}

/// A batch of events that happened at 1, 2, 3 …, of no urgency in particular.
pub fn batch(session: &str, after: impl Into<Option<Seq>>, events: Vec<Event>) -> Batch {
    Batch {
        session: id(session),
        events: events
            .into_iter()
            .zip(1..)
            .map(|(event, nanos)| NewEvent {
                at: at(nanos),
                actor: None,
                event,
            })
            .collect(),
        after: after.into(),
        urgency: Urgency::Output,
    }
}

pub fn urgent(batch: Batch) -> Batch {
    Batch {
        urgency: Urgency::Control,
        ..batch
    }
}

/// The same, all at one moment.
pub fn batch_at(session: &str, nanos: i64, events: Vec<Event>) -> Batch {
    let mut batch = batch(session, None, events);
    for new in &mut batch.events {
        new.at = at(nanos);
    }
    batch
}

/// Appends events to a session, whatever it has.
pub async fn append(
    store: &Store,
    session: &str,
    events: Vec<Event>,
) -> Result<Appended, AppendError> {
    store.append(batch(session, None, events)).await
}

/// Puts a running session into the store.
pub async fn running(store: &Store, session: &str) -> Appended {
    append(store, session, vec![created(), started()])
        .await
        .expect("a new session")
}

/// Puts a session that has ended into the store.
pub async fn ended(store: &Store, session: &str) -> Appended {
    let events = vec![created(), started(), output_closed(), exited(0)];
    append(store, session, events).await.expect("a new session")
}

/// All places of a file where `what` is. In which of them a page is that is of an older state does not show.
pub fn places_of(what: &[u8], path: &Path) -> Vec<u64> {
    let bytes = std::fs::read(path).expect("a file");
    let windows = (0_u64..).zip(bytes.windows(what.len()));
    let found: Vec<u64> = windows
        .filter(|(_, window)| *window == what)
        .map(|(at, _)| at)
        .collect();
    assert!(!found.is_empty(), "it is nowhere in {}", path.display());
    found
}

pub fn events_of(store: &Store, session: &str) -> Vec<Envelope> {
    store.read(&id(session), Seq::ZERO, ALL).expect("a read")
}

pub fn all_output(store: &Store, session: &str) -> Vec<u8> {
    let chunks = store.output(&id(session), 0, usize::MAX).expect("a read");
    chunks
        .iter()
        .flat_map(|chunk| chunk.data.to_vec())
        .collect()
}

/// Bytes as a terminal program writes them at its worst: any, a lone ESC and invalid UTF-8 among
/// them. The same for the same seed.
pub fn noise(seed: u64, len_bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(len_bytes)
    .collect();
    for (at, byte) in [(0, 0x1b), (1, 0xff), (2, 0xc3)] {
        if at < len_bytes {
            bytes[at] = byte;
        }
    }
    bytes
}
