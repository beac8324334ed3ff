//! `Beginning`: with what a process begins to be driven, once it is made or taken over.

use coven_core::{Actor, Command, Timestamp};
use coven_harness::IdentitySource;
use tokio::task::JoinHandle;

use super::heard_again::HeardAgain;
use super::killing::Report;
use super::live::Slot;
use super::process::{Keyboard, Process};
use super::writer::Input;
use crate::attach::Screenless;
use crate::running::Message;

/// How a process begins to be driven.
pub(super) struct Beginning {
    pub(super) process: Process,
    pub(super) keyboard: Option<Keyboard>,
    /// What was heard of its output that is on record.
    pub(super) screen: Screenless,
    /// Hearing the output on record once more, where that is to be done first.
    pub(super) hearing_again: Slot<HeardAgain>,
    /// What is to be put on record of its start, and when that was; nothing where it is.
    pub(super) started: Option<(Command, Timestamp)>,
    /// What is typed before anything else, where that is not sure to be typed yet.
    pub(super) first_input: Option<Input>,
    pub(super) identity: IdentitySource,
    /// A kill came while the process was being made.
    pub(super) called_off: bool,
    /// That kill, where it was carried out already.
    pub(super) early_kill: Option<JoinHandle<Report>>,
    pub(super) unrecorded_kill: Option<UnrecordedKill>,
    pub(super) deferred: Vec<Message>,
}

/// A kill that was carried out and could not be put on record yet.
pub(super) struct UnrecordedKill {
    pub(super) by: Option<Actor>,
}
