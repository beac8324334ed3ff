//! Laws that hold for every history, whatever is asked and observed in whatever order.

mod support;

use bytes::Bytes;
use coven_core::{
    Channel, Command, ConversationRequest, Echo, Envelope, Event, EventKind, Exit, FailureCause,
    IllegalTransition, InputId, Labels, LaunchRequest, Origin, OrphanReason, OutputEnd, Phase,
    Record, Replay, Session, Status, TermSize, Title, is_trimmed,
};
use proptest::collection::vec;
use proptest::prelude::*;
use support::{History, conversation, process, request};

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_replay_of_a_history_is_what_it_was_live(mut history in beginning(), commands in asked()) {
        for command in commands {
            // Every event of a decision folds: `ask` asserts it.
            let _ = history.ask(command);
            prop_assert_eq!(&history.replayed(), &history.record);
        }
    }

    #[test]
    fn a_restored_session_goes_on_as_the_one_it_was_made_of(
        mut history in beginning(), first in asked(), rest in asked(),
    ) {
        for command in first {
            let _ = history.ask(command);
        }
        let mut restored = history.clone();
        let snapshot = (**history.session()).clone();
        restored.record.session = Session::restore(snapshot);
        for command in rest {
            prop_assert_eq!(history.ask(command.clone()), restored.ask(command));
        }
        prop_assert_eq!(history.record, restored.record);
    }

    #[test]
    fn a_refusal_writes_nothing(mut history in beginning(), commands in asked()) {
        for command in commands {
            let before = history.clone();
            if history.ask(command).is_err() {
                prop_assert_eq!(&history.record, &before.record);
                prop_assert_eq!(&history.log, &before.log);
            }
        }
    }

    #[test]
    fn what_has_ended_never_revives(mut history in beginning(), commands in asked()) {
        for command in commands {
            let before = history.record.clone();
            let _ = history.ask(command);
            if before.session.phase.has_ended() {
                let now = &history.record;
                prop_assert!(now.session.phase.has_ended());
                prop_assert_eq!(now.ended_at, before.ended_at);
                prop_assert_eq!(now.session.output_bytes, before.session.output_bytes);
                if now.session.phase != Phase::Deleted {
                    prop_assert_eq!(now.session.status(), before.session.status());
                }
            }
        }
    }

    #[test]
    fn the_output_of_a_history_is_contiguous(mut history in beginning(), commands in asked()) {
        let mut written = Vec::new();
        for command in commands {
            let data = match &command {
                Command::RecordOutput { data, .. } => data.clone(),
                _ => Bytes::new(),
            };
            if history.ask(command).is_ok() {
                written.extend_from_slice(&data);
            }
        }
        let mut recorded = Vec::new();
        for envelope in &history.log {
            if let Event::Output { offset, data, .. } = &envelope.event {
                prop_assert_eq!(*offset, recorded.len() as u64);
                prop_assert!(!data.is_empty());
                recorded.extend_from_slice(data);
            }
        }
        prop_assert_eq!(history.session().output_bytes, recorded.len() as u64);
        prop_assert!(recorded == written, "not byte for byte what was written");
    }

    #[test]
    fn what_a_trim_left_folds_to_the_same_record_however_much_is_gone_already(
        mut history in beginning(), steps in vec((command(), prop::option::of(0..3usize)), 0..24),
        kept in vec(any::<bool>(), 64),
    ) {
        for (command, trim) in steps {
            let _ = history.ask(command);
            if let Some(command) = trim.and_then(|events| oldest(&history, events)) {
                let _ = history.ask(command);
            }
        }
        let trimmed_bytes = history.session().trimmed_bytes;
        let is_gone = |it: &Envelope| match &it.event {
            Event::Output { offset, data, .. } => {
                is_trimmed(*offset, data.len() as u64, trimmed_bytes)
            }
            _ => false,
        };
        let mut kept = kept.into_iter().cycle();
        let left = history.log.iter().filter(|it| !is_gone(it) || kept.next().expect("it cycles"));
        prop_assert_eq!(replay(left), Ok(Some(history.record.clone())));
        // Of what was not trimmed nothing may be missing.
        let outputs = history.log.iter().filter(|it| it.event.kind() == EventKind::Output);
        let not_trimmed = outputs.filter(|it| !is_gone(it)).map(|it| it.seq).next();
        if let Some(lost) = not_trimmed {
            let left = history.log.iter().filter(|it| it.seq != lost);
            prop_assert_ne!(replay(left), Ok(Some(history.record.clone())));
        }
    }

    #[test]
    fn a_status_is_in_the_vocabulary_and_fits_the_times(
        mut history in beginning(), commands in asked(),
    ) {
        for command in commands {
            let _ = history.ask(command);
            let record = &history.record;
            let status = record.session.status();
            prop_assert_eq!(Status::parse(status.as_str()), Some(status));
            prop_assert_eq!(record.ended_at.is_some(), record.session.phase.has_ended());
            prop_assert_eq!(record.archived_at.is_some(), record.session.archived);
            prop_assert!(record.created_at <= record.updated_at);
            prop_assert!(record.first_seq <= record.last_seq);
            if let Some(problem) = contradiction(record) {
                return Err(TestCaseError::fail(problem));
            }
        }
    }

    #[test]
    fn an_external_session_is_never_driven_and_never_lost(commands in asked()) {
        let mut history = History::registered();
        for command in commands {
            let _ = history.ask(command);
        }
        for envelope in &history.log {
            let theirs = match envelope.event.kind() {
                EventKind::Registered
                | EventKind::Titled
                | EventKind::Labelled
                | EventKind::Completed
                | EventKind::Archived
                | EventKind::Summoned
                | EventKind::Deleted => true,
                EventKind::Created
                | EventKind::Started
                | EventKind::LaunchFailed
                | EventKind::Identified
                | EventKind::Output
                | EventKind::Input
                | EventKind::Resized
                | EventKind::KillRequested
                | EventKind::OutputClosed
                | EventKind::Exited
                | EventKind::Orphaned
                | EventKind::Trimmed
                | EventKind::Undelivered => false,
            };
            prop_assert!(theirs, "{:?}", envelope.event.kind());
        }
    }
}

