//! What differs from system to system. All of it is here, but for one call in `pty`, which is
//! unsafe: a port writes another file beside `linux`, with the same items in it.

#[cfg(not(unix))]
compile_error!("Coven needs a Unix system. On Windows, build and run it in WSL 2.");

#[cfg(all(unix, not(target_os = "linux")))]
compile_error!("Coven runs on Linux only, so far: coven-harness/src/platform has no other system.");

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub(crate) use linux::{
    Handle, NoHandle, Stat, arguments, boot_id, children, environment, open_files, open_terminal,
    pids, until_one_ended,
};
#[cfg(target_os = "linux")]
pub use linux::{give_back_free_memory, keep_few_arenas};
