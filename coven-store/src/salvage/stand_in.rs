//! Stand-ins: events that are put where others were lost, so that those that are left can follow.
//!
//! Pure: what is missing is told from where a session stands and from what comes next.

use bytes::Bytes;
use coven_core::{
    Channel, Ending, Event, Exit, External, ExternalRequest, FailureCause, HarnessId, Launch,
    LaunchRequest, Origin, OrphanReason, OutputEnd, Phase, Place, ProcessFacts, Prompt, Record,
    Session, SessionId,
};
use coven_core::{Draft, limits};

/// Bytes of output that one event stands for: what the longest event of output can have.
const PIECE_BYTES: u64 = limits::MAX_OUTPUT_PAYLOAD_BYTES as u64 - 200;

/// The same where there are few places: what a batch has room for, several times over.
const MAX_PIECE_BYTES: u64 = 2 << 20;

/// Events that stand for lost output between two others at most.
const MAX_PIECES: usize = 1 << 16;

/// What fills lost output, besides what says so: DEL, which terminals leave out.
const FILLING: u8 = 0x7f;

/// What is known beside the events themselves.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// The record that was kept of the session, if it is whole. It may know more.
    pub(super) kept: Option<&'a Record>,
    /// Where the session's output was trimmed to, sooner or later.
    pub(super) trimmed_bytes: u64,
}

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Event(Event),
    /// Output, from one offset to another: as much as whoever comes after it claims.
    Output(Lost),
}

/// Output that was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) from: u64,
    pub(super) to: u64,
}

/// Where output begins that is lost and was not trimmed, if `next` comes after such.
pub(super) fn hole(now: &Session, next: &Event, trimmed_bytes: u64) -> Option<u64> {
    match next {
        Event::Output { offset, .. } => {
            let begins = now.output_bytes.max(trimmed_bytes);
            (*offset > begins).then_some(begins)
        }
        _ => None,
    }
}

/// The event that must come before `next` can, or before another that must. `None`: none helps.
pub(super) fn before(
    id: &SessionId,
    now: Option<&Session>,
    next: &Event,
    known: Known<'_>,
) -> Option<Missing> {
    let Known {
        kept,
        trimmed_bytes,
    } = known;
    let Some(now) = now else {
        return Some(Missing::Event(beginning(id, next, kept)));
    };
    let has_ended = now.phase.has_ended();
    let event = match (&now.phase, next) {
        (
            Phase::Created | Phase::Cancelled,
            Event::Output { .. }
            | Event::Input { .. }
            | Event::Resized { .. }
            | Event::OutputClosed { .. }
            | Event::Exited { .. },
        ) => started(),
        (Phase::Cancelled, Event::KillRequested) => started(),
        (Phase::Running { .. } | Phase::Dying { .. }, Event::Output { offset, .. }) => {
            let begins = hole(now, next, trimmed_bytes)?;
            if now.output_bytes > 0 {
                let (from, to) = (begins, *offset);
                return Some(Missing::Output(Lost { from, to }));
            }
            // As if it had been trimmed: nothing need stand for it.
            trimmed(now.trimmed_bytes, *offset)
        }
        (_, Event::Trimmed { offset, .. }) if *offset > now.trimmed_bytes => {
            trimmed(now.trimmed_bytes, *offset)
        }
        (Phase::Running { .. } | Phase::Dying { .. }, Event::Exited { output, .. }) => {
            Event::OutputClosed { end: *output }
        }
        (_, Event::Archived) if has_ended && now.archived => Event::Summoned,
        (_, Event::Summoned) if has_ended => Event::Archived,
        (Phase::Elsewhere, Event::Archived | Event::Summoned | Event::Deleted) => {
            Event::Completed { exit_code: None }
        }
        (_, Event::Archived | Event::Summoned | Event::Deleted) if !has_ended => lost(),
        _ => return None,
    };
    Some(Missing::Event(event))
}

