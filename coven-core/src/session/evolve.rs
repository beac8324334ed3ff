//! Folding facts into state.
//!
//! `begin` and `evolve` are the only ways a [`Session`] comes to be and changes. They are total
//! and pure: the same session and event give the same answer on every machine, live or at replay.

use std::sync::Arc;

use super::{Ending, Origin, OutputState, Phase, PhaseName, Profile, Session, Snapshot};
use crate::{Event, EventKind, External, Launch, Prompt, SessionId};

/// An event that cannot follow: a bug, or a damaged log. Stop that session; never guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot follow in phase {from:?}")]
pub struct IllegalTransition {
    /// The phase it found.
    pub from: PhaseName,
    /// The event.
    pub event: EventKind,
}

impl Session {
    /// A session from its first event.
    ///
    /// # Errors
    /// [`IllegalTransition`] if `event` is not one that begins a session.
    pub fn begin(id: SessionId, event: &Event) -> Result<Self, IllegalTransition> {
        match event {
            Event::Created { launch, .. } => Ok(Self::new(launched(id, launch))),
            Event::Registered { external } => Ok(Self::new(registered(id, external))),
            Event::Started { .. }
            | Event::LaunchFailed { .. }
            | Event::Identified { .. }
            | Event::Output { .. }
            | Event::Input { .. }
            | Event::Resized { .. }
            | Event::Titled { .. }
            | Event::Labelled { .. }
            | Event::KillRequested
            | Event::OutputClosed { .. }
            | Event::Exited { .. }
            | Event::Completed { .. }
            | Event::Orphaned { .. }
            | Event::Archived
            | Event::Summoned
            | Event::Deleted
            | Event::Trimmed { .. }
            | Event::Undelivered { .. } => Err(IllegalTransition {
                from: PhaseName::Absent,
                event: event.kind(),
            }),
        }
    }

    /// One that has written nothing.
    fn new(profile: Profile) -> Self {
        Self(Snapshot {
            output_bytes: 0,
            trimmed_bytes: 0,
            profile: Arc::new(profile),
        })
    }

    /// The session after one more event. Takes `self` by value, so that a rejected event leaves
    /// no half-changed session behind.
    ///
    /// # Errors
    /// [`IllegalTransition`] if `event` cannot follow this phase, an output's offset is not where
    /// the last one ended, an exit contradicts how the output was closed, or a trim does not go on
    /// where the last one ended, is empty, or goes past the output there is, or an input that is told
    /// to be undelivered is not.
    pub fn evolve(self, event: &Event) -> Result<Self, IllegalTransition> {
        let illegal = IllegalTransition {
            from: self.phase.name(),
            event: event.kind(),
        };
        let mut next = self.0;
        match event {
            Event::Created { .. } | Event::Registered { .. } => return Err(illegal),
            Event::Started { .. }
            | Event::LaunchFailed { .. }
            | Event::KillRequested
            | Event::OutputClosed { .. }
            | Event::Exited { .. }
            | Event::Completed { .. }
            | Event::Orphaned { .. }
            | Event::Deleted => {
                // First, so that what is refused copies nothing that is shared.
                let phase = next.phase.clone().after(event).ok_or(illegal)?;
                next.profile().phase = phase;
            }
            Event::Output { offset, data, .. } => {
                if !next.phase.output_is_open() || *offset != next.output_bytes {
                    return Err(illegal);
                }
                let end = offset.checked_add(data.len() as u64);
                next.output_bytes = end.ok_or(illegal)?;
            }
            Event::Trimmed {
                offset, len_bytes, ..
            } => {
                let end = offset.checked_add(*len_bytes).ok_or(illegal)?;
                let goes_on = *offset == next.trimmed_bytes && *len_bytes > 0;
                if next.phase == Phase::Deleted || !goes_on || end > next.output_bytes {
                    return Err(illegal);
                }
                next.trimmed_bytes = end;
            }
            Event::Undelivered {
                len_bytes,
                written_bytes,
                ..
            } => {
                let is_some_missing =
                    *len_bytes > 0 && written_bytes.is_none_or(|it| it < *len_bytes);
                if next.phase.process().is_none() || !is_some_missing {
                    return Err(illegal);
                }
                let so_far = next.undelivered_inputs;
                next.profile().undelivered_inputs = so_far.checked_add(1).ok_or(illegal)?;
            }
            Event::Input { .. } => next.phase.is_running().then_some(()).ok_or(illegal)?,
            Event::Resized { size: new } if next.phase.is_running() => {
                match &mut next.profile().origin {
                    Origin::Launched { size, .. } => *size = *new,
                    Origin::External { .. } => return Err(illegal),
                }
            }
            Event::Identified { conversation } if next.phase.may_identify() => {
                match &mut next.profile().origin {
                    Origin::Launched { identity, .. } => *identity = Some(conversation.clone()),
                    Origin::External { .. } => return Err(illegal),
                }
            }
            Event::Titled { title } if next.phase != Phase::Deleted => {
                next.profile().title = title.clone();
            }
            Event::Labelled { labels } if next.phase != Phase::Deleted => {
                next.profile().labels = labels.clone();
            }
            Event::Archived if next.phase.has_remains() && !next.archived => {
                next.profile().archived = true;
            }
            Event::Summoned if next.phase.has_remains() && next.archived => {
                next.profile().archived = false;
            }
            Event::Resized { .. }
            | Event::Identified { .. }
            | Event::Titled { .. }
            | Event::Labelled { .. }
            | Event::Archived
            | Event::Summoned => {
                return Err(illegal);
            }
        }
        Ok(Self(next))
    }
}

