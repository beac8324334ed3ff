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

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "019a9f5e-1d6b-7c3e-8c1d-2f4b6a7c8d9e";
    const OTHER: &str = "0b5e6c1e-7f43-4a53-9f0a-1f5d1c2b3a49";

    fn found(files: &[String]) -> Option<String> {
        let files: Vec<_> = files.iter().map(PathBuf::from).collect();
        thread_id(&files).map(|id| id.as_str().to_owned())
    }

    fn lock(id: &str) -> String {
        format!("/home/u/.codex/thread-writer-locks/{id}.lock")
    }

    fn rollout(id: &str) -> String {
        format!("/home/u/.codex/sessions/2026/11/22/rollout-2026-11-22T11-30-00-{id}.jsonl")
    }

    #[test]
    fn a_threads_lock_and_rollout_tell_its_id() {
        let others = [
            "/dev/pts/3",
            "socket:[123]",
            "/",
            "/home/u/.codex/state_5.sqlite",
            "",
        ];
        let others: Vec<_> = others.map(str::to_owned).into();
        assert_eq!(found(&others), None);
        for file in [lock(ID), rollout(ID)] {
            let files = [others.clone(), vec![file]].concat();
            assert_eq!(found(&files).as_deref(), Some(ID));
        }
        assert_eq!(
            found(&[lock(ID), rollout(ID), lock(ID)]).as_deref(),
            Some(ID)
        );
    }

    #[test]
    fn the_lock_counts_before_the_rollout() {
        assert_eq!(found(&[rollout(OTHER), lock(ID)]).as_deref(), Some(ID));
    }

    #[test]
    fn files_that_disagree_tell_nothing() {
        assert_eq!(found(&[lock(ID), lock(OTHER)]), None);
        assert_eq!(found(&[rollout(ID), rollout(OTHER)]), None);
    }

    #[test]
    fn other_files_of_such_names_tell_nothing() {
        for file in [
            format!("/p/{ID}.lock"),
            format!("/p/rollout-2026-11-22T11-30-00-{ID}.jsonl"),
            format!("/h/sessions/2026/11/22/rollout-{ID}.json"),
            "/h/sessions/2026/11/22/rollout-é.jsonl".to_owned(),
            "/h/thread-writer-locks/latest.lock".to_owned(),
        ] {
            assert_eq!(found(std::slice::from_ref(&file)), None, "{file}");
        }
    }
}
