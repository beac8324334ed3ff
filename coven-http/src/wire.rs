//! The wire types: what is in the bodies of requests and answers, one set for server and client.
//!
//! They mirror `coven.daemon.v1` and change only by additions. Requests are camelCase; records
//! and events are snake_case; the envelope of an events page is camelCase, that of a sessions
//! page snake_case. That is inherited, not to be tidied.

mod attach;
mod capability;
mod control;
mod error;
pub(crate) mod event;
mod harness;
mod health;
mod launch;
mod log;
mod payload;
mod prune;
mod session;
mod shutdown;
mod time;

pub use attach::{FromDaemon, FromViewer};
pub use capability::{ActionBody, ActionEvent, ActionReply, Capabilities, Capability};
pub use control::{Accepted, EditBody, InputBody, ResizeBody, SubmitBody};
pub use error::{ErrorBody, ErrorDetail};
pub use event::{DamagedEvents, Event, EventCursor, EventsPage, TrimmedOutput};
pub use harness::{
    GlobalInstructions, Harness, HarnessCapabilities, HarnessScan, Harnesses, Plugin, Skill,
    Source, Warning,
};
pub(crate) use health::STUCK;
pub use health::{
    ApiVersion, CONTRACT, Daemon, EventWriter, Health, HealthCapabilities, VERSION, WriterState,
};
pub use launch::{CompleteBody, Conversation, ExternalBody, LaunchBody, LaunchPolicy};
pub use log::{LogLevel, LogLine};
pub use payload::{
    Channel, Exit, ExitStatus, Identified, Input, LabelsChange, Output, OutputEnd, Payload, Size,
    StatusChange, TitleChange, Trim, Undelivered,
};
pub use prune::{NotPruned, PruneBody, Pruned, PrunedSession, UnreadOutput};
pub use session::{LaunchMode, SessionRecord, SessionsPage, Status, Visibility};
pub use shutdown::{SessionsAtStop, ShutdownBody, ShutdownCapabilities, ShutdownReply};
pub use time::{InvalidTime, Time};
