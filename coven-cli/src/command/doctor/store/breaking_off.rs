//! A salvage that somebody breaks off: it is told what there is in the new home then.

use std::ops::ControlFlow;
use std::path::Path;

use coven::home::LOG_FILE;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Does `work`, which blocks, to its end, or until Ctrl-C or a TERM: then, how to end. What it does ends
/// with the process, as of a `kill -9`.
pub(super) async fn during<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    into: &Path,
) -> Result<ControlFlow<Exit, T>, Failure> {
    let listen = |kind| {
        signal(kind)
            .map_err(|error| Failure::failed(format!("signals cannot be received: {error}")))
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let (tell, told) = oneshot::channel();
    // Of its own: nobody waits for this thread when the command ends.
    std::thread::spawn(move || {
        let _ = tell.send(work());
    });
    let signal = tokio::select! {
        biased;
        done = told => {
            let done = done.map_err(|_| Failure::failed("the salvage panicked"))?;
            return done.map(ControlFlow::Continue);
        }
        _ = interrupt.recv() => 2,
        _ = terminate.recv() => 15,
    };
    output::complain(&what_is_there(into));
    Ok(ControlFlow::Break(Exit::Signal { signal }))
}

/// What there is in the new home. The log is put in its place last.
fn what_is_there(into: &Path) -> String {
    let place = into.display();
    if into.join(LOG_FILE).exists() {
        format!(
            "coven: broken off when the new home was whole: the log in {place} is all there; \
             `coven --home {place} doctor --store` looks at it"
        )
    } else {
        format!(
            "coven: broken off before the new home was whole: what there is in {place} is no log, and is \
             refused as one; salvage into it again, or remove it"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_to_remove_a_log_that_was_in_its_place_when_the_salvage_was_broken_off() {
        let home = tempfile::tempdir().expect("a folder");
        assert!(what_is_there(home.path()).contains("no log"));
        std::fs::write(home.path().join("coven.redb"), "a log").expect("a write");
        let said = what_is_there(home.path());
        assert!(said.contains("is all there"), "{said}");
        assert!(!said.contains("remove"), "{said}");
    }
}
