//! When what is in the journal is to be folded.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use super::Writer;
use crate::folder;
use crate::limits::FOLD_BEFORE_SHARE;
use crate::tail::Tail;

/// What was written and nobody asked to have folded: since when it waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Folding {
    waits: Option<Waits>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waits {
    /// When the first group of it was written, or later by what a fold took that began before it.
    first: Instant,
    /// When the last one was.
    last: Instant,
    /// When the first was that rids the log of output or of a session, as the first of all.
    let_go: Option<Instant>,
}

/// What a group does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Add,
    /// It rids the log of something, too: folding it makes room.
    LetGo,
}

impl Folding {
    /// A group was written.
    pub(super) fn written(&mut self, now: Instant, does: Does) {
        let waits = self.waits.get_or_insert(Waits {
            first: now,
            last: now,
            let_go: None,
        });
        waits.last = now;
        match does {
            Does::Add => {}
            Does::LetGo => {
                waits.let_go.get_or_insert(now);
            }
        }
    }

    /// There was a fold: what waits yet was written after it began.
    pub(super) fn folded(&mut self, now: Instant, left: &Tail) {
        let Some(waits) = &mut self.waits else {
            return;
        };
        if left.is_folded() {
            self.waits = None;
        } else {
            waits.first = now;
            waits.let_go = waits.let_go.filter(|_| left.lets_go()).map(|_| now);
        }
    }

    /// How long until a fold is due if nothing more is written, where that is [so long](crate::Options::fold_after)
    /// after it; `None` when there is nothing to fold.
    fn until_due(&self, now: Instant, fold_after: Duration) -> Option<Duration> {
        let waits = self.waits?;
        let left = |since, of: Duration| of.saturating_sub(now.saturating_duration_since(since));
        let quiet = left(waits.last, fold_after);
        let old = left(waits.first, fold_after.saturating_mul(FOLD_BEFORE_SHARE));
        let room = waits.let_go.map(|since| left(since, fold_after));
        Some(room.into_iter().fold(quiet.min(old), Duration::min))
    }
}

impl Writer {
    /// Has the journal folded once there is enough.
    pub(super) fn fold_if_enough(&self) {
        if self.tail.look().bytes() >= self.fold_bytes {
            self.tell_folder(folder::Message::Fold);
        }
    }

    /// How long until a fold is due if nothing more is written; `None` when there is nothing to fold.
    pub(super) fn until_fold(&self) -> Option<Duration> {
        let folding = &self.state.folding;
        folding.until_due(Instant::now(), self.fold_after)
    }

    /// Has what there is folded, where nothing was written for long, or some of it waits for long, however
    /// little it is.
    pub(super) fn fold_if_due(&mut self) {
        if self.until_fold().is_some_and(|due| due.is_zero()) {
            self.state.folding = Folding::default();
            self.tell_folder(folder::Message::FoldAll { reply: None });
        }
    }

    /// The folder says that there was a fold.
    pub(super) fn there_was_a_fold(&mut self) {
        let left = self.tail.look();
        self.state.folding.folded(Instant::now(), &left);
    }
}