/// How a session is ended whose end was lost: as the record that was kept of it says, if that has
/// more than what is left.
pub(super) fn ending(now: &Session, kept: Option<&Record>) -> Vec<Missing> {
    let ended = kept.filter(|kept| kept.session.phase.has_ended());
    let (from, to) = (
        now.output_bytes,
        ended.map_or(0, |kept| kept.session.output_bytes),
    );
    let output = (from < to).then_some(Missing::Output(Lost { from, to }));
    let events = how_it_ended(ended).into_iter().map(Missing::Event);
    output.into_iter().chain(events).collect()
}

fn how_it_ended(ended: Option<&Record>) -> Vec<Event> {
    let mut events = Vec::new();
    let exited = |exit: Option<Exit>| {
        let output = OutputEnd::Cut;
        [
            Event::OutputClosed { end: output },
            Event::Exited { exit, output },
        ]
    };
    match ended.map(|kept| &kept.session.phase) {
        Some(Phase::Ended { ending }) => match ending {
            Ending::Exited { exit } => events.extend(exited(Some(*exit))),
            Ending::Killed { exit } => {
                events.push(Event::KillRequested);
                events.extend(exited(*exit));
            }
            Ending::NeverStarted { reason } => events.push(Event::LaunchFailed {
                reason: reason.clone(),
                cause: FailureCause::Launch,
            }),
            Ending::CalledOff => events.extend([
                Event::KillRequested,
                Event::LaunchFailed {
                    reason: "it was called off".to_owned(),
                    cause: FailureCause::Launch,
                },
            ]),
            Ending::Reported { exit_code } => events.push(Event::Completed {
                exit_code: *exit_code,
            }),
        },
        Some(Phase::Orphaned { reason }) => events.push(Event::Orphaned { reason: *reason }),
        _ => events.push(lost()),
    }
    events
}

impl Lost {
    /// How many events stand for it where there are places enough.
    pub(super) fn pieces(self) -> usize {
        let pieces = (self.to - self.from).div_ceil(PIECE_BYTES);
        usize::try_from(pieces).map_or(MAX_PIECES, |pieces| pieces.min(MAX_PIECES))
    }

    /// The first of them: where it can follow, so can the others.
    pub(super) fn first(self) -> Event {
        lost_output(self.from, self.to, PIECE_BYTES)
    }

    /// The events that stand for it, at most so many, each made when it is asked for. `None` where it
    /// is more than those can stand for.
    pub(super) fn in_pieces(self, most: usize) -> Option<(usize, impl Iterator<Item = Event>)> {
        let Self { from, to } = self;
        let most = most.min(MAX_PIECES) as u64;
        let piece_bytes = PIECE_BYTES.max((to - from).div_ceil(most.max(1)));
        let count = (to - from).div_ceil(piece_bytes);
        if piece_bytes > MAX_PIECE_BYTES || count > most {
            return None;
        }
        let pieces = (0..count).map(move |piece| {
            let at = from + piece * piece_bytes;
            lost_output(at, to, piece_bytes)
        });
        Some((usize::try_from(count).ok()?, pieces))
    }
}

fn lost_output(from: u64, to: u64, piece_bytes: u64) -> Event {
    let lost = to - from;
    let len = usize::try_from(lost.min(piece_bytes)).expect("a piece is small");
    let mut data = notice(lost, len).into_bytes();
    data.resize(len, FILLING);
    Event::Output {
        offset: from,
        channel: Channel::Tty,
        data: Bytes::from(data),
    }
}

/// What says that so many bytes were lost, in `len` bytes: whole words, as many as there is room for.
fn notice(lost: u64, len: usize) -> String {
    let notices = [
        format!("\r\n[coven: {lost} bytes of output were lost here]\r\n"),
        format!("[{lost} bytes lost]"),
        "[lost]".to_owned(),
    ];
    let fits = |notice: &String| notice.len() <= len;
    notices.into_iter().find(fits).unwrap_or_default()
}

/// Output that is gone from one offset to another. What it was is not known, so neither is its
/// hash.
pub(super) fn trimmed(from: u64, to: u64) -> Event {
    Event::Trimmed {
        offset: from,
        len_bytes: to - from,
        sha256: [0; 32],
    }
}

