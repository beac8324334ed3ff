//! What the log says of itself as a command opens it. Of a log that a daemon opens, it is in the daemon's log.

use std::io::{self, Write};

use crate::output;

/// What of it is told: how opening its files went.
const TOLD: &str = "coven_store::file=warn";

/// Has it told on stderr from now on.
pub(super) fn are_told() {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(TOLD)
        .with_writer(|| Complaint)
        .without_time()
        .with_level(false)
        .with_target(false)
        .with_ansi(false)
        .log_internal_errors(false);
    // One that is there already tells it.
    let _ = lines.try_init();
}

/// Where a line goes, which is written at once.
struct Complaint;

impl Write for Complaint {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        output::complain(&format!("coven: {}", text.trim_end()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
