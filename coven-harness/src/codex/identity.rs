//! Codex's thread id: it cannot be given one, so it has to be found out.

use std::path::{Path, PathBuf};

use coven_core::{ConversationId, LaunchMode};

use crate::{IdentitySource, OutputMark, conversation};

/// `codex exec` starts with this header; the prompt is shown after the line `user`. A fast run is
/// over before its open files could be looked at.
const HEADER: OutputMark = OutputMark {
    banner: "OpenAI Codex v",
    label: "session id: ",
    end: "user",
};

pub(super) const fn source(mode: LaunchMode) -> IdentitySource {
    match mode {
        LaunchMode::Interactive => IdentitySource::OpenFile(thread_id),
        LaunchMode::NonInteractive => IdentitySource::Output(HEADER),
        LaunchMode::Stream => IdentitySource::Never,
    }
}

/// A thread's lock file is open from before its first turn; its rollout file from the first turn
/// on. Both stay open for the whole life.
fn thread_id(open_files: &[PathBuf]) -> Option<ConversationId> {
    one_of(open_files, locked_thread).or_else(|| one_of(open_files, recorded_thread))
}

/// What all files that tell an id agree on.
fn one_of(
    files: &[PathBuf],
    recognise: fn(&Path) -> Option<ConversationId>,
) -> Option<ConversationId> {
    let mut ids = files.iter().filter_map(|file| recognise(file));
    let first = ids.next()?;
    ids.all(|id| id == first).then_some(first)
}

/// `…/thread-writer-locks/UUID.lock`
fn locked_thread(file: &Path) -> Option<ConversationId> {
    let in_locks = file.parent()?.ends_with("thread-writer-locks");
    let name = file.file_name()?.to_str()?;
    let id = name.strip_suffix(".lock").filter(|_| in_locks)?;
    thread(id)
}

/// `…/sessions/YYYY/MM/DD/rollout-TIME-UUID.jsonl`
fn recorded_thread(file: &Path) -> Option<ConversationId> {
    let in_sessions = file.ancestors().nth(4)?.ends_with("sessions");
    let name = file.file_name()?.to_str()?;
    let stem = name
        .strip_prefix("rollout-")?
        .strip_suffix(".jsonl")
        .filter(|_| in_sessions)?;
    thread(stem.get(stem.len().checked_sub(36)?..)?)
}

fn thread(text: &str) -> Option<ConversationId> {
    let id = ConversationId::parse("identity", text).ok()?;
    conversation::uuid(&id).ok().cloned()
}