/// What trims the oldest output events that are left, so many or all there are.
fn oldest(history: &History, events: usize) -> Option<Command> {
    let from = history.session().trimmed_bytes;
    let ends = history.log.iter().filter_map(|it| match &it.event {
        Event::Output { offset, data, .. } => Some(offset + data.len() as u64),
        _ => None,
    });
    let end = ends.filter(|end| *end > from).take(events).last()?;
    Some(Command::Trim {
        offset: from,
        len_bytes: end - from,
        sha256: [0; 32],
    })
}

fn replay<'a>(
    events: impl Iterator<Item = &'a Envelope>,
) -> Result<Option<Record>, IllegalTransition> {
    let mut replay = Replay::default();
    for envelope in events {
        replay = replay.fold(envelope)?;
    }
    replay.finish()
}

/// What a record says twice must agree.
fn contradiction(record: &Record) -> Option<String> {
    let session = &record.session;
    let external = matches!(session.origin, Origin::External { .. });
    let agrees = match session.status() {
        Status::Created => session.phase.process().is_none() && !external,
        Status::Running => session.phase.process().is_some() || external,
        Status::Idle => session.phase.exit_code() == Some(0) && session.conversation_id().is_some(),
        Status::Completed => match session.phase.exit_code() {
            Some(code) => code == 0 && (external || session.conversation_id().is_none()),
            None => external,
        },
        Status::Failed => session.phase.exit_code() != Some(0),
        Status::Killed => session.phase.exit_code().is_none() && !external,
        Status::Orphaned => session.phase.exit_code().is_none(),
    };
    let one_outcome = session.phase.exit_code().is_none() || session.phase.exit_signal().is_none();
    (!agrees || !one_outcome).then(|| format!("{:?} is {}", session.phase, session.status()))
}

