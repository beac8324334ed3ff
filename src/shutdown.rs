//! Leaving: no more work is taken, what lives is ended and put on record, the log is closed.

use std::time::Duration;

use tokio::time::timeout;

use crate::hosting::Hosting;
use crate::running::{Message, Request};
use crate::shared::Shared;

/// What a kill may take beyond its grace: the kernel ending a process that does not end by itself,
/// the last output, and the disk.
const BEYOND_GRACE: Duration = Duration::from_secs(8);

/// How long ending by force what could not be ended, and putting that on record, may take; and how
/// long closing the log may.
const LAST_WORDS: Duration = Duration::from_secs(2);

pub(crate) async fn shutdown(shared: &Shared) {
    shared.begin_shutdown();
    for session in shared.running.ids() {
        // The answer is the session's end, waited for below.
        let kill = ask_to_kill(shared, session);
        tokio::spawn(kill);
    }
    let ended = shared.running.none_left();
    if timeout(shared.grace + BEYOND_GRACE, ended).await.is_err() {
        tracing::error!(sessions = ?shared.running.ids(), "sessions could not be ended");
        abandon(shared).await;
    }
    close(shared).await;
}

/// Lets go of the sessions that shims hold, which go on, and ends the others.
pub(crate) async fn leave(shared: &Shared) {
    if let Hosting::InProcess = shared.hosting {
        return shutdown(shared).await;
    }
    shared.begin_shutdown();
    for session in shared.running.ids() {
        let running = shared.running.clone();
        // Beside the others: a session that takes no messages must not hold them up.
        tokio::spawn(async move { running.tell(&session, Message::Leave).await });
    }
    if timeout(LAST_WORDS, shared.running.none_left())
        .await
        .is_err()
    {
        // What they have is with their shims, too.
        tracing::error!(sessions = ?shared.running.ids(), "sessions are left as they are");
    }
    close(shared).await;
}

async fn close(shared: &Shared) {
    let closing = shared.store.clone().close();
    if timeout(LAST_WORDS, closing).await.is_err() {
        // Nothing acknowledged is lost by that: the file is in order after every commit.
        tracing::error!("the log is left open: the disk does not answer");
    }
    shared.release_home();
}

fn ask_to_kill(
    shared: &Shared,
    session: coven_core::SessionId,
) -> impl Future<Output = ()> + Send + 'static {
    let running = shared.running.clone();
    async move {
        // Refused where somebody was faster; the session ends all the same.
        let _ = running.ask(&session, Request::Kill, None).await;
    }
}

/// What could not be ended, or not be put on record, is killed by force and told to be lost, if
/// that can be; else the next engine will find it.
async fn abandon(shared: &Shared) {
    for session in shared.running.ids() {
        let running = shared.running.clone();
        // Beside the others: a session that takes no messages must not hold them up.
        tokio::spawn(async move { running.tell(&session, Message::Abandon).await });
    }
    let _ = timeout(LAST_WORDS, shared.running.none_left()).await;
}
