//! Watching, while deaths are waited for, whether they can be on record at all.

use std::cell::Cell;
use std::time::Duration;

use coven_http::client::Client;
use coven_http::wire::WriterState;
use tokio::time::{Instant, sleep};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// How often it is looked whether the log takes writes.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// How long a log that takes no writes is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who waits for deaths, one after the other.
#[derive(Debug)]
pub(super) struct Vigil<'a> {
    client: &'a Client,
    look_every: Duration,
    patience: Duration,
    /// Since when the log is known to take no writes.
    failing_since: Cell<Option<Instant>>,
    has_told: Cell<bool>,
}

impl<'a> Vigil<'a> {
    pub(super) const fn new(client: &'a Client) -> Self {
        Self {
            client,
            look_every: LOOK_EVERY,
            patience: PATIENCE,
            failing_since: Cell::new(None),
            has_told: Cell::new(false),
        }
    }

    /// Says so once when the log takes no writes, so that the death of a session that was killed
    /// cannot be on record. Returns only when it took none for too long.
    pub(super) async fn unrecorded(&self, id: &str) -> Failure {
        loop {
            sleep(self.look_every).await;
            let Some(reason) = self.log_fails_for().await else {
                self.failing_since.set(None);
                continue;
            };
            let unrecorded = format!("the event log takes no writes ({reason})");
            let begun = Instant::now();
            let since = self.failing_since.get().unwrap_or(begun);
            self.failing_since.set(Some(since));
            if since.elapsed() >= self.patience {
                return Failure::new(
                    Exit::Unreachable,
                    format!(
                        "session {id} was told to end, and its end is not on record: {unrecorded}; \
                         it is recorded once that is mended, and `coven show {id}` then tells it"
                    ),
                );
            }
            if !self.has_told.replace(true) {
                output::complain(&format!(
                    "coven: waiting, since the end of session {id} cannot be recorded: {unrecorded}"
                ));
            }
        }
    }

    /// Why the log takes no writes, if it takes none.
    async fn log_fails_for(&self) -> Option<String> {
        // A daemon that cannot say how it is fails the follow, too.
        let writer = self.client.health().await.ok()?.event_writer;
        let reason = writer.last_error.unwrap_or_else(|| "unknown".to_owned());
        (writer.state == WriterState::Failed).then_some(reason)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    use super::*;

    const SOON: Duration = Duration::from_millis(5);

    /// A daemon whose log is `state`, until it has been asked `looks` times.
    async fn serve(listener: UnixListener, state: &str, looks: usize) {
        for _ in 0..looks {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            assert!(connection.read(&mut request).await.unwrap() > 0);
            let health = health(state);
            let len = health.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {len}\r\n\r\n{health}");
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    fn health(state: &str) -> String {
        serde_json::json!({
            "ok": true, "apiVersion": "coven.daemon.v1", "covenVersion": "1", "capabilities": {},
            "daemon": {"pid": 1, "startedAt": "2026-01-01T00:00:00.000000000Z", "socket": "s"},
            "eventWriter": {"state": state, "queuedEvents": 0, "queuedBytes": 0,
                "capacityBytes": 1, "droppedOutputEvents": 0, "droppedOutputBytes": 0,
                "connectionOpens": 1, "transactions": 0, "committedEvents": 0,
                "lastError": "no room on the disk"}
        })
        .to_string()
    }

    /// Why it was in vain to wait; `None` if it was not while the daemon was asked `looks` times.
    async fn in_vain(state: &str, looks: usize, patience: Duration) -> Option<Failure> {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        let client = Client::new(&socket);
        let vigil = Vigil {
            look_every: SOON,
            patience,
            ..Vigil::new(&client)
        };
        tokio::select! {
            biased;
            failure = vigil.unrecorded("x") => Some(failure),
            () = serve(listener, state, looks) => None,
        }
    }

    #[tokio::test]
    async fn a_death_that_a_full_disk_keeps_off_the_record_is_given_up_with_the_reason() {
        let failure = in_vain("failed", usize::MAX, SOON).await.unwrap();
        assert_eq!(failure.exit(), Exit::Unreachable);
        let told = failure.to_string();
        assert!(told.contains("session x was told to end"), "{told}");
        assert!(told.contains("(no room on the disk)"), "{told}");
    }

    #[tokio::test]
    async fn it_is_not_given_up_before_the_disk_had_time_to_have_room_again() {
        assert!(in_vain("failed", 10, PATIENCE).await.is_none());
    }

    #[tokio::test]
    async fn a_death_that_only_takes_long_is_not_given_up() {
        assert!(in_vain("healthy", 10, SOON).await.is_none());
    }
}
