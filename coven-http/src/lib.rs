//! Coven over HTTP/1.1 on a Unix socket: the server, the wire types, and a typed client.
//!
//! [`Server::bind`] an engine's home and [`run`](Server::run) it; a [`client::Client`] of the same
//! home reaches it. docs/http.md tells the contract, docs/errors.md every error.
#![forbid(unsafe_code)]

mod app;
mod attach;
mod body;
mod breaking_off;
pub mod client;
mod connection;
mod cursor;
mod daemon_file;
mod dead_daemon;
mod dispatch;
mod error;
pub mod export;
mod failing_log;
mod handler;
mod home_standing;
mod home_watch;
mod input_name;
mod json_list;
mod limits;
mod openapi;
mod peer;
mod preview;
mod query;
mod range;
mod redact;
mod render;
mod reply;
mod route;
mod server;
mod socket;
mod sse;
mod trimmed;
pub mod wire;

pub use daemon_file::{repair, told};
pub use dead_daemon::{clear, is_left};
pub use home_watch::HomeWatch;
pub use server::{ServeError, ServeOptions, Server, Stopped, Stopper, Timeouts};
pub use socket::BindError;

/// The socket's name in a Coven home.
pub const SOCKET_NAME: &str = "coven.sock";

/// Bytes of a socket's path: `sun_path` less its NUL.
pub const MAX_SOCKET_PATH_BYTES: usize = 107;

/// The header that says whether more output may come.
pub(crate) const OUTPUT_COMPLETE: &str = "x-coven-output-complete";

/// The header of a stream that says which log it tells of: a cursor in one is none in another.
pub(crate) const LOG: &str = "x-coven-log";

/// The comment that ends a stream of events which is told whole.
pub(crate) const STREAM_END: &str = "end";

/// The name of the event, without an id, that says which output a stream does not tell because it
/// was trimmed.
const STREAM_MISSING: &str = "missing";

/// The name of the event, without an id, that says which events a stream does not tell because they
/// are damaged.
const STREAM_DAMAGED: &str = "damaged";

/// How the comment begins that says why a stream of events breaks off; an error envelope follows.
pub(crate) const STREAM_ERROR: &str = "error ";
