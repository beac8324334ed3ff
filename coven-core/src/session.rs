//! `Session`: where one session stands.

mod evolve;
mod phase;
mod status;

use std::ops::Deref;
use std::sync::Arc;

pub use evolve::IllegalTransition;
pub use phase::{Ending, OutputState, Phase, PhaseName};
pub use status::Status;

use crate::{ConversationId, HarnessId, Labels, LaunchMode, Model, SessionId, TermSize, Title};

/// One session, folded from its events. Reading it is reading its [`Snapshot`]; only
/// [`Session::evolve`] changes it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session(Snapshot);

/// All there is to know of a session but its output, which is counted, not kept. Reading it is
/// reading its [`Profile`] too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Bytes of output recorded: the offset of the next.
    pub output_bytes: u64,
    /// The offset before which output is gone from the log; 0 while all is there.
    pub trimmed_bytes: u64,
    /// All that output, which is what most events are, does not change; so it is shared with who
    /// keeps an earlier snapshot.
    pub profile: Arc<Profile>,
}

/// What is known of a session beside how much it has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its id.
    pub id: SessionId,
    /// Where it is in its life.
    pub phase: Phase,
    /// What kind of session it is, and what only that kind has.
    pub origin: Origin,
    /// Which harness.
    pub harness: HarnessId,
    /// Its project's root.
    pub root: String,
    /// What people call it.
    pub title: Title,
    /// Its labels.
    pub labels: Labels,
    /// Whether it is hidden from plain lists.
    pub archived: bool,
    /// How many of its inputs are on record as undelivered.
    pub undelivered_inputs: u64,
}

/// What only one kind of session has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Coven launched it.
    Launched {
        /// Its working directory.
        cwd: String,
        /// The first characters of its prompt, where it has one; the whole is in its first event.
        prompt_head: Option<String>,
        /// Which model, where the caller chose one.
        model: Option<Model>,
        /// How it is wired.
        mode: LaunchMode,
        /// What the caller calls the conversation.
        conversation_id: Option<ConversationId>,
        /// What the harness calls it, once known.
        identity: Option<ConversationId>,
        /// The terminal's size now.
        size: TermSize,
        /// The session it goes on from.
        continues: Option<SessionId>,
    },
    /// It runs elsewhere.
    External {
        /// Where its transcript is, as its owner says.
        transcript_path: Option<String>,
    },
}

impl Session {
    /// A session from a snapshot that [`Session::evolve`] once made, kept by the log.
    pub fn restore(snapshot: Snapshot) -> Self {
        Self(snapshot)
    }

    /// The session with output that was recorded and is not there any more.
    pub(crate) const fn with_output_bytes(mut self, output_bytes: u64) -> Self {
        self.0.output_bytes = output_bytes;
        self
    }

    /// The status that records show.
    pub fn status(&self) -> Status {
        Status::of(&self.0)
    }

    /// Whether it runs elsewhere.
    pub fn is_external(&self) -> bool {
        matches!(self.0.origin, Origin::External { .. })
    }

    /// How it is wired; `None` for an external one.
    pub fn mode(&self) -> Option<LaunchMode> {
        match self.0.origin {
            Origin::Launched { mode, .. } => Some(mode),
            Origin::External { .. } => None,
        }
    }

    /// Its terminal's size now; `None` for an external one.
    pub fn size(&self) -> Option<TermSize> {
        match self.0.origin {
            Origin::Launched { size, .. } => Some(size),
            Origin::External { .. } => None,
        }
    }

    /// What the caller calls its conversation.
    pub fn conversation_id(&self) -> Option<&ConversationId> {
        match &self.0.origin {
            Origin::Launched {
                conversation_id, ..
            } => conversation_id.as_ref(),
            Origin::External { .. } => None,
        }
    }
}

impl Deref for Session {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0
    }
}

impl Deref for Snapshot {
    type Target = Profile;

    fn deref(&self) -> &Profile {
        &self.profile
    }
}
