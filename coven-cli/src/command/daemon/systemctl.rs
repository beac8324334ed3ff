//! systemd, asked to do something about the user's units.

use std::process::{Command, Stdio};

use crate::failure::Failure;

/// Runs `systemctl --user` with these arguments; what it says goes to stderr.
///
/// # Errors
/// When it cannot be run, or fails.
pub(super) fn run(arguments: &[&str]) -> Result<(), Failure> {
    let line = format!("systemctl --user {}", arguments.join(" "));
    let status = Command::new("systemctl")
        .arg("--user")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .map_err(|error| Failure::failed(format!("`{line}` cannot be run: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::failed(format!("`{line}` failed ({status})")))
}
