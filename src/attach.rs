//! What a viewer's terminal needs before it goes live.
//!
//! There is no screen to show yet, so a view is the modes the terminal was in, and the last output
//! from there on, less the queries in it: an old query would make the viewer's terminal type an
//! answer into the agent.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use coven_core::{Origin, Record, Seq, SessionId, TermSize};
use coven_harness::terminal::{Listener, ToViewer, resume_point};
use coven_store::ReadError;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::Error;
use crate::running::Message;
use crate::shared::{Shared, blocking};

/// Bytes of output a viewer is shown at first: some screens of text, or of a program's frames.
const TAIL_BYTES: u64 = 32 * 1024;

/// Output of which there may be no remembered state before its tail: what one commit carries, and more.
const UNREMEMBERED_BYTES: u64 = 8 << 20;

/// How long a session may take to say what its terminal is like, as while its log is heard again, or cannot be read:
/// less than a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// Bytes of output from one remembered state of the modes to the next.
const STATE_BYTES: u64 = 4 * 1024;

/// A session's terminal as a viewer should first see it.
///
/// Write `restore`, then `tail`. Then follow the session from `seq`, and pass its output through
/// `filter`, and ask for a redraw: [`Engine::redraw`](crate::Engine::redraw). When the viewer
/// leaves, write what
/// [`Modes::reset`](coven_harness::terminal::Modes::reset) of a listener that heard it all gives,
/// or at least `reset`.
#[derive(Debug)]
pub struct AttachView {
    /// All up to here is in `restore` and `tail`: follow from it.
    pub seq: Seq,
    /// Puts a fresh terminal into the modes it had where `tail` begins.
    pub restore: Bytes,
    /// The last output, from the start of a complete sequence, less queries.
    pub tail: Bytes,
    /// Undoes the modes in force after `tail`.
    pub reset: Bytes,
    /// Takes the queries out of the output after `tail`, which may end within one.
    pub filter: ToViewer,
    /// The terminal's size.
    pub size: TermSize,
    /// Whether the session's process runs.
    pub live: bool,
}

/// What the session's task says of its terminal.
#[derive(Debug)]
pub(crate) struct LiveView {
    record: Record,
    /// Where the output begins that `listener` has not heard.
    offset: u64,
    listener: Listener,
}

/// What a session's task knows of its terminal: no screen, only what was said to it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Screenless {
    listener: Listener,
    /// The listener as it was after some of the output on record, oldest first.
    states: VecDeque<(u64, Listener)>,
}

impl Screenless {
    /// That of a session whose output is not there before `offset`.
    pub(crate) fn starting_at(offset: u64) -> Self {
        Self {
            listener: Listener::starting_at(offset),
            states: VecDeque::new(),
        }
    }

    /// As it was when it had heard no more than `heard`, all of which is on record.
    pub(crate) fn as_of(&self, heard: Listener) -> Self {
        Self {
            listener: heard,
            states: self.states.clone(),
        }
    }

    /// What there was to be heard before `offset`, and was not, is gone.
    pub(crate) fn pass_over_to(&mut self, offset: u64) {
        if offset > self.listener.offset() {
            self.listener.pass_over_to(offset);
        }
    }

    /// Whether it may be one of a session with so much output.
    pub(crate) fn is_within(&self, output_bytes: u64) -> bool {
        let is_within = |state: &Listener| state.is_sound() && state.offset() <= output_bytes;
        let mut states = self.states.iter();
        is_within(&self.listener)
            && states.all(|(offset, state)| *offset <= output_bytes && is_within(state))
    }

    /// Hears output as it is read; gives what the terminal answers.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Vec<Bytes> {
        let queries = self.listener.hear(bytes).into_iter();
        queries
            .map(|query| Bytes::from(query.reply))
            .filter(|reply| !reply.is_empty())
            .collect()
    }

    /// Whether there was any output, on record or not.
    pub(crate) fn has_heard(&self) -> bool {
        self.listener.offset() > 0
    }

    /// The listener as it is now, to be handed back once what it heard is on record.
    pub(crate) fn state(&self) -> Listener {
        self.listener.clone()
    }

    /// The output up to `offset`, which `state` has heard, is on record.
    pub(crate) fn recorded(&mut self, offset: u64, state: Listener) {
        let newest = self.states.back().map_or(0, |(offset, _)| *offset);
        if offset >= newest + STATE_BYTES {
            self.states.push_back((offset, state));
        }
        // Keep the newest that is a whole tail back, and all that are less.
        while self
            .states
            .get(1)
            .is_some_and(|(second, _)| second + TAIL_BYTES <= offset)
        {
            self.states.pop_front();
        }
    }

    pub(crate) fn view(&self, record: &Record) -> LiveView {
        let (trimmed, end) = (record.session.trimmed_bytes, record.session.output_bytes);
        let state = self.states.front();
        let state = state.filter(|(offset, _)| offset + TAIL_BYTES <= end);
        let (offset, listener) = match state {
            Some((offset, _)) if *offset < trimmed => self.behind(trimmed, end),
            None if trimmed > 0 => self.behind(trimmed, end),
            Some(state) => state.clone(),
            None if end <= UNREMEMBERED_BYTES => Default::default(),
            // It was not heard.
            None => tail_of(record),
        };
        LiveView {
            record: record.clone(),
            offset,
            listener,
        }
    }

    /// The listener as it was after some of the output that is left, the least that is remembered; else as it is now.
    fn behind(&self, trimmed: u64, end: u64) -> (u64, Listener) {
        let mut states = self.states.iter();
        if let Some(state) = states.find(|(offset, _)| *offset >= trimmed) {
            return state.clone();
        }
        let mut now = self.listener.clone();
        if now.offset() != end {
            now.pass_over_to(end);
        }
        (end, now)
    }
}

