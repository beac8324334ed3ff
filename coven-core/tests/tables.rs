//! Every phase with every event, and every phase with every command, against the tables in
//! `tables/`.

mod support;

use std::collections::BTreeMap;

use bytes::Bytes;
use coven_core::{
    Channel, Code, Command, Decision, Echo, Effect, Event, EventKind, Exit, FailureCause,
    IllegalTransition, InputData, InputId, Labels, OrphanReason, OutputEnd, OutputState, Phase,
    PhaseName, Refusal, Session, Status, TermSize, Title,
};
use support::{History, conversation, external, launch, process, request, session_id};

#[test]
fn every_event_leads_from_every_phase_to_where_the_table_says() {
    let table = read(include_str!("tables/evolve.table"));
    assert_eq!(table.len(), PhaseName::ALL.len() * EventKind::ALL.len());

    for kind in EventKind::ALL {
        for phase in PhaseName::ALL {
            let found = match evolved(phase, kind) {
                Ok(session) => format!("{:?}", session.phase.name()),
                Err(illegal) => {
                    assert_eq!(
                        illegal,
                        IllegalTransition {
                            from: phase,
                            event: kind
                        }
                    );
                    "illegal".to_owned()
                }
            };
            assert_eq!(
                &found,
                row(&table, &format!("{kind:?}"), phase),
                "{kind:?} in {phase:?}"
            );
        }
    }
}

#[test]
fn every_command_in_every_phase_comes_to_what_the_table_says() {
    let table = read(include_str!("tables/decide.table"));
    let phases = PhaseName::ALL
        .into_iter()
        .filter(|phase| *phase != PhaseName::Absent);
    assert_eq!(table.len(), phases.clone().count() * commands().len());

    for command in commands() {
        let name = command_name(&command);
        for phase in phases.clone() {
            let session = in_phase(phase, matches!(command, Command::Summon));
            let found = outcome(coven_core::decide(&session, command.clone()));
            assert_eq!(&found, row(&table, name, phase), "{name} in {phase:?}");
        }
    }
}

#[test]
fn output_that_does_not_start_where_the_last_one_ended_is_illegal() {
    let session = in_phase(PhaseName::Running, false);
    for offset in [session.output_bytes - 1, session.output_bytes + 1] {
        let event = Event::Output {
            offset,
            channel: Channel::Tty,
            data: Bytes::from_static(b"\x1b[31mred"),
        };
        assert!(session.clone().evolve(&event).is_err(), "offset {offset}");
    }
}

#[test]
fn output_past_the_last_offset_there_is_is_refused_not_a_panic() {
    let mut snapshot = (*in_phase(PhaseName::Running, false)).clone();
    snapshot.output_bytes = u64::MAX;
    let session = Session::restore(snapshot);
    let refusal = coven_core::decide(&session, output()).expect_err("no room for it");
    assert_eq!(refusal.code(), Code::InternalError);
    let event = event(EventKind::Output, u64::MAX, OutputEnd::Complete);
    assert!(session.evolve(&event).is_err());
}

#[test]
fn an_exit_that_contradicts_how_the_output_was_closed_is_illegal() {
    for phase in [PhaseName::RunningSilent, PhaseName::DyingSilent] {
        let event = Event::Exited {
            exit: Some(Exit::Code { code: 0 }),
            output: OutputEnd::Cut,
        };
        assert!(in_phase(phase, false).evolve(&event).is_err());
    }
}

#[test]
fn that_nobody_saw_how_it_ended_is_said_of_what_was_killed_alone() {
    let output = OutputEnd::Complete;
    let unseen = Event::Exited { exit: None, output };
    let running = in_phase(PhaseName::RunningSilent, false);
    assert!(running.evolve(&unseen).is_err());
    let killed = in_phase(PhaseName::DyingSilent, false);
    let killed = killed.evolve(&unseen).expect("a kill is on record");
    assert_eq!(killed.status(), Status::Killed);
    assert_eq!(killed.phase.exit_signal(), None);
}