impl Snapshot {
    /// To change it: whoever shares it keeps what it was.
    fn profile(&mut self) -> &mut Profile {
        Arc::make_mut(&mut self.profile)
    }
}

impl Phase {
    /// The phase after an event that changes it; `None` where it cannot follow.
    fn after(self, event: &Event) -> Option<Self> {
        Some(match (self, event) {
            (Self::Created, Event::Started { process, .. }) => Self::Running {
                process: process.clone(),
                output: OutputState::Open,
            },
            // The kill came while the process was being made: it is there, and must die.
            (Self::Cancelled, Event::Started { process, .. }) => Self::Dying {
                process: process.clone(),
                output: OutputState::Open,
            },
            (Self::Created, Event::LaunchFailed { reason, .. }) => Self::Ended {
                ending: Ending::NeverStarted {
                    reason: reason.clone(),
                },
            },
            (Self::Cancelled, Event::LaunchFailed { .. }) => Self::Ended {
                ending: Ending::CalledOff,
            },
            (Self::Created, Event::KillRequested) => Self::Cancelled,
            (Self::Running { process, output }, Event::KillRequested) => {
                Self::Dying { process, output }
            }
            (
                Self::Running {
                    process,
                    output: OutputState::Open,
                },
                Event::OutputClosed { end },
            ) => Self::Running {
                process,
                output: OutputState::Closed { end: *end },
            },
            (
                Self::Dying {
                    process,
                    output: OutputState::Open,
                },
                Event::OutputClosed { end },
            ) => Self::Dying {
                process,
                output: OutputState::Closed { end: *end },
            },
            (
                Self::Running {
                    output: OutputState::Closed { end },
                    ..
                },
                Event::Exited {
                    exit: Some(exit),
                    output,
                },
            ) if end == *output => Self::Ended {
                ending: Ending::Exited { exit: *exit },
            },
            (
                Self::Dying {
                    output: OutputState::Closed { end },
                    ..
                },
                Event::Exited { exit, output },
            ) if end == *output => Self::Ended {
                ending: Ending::Killed { exit: *exit },
            },
            (Self::Elsewhere, Event::Completed { exit_code }) => Self::Ended {
                ending: Ending::Reported {
                    exit_code: *exit_code,
                },
            },
            (
                Self::Created | Self::Cancelled | Self::Running { .. } | Self::Dying { .. },
                Event::Orphaned { reason },
            ) => Self::Orphaned { reason: *reason },
            (Self::Ended { .. } | Self::Orphaned { .. }, Event::Deleted) => Self::Deleted,
            // Every event is named, so that a new one does not build until it has a place.
            (
                _,
                Event::Created { .. }
                | Event::Registered { .. }
                | Event::Started { .. }
                | Event::LaunchFailed { .. }
                | Event::Identified { .. }
                | Event::Output { .. }
                | Event::Input { .. }
                | Event::Resized { .. }
                | Event::Titled { .. }
                | Event::Labelled { .. }
                | Event::KillRequested
                | Event::OutputClosed { .. }
                | Event::Exited { .. }
                | Event::Completed { .. }
                | Event::Orphaned { .. }
                | Event::Archived
                | Event::Summoned
                | Event::Deleted
                | Event::Trimmed { .. }
                | Event::Undelivered { .. },
            ) => return None,
        })
    }

    fn output_is_open(&self) -> bool {
        matches!(
            self,
            Self::Running {
                output: OutputState::Open,
                ..
            } | Self::Dying {
                output: OutputState::Open,
                ..
            }
        )
    }

    fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// An identity may be known as early as the launch, and is often printed only at the end.
    fn may_identify(&self) -> bool {
        matches!(
            self,
            Self::Created | Self::Cancelled | Self::Running { .. } | Self::Dying { .. }
        )
    }

    /// Over, and still on record.
    fn has_remains(&self) -> bool {
        matches!(self, Self::Ended { .. } | Self::Orphaned { .. })
    }
}

fn launched(id: SessionId, launch: &Launch) -> Profile {
    Profile {
        id,
        phase: Phase::Created,
        origin: Origin::Launched {
            cwd: launch.place.cwd().to_owned(),
            prompt_head: launch.prompt.as_ref().map(Prompt::head),
            model: launch.model.clone(),
            mode: launch.mode,
            conversation_id: launch.conversation_id.clone(),
            identity: None,
            size: launch.size,
            continues: launch.continues.clone(),
        },
        harness: launch.harness.clone(),
        root: launch.place.root().to_owned(),
        title: launch.title.clone(),
        labels: launch.labels.clone(),
        archived: false,
        undelivered_inputs: 0,
    }
}

fn registered(id: SessionId, external: &External) -> Profile {
    Profile {
        id,
        phase: Phase::Elsewhere,
        origin: Origin::External {
            transcript_path: external.transcript_path.clone(),
        },
        harness: external.harness.clone(),
        root: external.root.clone(),
        title: external.title.clone(),
        labels: external.labels.clone(),
        archived: false,
        undelivered_inputs: 0,
    }
}
