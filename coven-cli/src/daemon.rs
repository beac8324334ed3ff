//! The daemon process: how it is started, how it detaches, and what it does until it stops.

mod detach;
mod log_file;
mod ready;
mod serve;
mod spawn;

pub(crate) use log_file::open_log;
pub(crate) use serve::{Attachment, log_beside, raise_open_files_limit, serve};
pub(crate) use spawn::{Spawned, spawn, start_command};