#[test]
fn only_an_input_of_which_something_may_be_missing_is_undelivered_and_it_is_counted() {
    let running = in_phase(PhaseName::Running, false);
    for (len_bytes, written_bytes) in [(9, Some(9)), (9, Some(10)), (0, Some(0)), (0, None)] {
        let nothing = coven_core::decide(&running, undelivered(len_bytes, written_bytes));
        assert_eq!(nothing, Ok(Decision::nothing()));
        let event = Event::Undelivered {
            id: InputId([7; 16]),
            len_bytes,
            written_bytes,
        };
        assert!(running.clone().evolve(&event).is_err(), "{event:?}");
    }
    let mut session = running;
    for (written_bytes, counted) in [(Some(8), 1), (Some(0), 2), (None, 3)] {
        let decision = coven_core::decide(&session, undelivered(9, written_bytes));
        let event = &decision.expect("it is recorded").events[0];
        session = session.evolve(event).expect("it fits");
        assert_eq!(session.undelivered_inputs, counted);
    }
}

#[test]
fn archiving_twice_and_summoning_what_is_not_archived_is_illegal() {
    for phase in [PhaseName::Ended, PhaseName::Orphaned] {
        assert!(in_phase(phase, true).evolve(&Event::Archived).is_err());
        assert!(in_phase(phase, false).evolve(&Event::Summoned).is_err());
    }
}

#[test]
fn asking_for_what_is_already_so_writes_nothing() {
    let ended = in_phase(PhaseName::Ended, true);
    let same = Command::Edit {
        title: Some(ended.title.clone()),
        labels: Some(ended.labels.clone()),
    };
    for command in [Command::Archive, same] {
        assert_eq!(coven_core::decide(&ended, command), Ok(Decision::nothing()));
    }
    let running = in_phase(PhaseName::Running, false);
    let nothing_typed = Command::Input {
        data: Bytes::new(),
        echo: Echo::Shown,
        id: None,
    };
    let nothing_written = Command::RecordOutput {
        channel: Channel::Tty,
        data: Bytes::new(),
    };
    for command in [nothing_typed, nothing_written] {
        assert_eq!(
            coven_core::decide(&running, command),
            Ok(Decision::nothing())
        );
    }
}

#[test]
fn input_over_one_mebibyte_is_refused_and_one_of_it_is_not() {
    let running = in_phase(PhaseName::Running, false);
    let typed = |len| Command::Input {
        data: Bytes::from(vec![b'\x1b'; len]),
        echo: Echo::Shown,
        id: None,
    };
    assert!(coven_core::decide(&running, typed(1 << 20)).is_ok());
    let refusal = coven_core::decide(&running, typed((1 << 20) + 1)).expect_err("too large");
    assert_eq!(refusal.code(), Code::InputTooLarge);
}

#[test]
fn a_session_that_does_not_run_refuses_input_before_it_looks_at_its_size() {
    let ended = in_phase(PhaseName::Ended, false);
    let command = Command::Input {
        data: Bytes::from(vec![b'x'; (1 << 20) + 1]),
        echo: Echo::Shown,
        id: None,
    };
    let refusal = coven_core::decide(&ended, command).expect_err("it is over");
    assert_eq!(refusal.code(), Code::SessionNotLive);
}

#[test]
fn the_same_external_id_again_is_accepted_and_one_of_ours_is_a_conflict() {
    use coven_core::decide::{Registration, register};

    let (_, registration) = external();
    let theirs = in_phase(PhaseName::Elsewhere, false);
    let again = register(Some(&theirs), registration.clone());
    assert_eq!(again, Ok(Registration::Again));
    let ours = in_phase(PhaseName::Running, false);
    let refusal = register(Some(&ours), registration).expect_err("the id is taken");
    assert_eq!(refusal.code(), Code::SessionIdConflict);
}

/// `(section, phase) -> what the table says`. A section is a line that starts at the margin; a
/// line beneath it names phases, then after two spaces or more what is true of them.
fn read(table: &'static str) -> BTreeMap<(&'static str, &'static str), &'static str> {
    let mut rows = BTreeMap::new();
    let mut section = "";
    for line in table
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let Some(line) = line.strip_prefix("  ") else {
            section = line;
            continue;
        };
        let (phases, said) = line
            .split_once("  ")
            .expect("phases, then what is true of them");
        for phase in phases.split(' ') {
            let before = rows.insert((section, phase), said.trim());
            assert_eq!(before, None, "{section} in {phase} stands twice");
        }
    }
    rows
}

