//! A record for the wire.

use coven::{Launch, Origin, Phase, Record};

use crate::wire::{LaunchMode, LaunchPolicy, SessionRecord, Status, Visibility};

/// A record as lists show it: its prompt's first characters.
pub(crate) fn record(record: &Record) -> SessionRecord {
    let session = &record.session;
    let rendered = SessionRecord {
        id: session.id.as_str().to_owned(),
        project_root: session.root.clone(),
        harness: session.harness.as_str().to_owned(),
        title: session.title.as_str().to_owned(),
        status: status(session.status()),
        exit_code: session.phase.exit_code(),
        archived_at: record.archived_at.map(Into::into),
        created_at: record.created_at.into(),
        updated_at: record.updated_at.into(),
        conversation_id: session.conversation_id().map(|id| id.as_str().to_owned()),
        familiar_id: None,
        execution_binding: None,
        labels: session
            .labels
            .iter()
            .map(|l| l.as_str().to_owned())
            .collect(),
        visibility: Visibility::Private,
        external: session.is_external(),
        transcript_path: None,
        cwd: None,
        prompt: None,
        model: None,
        launch_mode: None,
        cols: None,
        rows: None,
        last_seq: record.last_seq.get(),
        output_bytes: session.output_bytes,
        trimmed_bytes: session.trimmed_bytes,
        undelivered_inputs: session.undelivered_inputs,
        pid: session.phase.process().map(|process| process.pid),
        exit_signal: session.phase.exit_signal(),
        ended_at: record.ended_at.map(Into::into),
        orphan_reason: orphan_reason(&session.phase),
        continues: None,
        identity: None,
        launch_policy: None,
        out_of_reach: None,
        out_of_reach_reason: None,
    };
    with_origin(rendered, &session.origin)
}

/// A record as it is shown alone, with what is in its launch only: its prompt whole, and its policy.
pub(crate) fn whole_record(stored: &Record, launch: Option<&Launch>) -> SessionRecord {
    let mut rendered = record(stored);
    if let Some(launch) = launch {
        rendered.prompt = launch.prompt.as_ref().map(|p| p.as_str().to_owned());
        rendered.launch_policy = launch.policy.as_ref().map(launch_policy);
    }
    rendered
}

fn with_origin(rendered: SessionRecord, origin: &Origin) -> SessionRecord {
    match origin {
        Origin::Launched {
            cwd,
            prompt_head,
            model,
            mode,
            conversation_id: _,
            identity,
            size,
            continues,
        } => SessionRecord {
            cwd: Some(cwd.clone()),
            prompt: prompt_head.clone(),
            model: model.as_ref().map(|model| model.as_str().to_owned()),
            launch_mode: Some(launch_mode(*mode)),
            cols: Some(size.cols()),
            rows: Some(size.rows()),
            continues: continues.as_ref().map(|id| id.as_str().to_owned()),
            identity: identity.as_ref().map(|id| id.as_str().to_owned()),
            ..rendered
        },
        Origin::External { transcript_path } => SessionRecord {
            transcript_path: transcript_path.clone(),
            ..rendered
        },
    }
}

fn orphan_reason(phase: &Phase) -> Option<String> {
    match phase {
        Phase::Orphaned { reason } => Some(reason.as_str().to_owned()),
        Phase::Created
        | Phase::Cancelled
        | Phase::Running { .. }
        | Phase::Dying { .. }
        | Phase::Ended { .. }
        | Phase::Elsewhere
        | Phase::Deleted => None,
    }
}

const fn status(status: coven::Status) -> Status {
    match status {
        coven::Status::Created => Status::Created,
        coven::Status::Running => Status::Running,
        coven::Status::Idle => Status::Idle,
        coven::Status::Completed => Status::Completed,
        coven::Status::Failed => Status::Failed,
        coven::Status::Killed => Status::Killed,
        coven::Status::Orphaned => Status::Orphaned,
    }
}

fn launch_policy(policy: &coven::LaunchPolicy) -> LaunchPolicy {
    LaunchPolicy {
        approval: "never".to_owned(),
        sandbox: "workspace-write".to_owned(),
        add_dirs: policy.add_dirs.clone(),
    }
}

const fn launch_mode(mode: coven::LaunchMode) -> LaunchMode {
    match mode {
        coven::LaunchMode::Interactive => LaunchMode::Interactive,
        coven::LaunchMode::NonInteractive => LaunchMode::NonInteractive,
        coven::LaunchMode::Stream => LaunchMode::Stream,
    }
}