fn beginning() -> impl Strategy<Value = History> {
    let launched = (
        prop::sample::select(vec!["interactive", "nonInteractive", "stream"]),
        prop::option::of(Just("c1")),
        any::<bool>(),
    );
    prop_oneof![
        5 => launched.prop_map(|(mode, conversation_id, identified)| {
            let request = LaunchRequest {
                launch_mode: Some(mode.to_owned()),
                conversation: conversation_id.map(|id| ConversationRequest {
                    mode: "init".to_owned(),
                    id: id.to_owned(),
                }),
                ..request()
            };
            History::launched(&request, identified.then(|| conversation("given-at-launch")))
        }),
        1 => Just(()).prop_map(|()| History::registered()),
    ]
}

/// Commands, the likely ones often enough that whole lives are lived.
fn asked() -> impl Strategy<Value = Vec<Command>> {
    vec(command(), 0..24)
}

fn command() -> impl Strategy<Value = Command> {
    let end = prop_oneof![3 => Just(OutputEnd::Complete), 1 => Just(OutputEnd::Cut)];
    let exit = prop_oneof![
        (0..3i32).prop_map(|code| Exit::Code { code }),
        Just(Exit::Signal { signal: 9 }),
    ];
    let reason = prop::sample::select(vec![
        OrphanReason::EngineDied,
        OrphanReason::Reboot,
        OrphanReason::Shutdown,
        OrphanReason::LaunchInterrupted,
        OrphanReason::ShimDied,
    ]);
    let channel = prop::sample::select(vec![Channel::Tty, Channel::Stdout, Channel::Stderr]);
    prop_oneof![
        6 => Just(()).prop_map(|()| Command::RecordStart {
            process: process(),
            executable: "/usr/bin/codex".to_owned(),
            argv: vec!["codex".to_owned()],
        }),
        6 => (channel, output()).prop_map(|(channel, data)| Command::RecordOutput { channel, data }),
        3 => end.prop_map(|end| Command::RecordOutputEnd { end }),
        3 => exit.prop_map(|exit| Command::RecordExit { exit }),
        1 => Just(Command::RecordDeath),
        2 => (vec(any::<u8>(), 0..9), prop::sample::select(vec![Echo::Shown, Echo::Hidden]))
            .prop_map(|(data, echo)| Command::Input { data: data.into(), echo, id: None }),
        2 => Just(Command::Kill),
        1 => (1..=1000i64, 1..=1000i64).prop_map(|(cols, rows)| Command::Resize {
            size: TermSize::parse(cols, rows).expect("within bounds"),
        }),
        1 => Just(Command::Archive),
        1 => Just(Command::Summon),
        1 => Just(Command::Delete),
        1 => (prop::option::of("[a-z]{1,3}"), prop::option::of(vec("[a-z]", 0..2))).prop_map(
            |(title, labels)| Command::Edit {
                title: title.map(|text| Title::parse(&text).expect("a title")),
                labels: labels.and_then(|texts| Labels::parse(&texts).ok()),
            }
        ),
        1 => prop::option::of(0..3i32).prop_map(|exit_code| Command::Complete { exit_code }),
        1 => Just(Command::RecordLaunchFailure { reason: "no such file".to_owned(), cause: FailureCause::Launch }),
        1 => "[a-c]".prop_map(|id| Command::RecordIdentity { conversation: conversation(&id) }),
        1 => (any::<[u8; 16]>(), 0..4u64, prop::option::of(0..4u64)).prop_map(
            |(id, len_bytes, written_bytes)| Command::RecordUndelivered {
                id: InputId(id),
                len_bytes,
                written_bytes,
            }
        ),
        1 => reason.prop_map(|reason| Command::RecordLoss { reason }),
    ]
}

/// Mostly small; now and then more than one event holds.
fn output() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        12 => vec(any::<u8>(), 0..64).prop_map(Bytes::from),
        1 => (any::<u8>(), 9_000..30_000usize).prop_map(|(byte, len)| Bytes::from(vec![byte; len])),
    ]
}