fn row<'a>(
    table: &'a BTreeMap<(&'static str, &'static str), &'static str>,
    section: &str,
    phase: PhaseName,
) -> &'a str {
    let phase = format!("{phase:?}");
    table
        .iter()
        .find_map(|((s, p), said)| (*s == section && *p == phase).then_some(*said))
        .unwrap_or_else(|| panic!("{section} in {phase} is not in the table"))
}

fn outcome(answer: Result<Decision, Refusal>) -> String {
    match answer {
        Ok(Decision { events, effects }) if events.is_empty() && effects.is_empty() => {
            "nothing".to_owned()
        }
        Ok(Decision { events, effects }) => {
            let mut words: Vec<String> = events.iter().map(|e| format!("{:?}", e.kind())).collect();
            if !effects.is_empty() {
                words.push(">".to_owned());
            }
            words.extend(effects.iter().map(|effect| effect_name(effect).to_owned()));
            words.join(" ")
        }
        Err(refusal) => format!("refused {}", refusal.code()),
    }
}

fn evolved(phase: PhaseName, kind: EventKind) -> Result<Session, IllegalTransition> {
    if phase == PhaseName::Absent {
        return Session::begin(session_id(), &event(kind, 0, OutputEnd::Complete));
    }
    let session = in_phase(phase, kind == EventKind::Summoned);
    let end = match &session.phase {
        Phase::Running {
            output: OutputState::Closed { end },
            ..
        }
        | Phase::Dying {
            output: OutputState::Closed { end },
            ..
        } => *end,
        _ => OutputEnd::Complete,
    };
    let event = event(kind, session.output_bytes, end);
    session.evolve(&event)
}

/// A session brought into `phase` by what really leads there; archived if asked, where it can be.
fn in_phase(phase: PhaseName, archived: bool) -> Session {
    let loss = Command::RecordLoss {
        reason: OrphanReason::EngineDied,
    };
    let silence = Command::RecordOutputEnd {
        end: OutputEnd::Complete,
    };
    let exit = Command::RecordExit {
        exit: Exit::Code { code: 0 },
    };
    let way = match phase {
        PhaseName::Absent => panic!("there is no session before its first event"),
        PhaseName::Elsewhere => return History::registered().session().clone(),
        PhaseName::Created => vec![],
        PhaseName::Cancelled => vec![Command::Kill],
        PhaseName::Running => vec![start(), output()],
        PhaseName::RunningSilent => vec![start(), output(), silence],
        PhaseName::Dying => vec![start(), output(), Command::Kill],
        PhaseName::DyingSilent => vec![start(), output(), Command::Kill, silence],
        PhaseName::Ended => vec![start(), output(), silence, exit],
        PhaseName::Orphaned => vec![start(), output(), loss],
        PhaseName::Deleted => vec![start(), output(), silence, exit, Command::Delete],
    };
    let mut history = History::launched(&request(), None);
    for command in way {
        history.ask(command).expect("the way there");
    }
    assert_eq!(history.session().phase.name(), phase);
    if archived {
        // Refused where a session may still be alive: those cannot be archived at all.
        let _ = history.ask(Command::Archive);
    }
    history.session().clone()
}

fn start() -> Command {
    Command::RecordStart {
        process: process(),
        executable: "/usr/bin/codex".to_owned(),
        argv: vec!["codex".to_owned()],
    }
}

fn output() -> Command {
    Command::RecordOutput {
        channel: Channel::Tty,
        data: Bytes::from_static(b"\x1b[?2004h\xff\r\n"),
    }
}

