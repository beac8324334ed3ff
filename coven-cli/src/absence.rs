//! `Absence`: how a command that goes on for long bears that its daemon goes away.
//!
//! The daemon is waited for, and started where nobody else does it. One that somebody stopped is
//! waited for only: it is not started behind their back. Where the one after it was killed, another is started.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;
use std::time::{Duration, Instant};

use coven_http::client::{Client, Departure, Error};
use tokio::sync::oneshot;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::setbacks::Setbacks;
use crate::{connect, daemon};
use crate::{output, text};

/// How long a daemon may be away before a word is said, and before one is started for who shows no
/// screen: a restart, or a service manager, is faster as a rule.
pub(crate) const QUIET: Duration = Duration::from_secs(1);

/// How long the next daemon is waited for where somebody stopped the last.
const STOPPED_PATIENCE: Duration = Duration::from_secs(30);

/// What is known of a daemon that is away.
#[derive(Debug)]
pub(crate) struct Absence {
    home: Home,
    client: Client,
    said: bool,
    /// Daemons that went away since one served.
    setbacks: Setbacks,
}

impl Absence {
    /// It is not away yet.
    pub(crate) fn of(home: &Home, client: &Client) -> Self {
        Self {
            home: home.clone(),
            client: client.clone(),
            said: false,
            setbacks: Setbacks::default(),
        }
    }

    /// The daemon has told something.
    pub(crate) fn is_over(&mut self) {
        (self.said, self.setbacks) = (false, Setbacks::default());
    }

    /// Asks until it is answered.
    ///
    /// # Errors
    /// What the answer is, if it is no success; as [`Absence::bear`].
    pub(crate) async fn ask<T>(
        &mut self,
        ask: impl AsyncFn(&Client) -> Result<T, Error>,
    ) -> Result<T, Failure> {
        loop {
            match ask(&self.client.clone()).await {
                Ok(answer) => {
                    self.is_over();
                    return Ok(answer);
                }
                Err(error) => self.bear(error).await?,
            }
        }
    }

    /// Returns once it is worth asking again after `error`; says on stderr that it takes a while.
    ///
    /// # Errors
    /// `error`, where asking again will not help; and when no daemon comes back.
    pub(crate) async fn bear(&mut self, error: Error) -> Result<(), Failure> {
        let Some(departure) = self.departure(error).await? else {
            // It is there, and did not answer this.
            return self.set_back().await;
        };
        self.say(departure);
        self.end(departure).await
    }

    /// How the daemon left that is away; `None` once one is there.
    ///
    /// # Errors
    /// `error`, where the daemon is not away, or hangs.
    pub(crate) async fn departure(&mut self, error: Error) -> Result<Option<Departure>, Failure> {
        if let Error::Away { served: true, .. } = error {
            self.is_over();
        }
        match &error {
            Error::Away { last, .. } if matches!(**last, Error::Timeout { .. }) => {
                Err(error.into())
            }
            Error::Away { departure, .. } => Ok(Some(*departure)),
            _ if error.is_stopping() => {
                let away = self.away_for_long().await?;
                Ok(away.map(|_| Departure::Stopped))
            }
            Error::Unreachable { .. } | Error::Broken { .. } => self.away_for_long().await,
            _ => Err(error.into()),
        }
    }

    /// How the daemon left, where none is there within [`QUIET`].
    async fn away_for_long(&self) -> Result<Option<Departure>, Failure> {
        match self.client.served_within(QUIET).await {
            Ok(()) => Ok(None),
            Err(Error::Away { departure, .. }) => Ok(Some(departure)),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the next daemon, or starts it.
    ///
    /// # Errors
    /// When none comes; the message says what to do.
    pub(crate) async fn end(&mut self, departure: Departure) -> Result<(), Failure> {
        match departure {
            Departure::Stopped if self.is_started_again().await? => Ok(()),
            Departure::Stopped | Departure::Vanished => {
                self.set_back().await?;
                start(&self.home).await
            }
        }
    }

    /// Waits for somebody to start a daemon after one was stopped. False where one was started, and has died: one that
    /// stops takes its socket away.
    ///
    /// # Errors
    /// When nobody does; the message says what to do.
    async fn is_started_again(&self) -> Result<bool, Failure> {
        let begun = Instant::now();
        loop {
            match self.client.served_within(QUIET).await {
                Ok(()) => return Ok(true),
                // One that is about to stop takes connections until then.
                Err(Error::Away { ref last, .. })
                    if matches!(**last, Error::Unreachable { .. })
                        && self.home.socket().exists() =>
                {
                    return Ok(false);
                }
                Err(Error::Away { .. }) if begun.elapsed() < STOPPED_PATIENCE => {}
                Err(Error::Away { .. }) => {
                    return Err(Failure::new(
                        Exit::Unreachable,
                        format!(
                            "the daemon was stopped, and none was started within {} s; start one with \
                             `coven daemon start`",
                            STOPPED_PATIENCE.as_secs()
                        ),
                    ));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A daemon went away before it served, or was there in vain. Returns once the next is to be tried.
    async fn set_back(&mut self) -> Result<(), Failure> {
        self.setbacks.another().await.map_err(|enough| {
            let last = connect::last_words(&self.home);
            Failure::new(
                Exit::Unreachable,
                format!("{enough}; {last}; see `coven daemon logs`"),
            )
        })
    }

    fn say(&mut self, departure: Departure) {
        if !std::mem::replace(&mut self.said, true) {
            output::complain(match departure {
                Departure::Stopped => {
                    "coven: the daemon was stopped; this goes on once it is started again"
                }
                Departure::Vanished => "coven: the daemon is gone; starting it again",
            });
        }
    }
}

/// Starts the home's daemon by `coven daemon start`, in a process of its own: it waits and speaks
/// as it likes, and keeps no key and no signal from being heard here.
async fn start(home: &Home) -> Result<(), Failure> {
    let mut command = daemon::start_command(home);
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        // Whoever asked may have left.
        let _ = tell.send(command.output());
    });
    let ended = told.await.map_err(io::Error::other).flatten();
    let failed = |reason: String| Failure::new(Exit::Unreachable, reason);
    let Output { status, stderr, .. } =
        ended.map_err(|error| failed(format!("the daemon could not be started: {error}")))?;
    // Where whoever was to start it was killed, it is still away, and that shows.
    if status.success() || status.signal().is_some() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&stderr);
    let said = said.lines().next_back().unwrap_or("it does not start");
    Err(failed(text::one_line(
        said.strip_prefix("coven: ").unwrap_or(said),
    )))
}
