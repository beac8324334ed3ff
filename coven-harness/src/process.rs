//! A harness's process: spawn it, read it, write to it, learn of its end, kill it.
//!
//! [`spawn`] gives a [`Child`] in parts, so that one task reads, another writes, and a third
//! waits for the exit. Dropping a part closes its descriptors and nothing else; once all of
//! [`Output`], [`Input`] and [`Terminal`] are dropped, the kernel hangs the terminal up.

mod exit;
pub(crate) mod facts;
mod input;
mod kill;
mod output;
mod question;
pub(crate) mod spawn;
mod stopped;
pub(crate) mod terminal;

pub use exit::ExitWatch;
pub use facts::{boot_id, is_running};
pub use input::Input;
pub use kill::{KillError, KillReport, MAX_GRACE, Signalled};
pub use kill::{
    in_this_boot, is_shim_running, kill, kill_again, kill_blocking, kill_marked, kill_shim, shims,
    until_ended,
};
pub use output::{MAX_READ_BYTES, Output};
pub(crate) use question::Question;
pub use spawn::{Child, Spawn, SpawnError, Stdin, Wiring, open_files_limit, spawn};
pub(crate) use stopped::is_stopped_shim;
pub use stopped::stopped_shim;
pub use terminal::Terminal;