fn event(kind: EventKind, offset: u64, output: OutputEnd) -> Event {
    match kind {
        EventKind::Created => Event::Created {
            launch: Box::new(launch(&request())),
            boot_id: None,
        },
        EventKind::Registered => Event::Registered {
            external: Box::new(external().1),
        },
        EventKind::Started => Event::Started {
            process: process(),
            executable: "/usr/bin/codex".to_owned(),
            argv: vec!["codex".to_owned()],
        },
        EventKind::LaunchFailed => Event::LaunchFailed {
            reason: "no such file".to_owned(),
            cause: FailureCause::Launch,
        },
        EventKind::Identified => Event::Identified {
            conversation: conversation("thread-1"),
        },
        EventKind::Output => Event::Output {
            offset,
            channel: Channel::Tty,
            data: Bytes::from_static(b"more\xfe"),
        },
        EventKind::Input => Event::Input {
            data: InputData::Plain {
                data: Bytes::from_static(b"y\r"),
            },
            id: None,
        },
        EventKind::Resized => Event::Resized {
            size: TermSize::DEFAULT,
        },
        EventKind::Titled => Event::Titled { title: title() },
        EventKind::Labelled => Event::Labelled { labels: labels() },
        EventKind::KillRequested => Event::KillRequested,
        EventKind::OutputClosed => Event::OutputClosed {
            end: OutputEnd::Complete,
        },
        EventKind::Exited => Event::Exited {
            exit: Some(Exit::Code { code: 1 }),
            output,
        },
        EventKind::Completed => Event::Completed { exit_code: None },
        EventKind::Orphaned => Event::Orphaned {
            reason: OrphanReason::Reboot,
        },
        EventKind::Archived => Event::Archived,
        EventKind::Summoned => Event::Summoned,
        EventKind::Deleted => Event::Deleted,
        EventKind::Trimmed => Event::Trimmed {
            offset: 0,
            len_bytes: offset,
            sha256: [7; 32],
        },
        EventKind::Undelivered => Event::Undelivered {
            id: InputId([7; 16]),
            len_bytes: 9,
            written_bytes: Some(8),
        },
    }
}

/// One command of every kind.
fn commands() -> [Command; 18] {
    [
        Command::Input {
            data: Bytes::from_static(b"y\r"),
            echo: Echo::Shown,
            id: None,
        },
        Command::Resize {
            size: TermSize::DEFAULT,
        },
        Command::Kill,
        Command::Archive,
        Command::Summon,
        Command::Delete,
        Command::Edit {
            title: Some(title()),
            labels: Some(labels()),
        },
        Command::Complete { exit_code: Some(0) },
        Command::Trim {
            offset: 0,
            len_bytes: 3,
            sha256: [7; 32],
        },
        start(),
        Command::RecordLaunchFailure {
            reason: "no such file".to_owned(),
            cause: FailureCause::Launch,
        },
        Command::RecordIdentity {
            conversation: conversation("thread-1"),
        },
        output(),
        Command::RecordOutputEnd {
            end: OutputEnd::Complete,
        },
        Command::RecordExit {
            exit: Exit::Code { code: 0 },
        },
        Command::RecordDeath,
        Command::RecordLoss {
            reason: OrphanReason::EngineDied,
        },
        undelivered(9, Some(8)),
    ]
}

const fn undelivered(len_bytes: u64, written_bytes: Option<u64>) -> Command {
    Command::RecordUndelivered {
        id: InputId([7; 16]),
        len_bytes,
        written_bytes,
    }
}

/// Named one by one, so that a new command does not build until it has its place above.
fn command_name(command: &Command) -> &'static str {
    match command {
        Command::Input { .. } => "Input",
        Command::Resize { .. } => "Resize",
        Command::Kill => "Kill",
        Command::Archive => "Archive",
        Command::Summon => "Summon",
        Command::Delete => "Delete",
        Command::Edit { .. } => "Edit",
        Command::Complete { .. } => "Complete",
        Command::Trim { .. } => "Trim",
        Command::RecordStart { .. } => "RecordStart",
        Command::RecordLaunchFailure { .. } => "RecordLaunchFailure",
        Command::RecordIdentity { .. } => "RecordIdentity",
        Command::RecordOutput { .. } => "RecordOutput",
        Command::RecordOutputEnd { .. } => "RecordOutputEnd",
        Command::RecordExit { .. } => "RecordExit",
        Command::RecordDeath => "RecordDeath",
        Command::RecordLoss { .. } => "RecordLoss",
        Command::RecordUndelivered { .. } => "RecordUndelivered",
    }
}

fn effect_name(effect: &Effect) -> &'static str {
    match effect {
        Effect::Spawn => "Spawn",
        Effect::CancelSpawn => "CancelSpawn",
        Effect::Deliver { .. } => "Deliver",
        Effect::Resize { .. } => "Resize",
        Effect::Terminate { .. } => "Terminate",
    }
}

fn title() -> Title {
    Title::parse("another title").expect("a title")
}

fn labels() -> Labels {
    Labels::parse(&["team:red"]).expect("labels")
}
