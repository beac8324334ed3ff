//! `Stdout`: stdout for who catches signals meanwhile.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::failure::Failure;

/// How long the last bytes may take where a signal has ended the rest: over what a reader takes
/// that reads at all, under what feels like waiting.
const LAST_PATIENCE: Duration = Duration::from_millis(250);

/// stdout, written to by a thread of its own: a reader that does not read holds up that thread,
/// and who waits for it can give up. Bytes go out exactly and in order, a piece at a time.
#[derive(Debug)]
pub(crate) struct Stdout {
    stdout: tokio::io::Stdout,
}

impl Stdout {
    /// Nothing is written yet.
    pub(crate) fn new() -> Self {
        Self {
            stdout: tokio::io::stdout(),
        }
    }

    /// Writes bytes, and returns once they are written. What is given up in the middle may still
    /// go out, before anything that is written later.
    ///
    /// # Errors
    /// When they cannot be written; quietly, when nobody reads them.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = async {
            self.stdout.write_all(bytes).await?;
            self.stdout.flush().await
        };
        written.await.map_err(|error| Failure::output(&error))
    }

    /// Writes the last bytes after a signal or a failure, which is what is told: not for long,
    /// and never mind whether it works.
    pub(crate) async fn write_last(&mut self, bytes: &[u8]) {
        let _ = timeout(LAST_PATIENCE, self.write(bytes)).await;
    }
}