fn lost() -> Event {
    Event::Orphaned {
        reason: OrphanReason::EngineDied,
    }
}

/// A start of which only is known that it was one. Its process is none that there can be.
fn started() -> Event {
    Event::Started {
        process: ProcessFacts {
            pid: 0,
            start_time: 0,
            boot_id: String::new(),
            shim_pid: None,
        },
        executable: String::new(),
        argv: Vec::new(),
    }
}

/// How a session began whose first event was lost.
fn beginning(id: &SessionId, next: &Event, kept: Option<&Record>) -> Event {
    let is_external = match kept {
        Some(kept) => kept.session.is_external(),
        None => matches!(next, Event::Completed { .. }),
    };
    if is_external {
        return Event::Registered {
            external: Box::new(external(id, kept)),
        };
    }
    Event::Created {
        launch: Box::new(launch(kept)),
        boot_id: None,
    }
}

fn external(id: &SessionId, kept: Option<&Record>) -> External {
    let request = ExternalRequest {
        id: Some(id.as_str().to_owned()),
        project_root: Some("/".to_owned()),
        harness: Some(UNKNOWN.to_owned()),
        title: Some(LOST.to_owned()),
        ..ExternalRequest::default()
    };
    let (_, mut external) = External::parse(&request).expect("the request is well-formed");
    if let Some(session) = kept.map(|kept| &kept.session) {
        external.root.clone_from(&session.root);
        external.harness = session.harness.clone();
        external.title = session.title.clone();
        external.labels = session.labels.clone();
        if let Origin::External { transcript_path } = &session.origin {
            external.transcript_path.clone_from(transcript_path);
        }
    }
    external
}

const UNKNOWN: &str = "unknown";
const LOST: &str = "[coven: how this session began was lost]";

fn launch(kept: Option<&Record>) -> Launch {
    let request = LaunchRequest {
        project_root: Some("/".to_owned()),
        harness: Some(UNKNOWN.to_owned()),
        prompt: Some(LOST.to_owned()),
        ..LaunchRequest::default()
    };
    let draft = Draft::parse(&request).expect("the request is well-formed");
    let mut launch = draft.at(Place::new("/", "/").expect("it is a place"));
    let Some(session) = kept.map(|kept| &kept.session) else {
        return launch;
    };
    launch.harness = HarnessId::clone(&session.harness);
    launch.title = session.title.clone();
    launch.labels = session.labels.clone();
    if let Origin::Launched {
        cwd,
        prompt_head,
        model,
        mode,
        conversation_id,
        size,
        continues,
        ..
    } = &session.origin
    {
        if let Ok(place) = Place::new(session.root.as_str(), cwd.as_str()) {
            launch.place = place;
        }
        if let Some(Ok(prompt)) = prompt_head.as_deref().map(Prompt::parse) {
            launch.prompt = Some(prompt);
        }
        launch.model = model.clone();
        launch.mode = *mode;
        launch.conversation_id = conversation_id.clone();
        launch.size = *size;
        launch.continues = continues.clone();
        if prompt_head.is_none() && launch.opens_conversation() {
            launch.prompt = None;
        }
    }
    launch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_lost_output_is_as_long_and_says_so_in_whole_words_however_little_it_is() {
        let said = |lost: u64| {
            let Event::Output { data, .. } = lost_output(7, 7 + lost, PIECE_BYTES) else {
                panic!("it is output");
            };
            assert_eq!(data.len() as u64, lost);
            let text = String::from_utf8(data.to_vec()).expect("text");
            text.trim_end_matches(char::from(FILLING)).to_owned()
        };
        for (lost, notice) in [
            (1, ""),
            (5, ""),
            (6, "[lost]"),
            (13, "[lost]"),
            (15, "[15 bytes lost]"),
            (44, "[44 bytes lost]"),
            (49, "\r\n[coven: 49 bytes of output were lost here]\r\n"),
            (
                5_000,
                "\r\n[coven: 5000 bytes of output were lost here]\r\n",
            ),
        ] {
            assert_eq!(said(lost), notice);
        }
    }
}
