//! Ending a shim that is of no more use, while others are served.

use std::io;

use coven_core::{ProcessFacts, SessionId};
use coven_harness::process;

use crate::shared::blocking;

/// Ends the shim of a session, as [`process::kill_shim`] does, on a thread that may block: it looks at all
/// processes. True if there was one.
///
/// # Errors
/// As there.
pub(crate) async fn kill_shim(
    leader: Option<ProcessFacts>,
    session: SessionId,
) -> io::Result<bool> {
    let killed = blocking(move || process::kill_shim(leader.as_ref(), &session)).await;
    killed.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::os::unix::process::ExitStatusExt;
    use std::pin::pin;
    use std::process::{Command, Stdio};
    use std::sync::mpsc;
    use std::task::Poll;

    use coven_harness::process::boot_id;
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn a_shim_is_ended_by_a_thread_that_may_block_and_by_no_other() {
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(1).build().expect("a runtime");
        let mut shim = Command::new("cat");
        let mut shim = shim.stdin(Stdio::piped()).spawn().expect("it runs");
        // No process has the id over any that the kernel gives.
        let leader = ProcessFacts {
            pid: u32::MAX,
            start_time: u64::MAX,
            boot_id: boot_id().expect("it has one").to_owned(),
            shim_pid: Some(shim.id()),
        };
        let session = SessionId::parse("0199a213-81c0-7800-8aa1-bbab2a035a00").expect("an id");
        runtime.block_on(async {
            let (let_go, until) = mpsc::channel::<()>();
            let only_one = tokio::task::spawn_blocking(move || until.recv());
            let mut killed = pin!(kill_shim(Some(leader), session));
            let first = poll_fn(|context| Poll::Ready(killed.as_mut().poll(context))).await;
            assert!(first.is_pending(), "it was done here: {first:?}");
            assert!(shim.try_wait().expect("it is ours").is_none());
            let_go.send(()).expect("it waits");
            only_one.await.expect("it ends").expect("it was let go");
            assert!(killed.await.expect("it is seen"));
        });
        assert_eq!(shim.wait().expect("it ends").signal(), Some(9));
    }
}
