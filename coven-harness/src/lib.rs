//! Runs coding agents: what their command lines are, and the processes and terminals they run in.
//!
//! Two halves: a [`Harness`] says, purely, what is to be run for a launch and how it is spoken to
//! (a [`CommandLine`]); [`process`] runs it.
//!
//! Linux only today. What would differ elsewhere is in `platform`.
#![deny(unsafe_code)]

pub mod capabilities;
mod claude;
mod codex;
mod command_line;
mod conversation;
pub mod environment;
mod harness;
pub mod identity;
mod manifest;
mod platform;
pub mod process;
mod prompt;
mod pty;
pub mod readiness;
mod registry;
pub mod shim;
mod stream;
mod submission;
pub mod terminal;
mod user_files;
mod version;

pub use capabilities::HarnessCapabilities;
pub use command_line::{CommandLine, Wiring};
pub use conversation::ConversationPlan;
pub use harness::{About, CannotRun, Harness, Source};
pub use identity::{IdentityScan, IdentitySource, OutputMark, Scanned};
pub use manifest::BadManifest;
pub use platform::{give_back_free_memory, keep_few_arenas};
pub use process::Stdin;
pub use pty::fail_beyond_file_size_limit;
pub use readiness::Readiness;
pub use registry::Registry;
pub use submission::Keystroke;
pub use version::version;
