//! The engine that runs coding agents and records everything they do.
//!
//! An [`Engine`] is opened on a home directory. It launches a session (one harness process, such
//! as Codex or Claude Code, in a terminal inside a project) and writes what happens to it into one
//! append-only log: what the agent wrote is there, byte for byte, whatever dies.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use coven::{Actor, Engine, Event, LaunchRequest, Options, Seq};
//!
//! let engine = Engine::open(Options::at("/home/me/.coven")).await?;
//! let request = LaunchRequest {
//!     project_root: Some("/home/me/project".to_owned()),
//!     harness: Some("codex".to_owned()),
//!     prompt: Some("fix the failing tests".to_owned()),
//!     launch_mode: Some("nonInteractive".to_owned()),
//!     ..LaunchRequest::default()
//! };
//! let me = Actor { uid: 1000, pid: None, client: Some("example".to_owned()) };
//! let record = engine.launch(request, me).await?;
//! let mut events = engine.follow(&record.session.id, Seq::ZERO);
//! while let Some(page) = events.next().await? {
//!     for envelope in page {
//!         if let Event::Output { data, .. } = envelope.event {
//!             print!("{}", String::from_utf8_lossy(&data));
//!         }
//!     }
//! }
//! engine.shutdown().await;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

// The tests share the world of those outside.
#[cfg(test)]
extern crate self as coven;

mod attach;
pub mod clock;
mod commit;
mod end_all;
mod engine;
mod error;
mod follow;
mod harnesses;
mod health;
pub mod home;
mod hosting;
mod import;
mod launch;
mod on_the_way;
mod opening;
mod options;
mod out_of_reach;
mod place;
mod recover;
pub mod repair;
mod retention;
mod running;
mod session_task;
mod shared;
mod shutdown;
mod spools;

pub use attach::AttachView;
pub use end_all::Heard;
pub use engine::{Engine, Registered};
pub use error::{Error, OpenError, Unavailable};
pub use follow::{Follow, FollowAll};
pub use harnesses::HarnessInfo;
pub use health::Health;
pub use hosting::{Hosting, Shims};
pub use import::{Arrival, Import, ImportError, Imported};
#[doc(hidden)]
pub use on_the_way::{OnTheWay, Waypoint};
pub use options::Options;
pub use out_of_reach::{Amiss, OutOfReach};
pub use retention::{Pruned, PrunedSession, Pruning, Retention, Unread};

pub use coven_core::decide::incomplete_char;
pub use coven_core::{
    Actor, Channel, Code, Conversation, ConversationId, ConversationMode, ConversationRequest,
    Ending, Envelope, Event, EventKind, Exit, External, ExternalRequest, FailureCause, HarnessId,
    IdempotencyKey, InputData, InputId, InvalidId, Label, Labels, Launch, LaunchMode, LaunchPolicy,
    LaunchRequest, Model, Origin, OrphanReason, OutputEnd, OutputState, Phase, PhaseName, Place,
    PolicyRequest, ProcessFacts, Profile, Prompt, Record, Refusal, Seq, Session, SessionId,
    Snapshot, Status, TermSize, Timestamp, Title, limits,
};
pub use coven_harness as harness;
pub use coven_harness::capabilities::{self, HarnessCapabilities};
pub use coven_harness::{
    Harness, Readiness, Registry, Source, environment, readiness, shim, terminal,
};
pub use coven_store as store;
pub use coven_store::{
    Archived, Listing, Lost, OutputChunk, Page, Position, ReadLimit, StorageFault, StoreHealth,
    WriterState,
};
