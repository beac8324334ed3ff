//! Starting a home's daemon, and another where it does not stay.

use std::io::Read;
use std::time::Duration;

use coven_http::HomeWatch;
use coven_http::client::Client;
use coven_http::wire::Health;
use tokio::time::{Instant, timeout_at};

use super::{Found, look, try_another, turn};
use crate::daemon::{self, Spawned};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;
use crate::setbacks::Setbacks;

/// How long a home that another process has open is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts the home's daemon with `spawn`, unless one serves by then. One that is killed, or that somebody
/// stops as soon as it is ready, as who restarts it at the same time does, is followed by another, after
/// `setbacks` that there were before.
///
/// # Errors
/// At once, where a daemon says why it does not start; where none stays, once these are enough.
pub(super) async fn start(
    home: &Home,
    client: &Client,
    mut setbacks: Setbacks,
    mut spawn: impl FnMut(&Home) -> Result<Spawned, Failure>,
) -> Result<Health, Failure> {
    home.make()?;
    loop {
        match start_one(home, client, &mut spawn).await? {
            Started::Serves(health) => return Ok(*health),
            // Whoever else waits for one may have better luck meanwhile.
            Started::IsGone(failure) => try_another(&mut setbacks, failure).await?,
        }
    }
}

/// What came of a start.
enum Started {
    Serves(Box<Health>),
    /// Whatever was started is gone, and did not say why.
    IsGone(Failure),
}

/// Starts one, unless one serves; nobody else starts one meanwhile.
async fn start_one(
    home: &Home,
    client: &Client,
    spawn: &mut impl FnMut(&Home) -> Result<Spawned, Failure>,
) -> Result<Started, Failure> {
    let _starting = home.lock_start()?;
    let deadline = Instant::now() + PATIENCE;
    let mut was_ready = false;
    loop {
        // From before the look, so that nothing that comes after it is missed.
        let changes = HomeWatch::open(home.dir()).ok();
        match look(client).await {
            Ok(Found::Serving(health)) => return Ok(Started::Serves(health)),
            Ok(Found::Ending | Found::Nobody) if was_ready => {
                return Ok(Started::IsGone(ended_at_once(home)));
            }
            Ok(Found::Ending | Found::Nobody) => {}
            Err(failure) if was_ready && failure.is_unheard() => {
                return Ok(Started::IsGone(failure));
            }
            Err(failure) => return Err(failure),
        }
        match spawn(home)? {
            Spawned::Ready => was_ready = true,
            Spawned::IsGone { reason } => {
                return Ok(Started::IsGone(Failure::new(Exit::Unreachable, reason)));
            }
            // A daemon that was started by hand and does not serve yet, one that ends, one whose
            // socket is gone; or a program that embeds the engine.
            Spawned::HomeIsTaken { reason } => {
                output::tell(&format!("coven: waiting, since {reason}"));
                if timeout_at(deadline, turn(home, changes)).await.is_err() {
                    return Err(Failure::new(
                        Exit::Unreachable,
                        format!(
                            "{reason}, and nobody answers at {}; see `coven daemon status`",
                            home.socket().display()
                        ),
                    ));
                }
            }
        }
    }
}

/// What is known of a daemon that was ready, and is gone.
fn ended_at_once(home: &Home) -> Failure {
    let last = last_words(home);
    Failure::new(
        Exit::Unreachable,
        format!("the daemon ended as soon as it was ready; {last}"),
    )
}

/// The last that a daemon of this home wrote to its log, in a clause.
pub(crate) fn last_words(home: &Home) -> String {
    let log = home.daemon_log();
    let mut said = Vec::new();
    // A log that cannot be read says nothing.
    let _ = daemon::open_log(&log).and_then(|mut file| file.read_to_end(&mut said));
    let said = String::from_utf8_lossy(&said);
    let last = said.lines().next_back().unwrap_or("nothing");
    format!(
        "the last it wrote to {}: {}",
        log.display(),
        crate::text::one_line(last)
    )
}

#[cfg(test)]
mod tests;