/// The view of a session that is live, or has ended.
pub(crate) async fn view(shared: &Shared, id: &SessionId) -> Result<AttachView, Error> {
    let (reply, answer) = tokio::sync::oneshot::channel();
    let told = shared.running.tell(id, Message::View(reply)).await;
    let live = match told {
        true => timeout(PATIENCE, answer).await.ok().and_then(Result::ok),
        false => None,
    };
    let view = match live {
        Some(view) => view,
        None => unheard(shared.record(id).await?),
    };
    let end = view.record.session.output_bytes;
    let output = output(shared, id, view.offset, end).await?;
    Ok(show(view, output.from, &output.bytes))
}

/// `output` is all that is left from the view's offset on; it begins at `from`.
fn show(view: LiveView, from: u64, output: &Bytes) -> AttachView {
    let LiveView {
        record,
        offset,
        mut listener,
    } = view;
    if from > offset {
        listener.pass_over_to(from);
    }
    let tail_bytes = usize::try_from(TAIL_BYTES).unwrap_or(usize::MAX);
    let skipped = output.len().saturating_sub(tail_bytes);
    let begins = match (from, skipped) {
        (0, 0) => 0,
        _ => skipped + resume_point(&output[skipped..]),
    };
    listener.hear(&output[..begins]);
    let restore = listener.modes().restore();
    listener.hear(&output[begins..]);
    let mut filter = ToViewer::new();
    AttachView {
        seq: record.last_seq,
        restore: restore.into(),
        tail: filter.pass(output.slice(begins..)),
        reset: listener.modes().reset().into(),
        filter,
        size: match &record.session.origin {
            Origin::Launched { size, .. } => *size,
            Origin::External { .. } => TermSize::DEFAULT,
        },
        live: record.session.phase.process().is_some(),
    }
}

/// Of a session that has ended, or cannot be heard again for now, and wrote much or was trimmed, nobody knows the
/// modes where its tail begins.
fn unheard(record: Record) -> LiveView {
    let (offset, listener) = tail_of(&record);
    LiveView {
        record,
        offset,
        listener,
    }
}

/// Where the last of its output begins, and a listener that has heard nothing before that.
fn tail_of(record: &Record) -> (u64, Listener) {
    let offset = record.session.output_bytes.saturating_sub(TAIL_BYTES);
    let offset = offset.max(record.session.trimmed_bytes);
    (offset, Listener::starting_at(offset))
}

/// Output, and where it begins.
struct Left {
    from: u64,
    bytes: Bytes,
}

/// The output between two offsets, as far as it was not trimmed; nothing, where any of it is damaged.
async fn output(shared: &Shared, id: &SessionId, mut from: u64, to: u64) -> Result<Left, Error> {
    let mut bytes = BytesMut::new();
    while from + (bytes.len() as u64) < to {
        let (id, offset) = (id.clone(), from + bytes.len() as u64);
        let room = usize::try_from(to - offset).map_err(|error| Error::internal(&error))?;
        let store = shared.store.clone();
        let chunks = match blocking(move || store.output(&id, offset, room)).await? {
            Err(ReadError::Damaged(damage)) => {
                // A live session is worth more than its last screen: it is asked to draw itself anew.
                tracing::error!(%damage, "its last output cannot be read, and is not shown to who attaches");
                return Ok(Left {
                    from: to,
                    bytes: Bytes::new(),
                });
            }
            chunks => chunks?,
        };
        if chunks.is_empty() {
            // The session was deleted meanwhile.
            break;
        }
        for chunk in chunks {
            let next = from + bytes.len() as u64;
            if chunk.offset > next {
                // What was read before it was trimmed meanwhile.
                bytes.clear();
                from = chunk.offset;
            }
            let room = to.saturating_sub(chunk.offset);
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            bytes.extend_from_slice(&chunk.data[..chunk.data.len().min(room)]);
        }
        if from >= to {
            break;
        }
    }
    let bytes = bytes.freeze();
    Ok(Left { from, bytes })
}
