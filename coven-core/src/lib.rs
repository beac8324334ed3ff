//! The pure heart of Coven: a state machine that folds session events.
//!
//! ```text
//! Command ──decide──▶ Events ──append (durable)──▶ log ──evolve──▶ Session
//!                └──▶ Effects ── performed only after the append
//! ```
//!
//! Nothing here does I/O, reads a clock, makes randomness or awaits: time, ids and bytes are
//! handed in. Start reading at [`decide`](decide::decide), then [`Session::evolve`].
#![forbid(unsafe_code)]

mod actor;
mod code;
mod command;
pub mod decide;
mod decision;
mod effect;
mod event;
mod id;
mod input_id;
mod json;
mod launch;
pub mod limits;
mod record;
mod refusal;
mod replay;
mod seq;
mod session;
mod size;
mod time;

pub use actor::Actor;
pub use code::Code;
pub use command::{Command, Echo};
pub use decide::decide;
pub use decision::Decision;
pub use effect::Effect;
pub use event::{
    Channel, Envelope, Event, EventKind, Exit, FailureCause, InputData, OrphanReason, OutputEnd,
    ProcessFacts,
};
pub use id::{HarnessId, InvalidId, SessionId};
pub use input_id::InputId;
pub use launch::{
    Conversation, ConversationId, ConversationMode, ConversationRequest, Draft, External,
    ExternalRequest, IdempotencyKey, Label, Labels, Launch, LaunchMode, LaunchPolicy,
    LaunchRequest, Model, Place, PolicyRequest, Prompt, Title,
};
pub use record::Record;
pub use refusal::Refusal;
pub use replay::{Replay, is_trimmed};
pub use seq::Seq;
pub use session::{
    Ending, IllegalTransition, Origin, OutputState, Phase, PhaseName, Profile, Session, Snapshot,
    Status,
};
pub use size::TermSize;
pub use time::Timestamp;
