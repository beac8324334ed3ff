//! Reaching the daemon, and starting one where that was asked for.

use std::time::{Duration, Instant};

use coven_http::client::{Client, Error};
use coven_http::wire::Health;

use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;

/// What the daemon records us as.
const CLIENT_NAME: &str = concat!("coven-cli/", env!("CARGO_PKG_VERSION"));

/// The longest path a Unix socket can have.
const MAX_SOCKET_PATH_BYTES: usize = 107;

/// How long a daemon that somebody else is starting, or stopping, is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at such a daemon.
const PAUSE: Duration = Duration::from_millis(100);

/// The address of the home's daemon. Nothing is opened.
///
/// # Errors
/// When the home's path is too long for a socket.
pub(crate) fn client(home: &Home) -> Result<Client, Failure> {
    let socket = home.socket();
    let len_bytes = socket.as_os_str().len();
    if len_bytes > MAX_SOCKET_PATH_BYTES {
        return Err(Failure::usage(format!(
            "the socket's path {} is {len_bytes} bytes long and may be {MAX_SOCKET_PATH_BYTES}; \
             set COVEN_HOME to a shorter one",
            socket.display()
        )));
    }
    Ok(Client::new(socket).named(CLIENT_NAME))
}

/// The home's daemon, which must be running.
///
/// # Errors
/// [`Exit::Unreachable`] when it is not.
pub(crate) async fn reach(home: &Home) -> Result<Client, Failure> {
    let client = client(home)?;
    let health = client.health().await?;
    compare_versions(&health);
    Ok(client)
}

/// The home's daemon; if none runs, one is started, however many ask at once.
///
/// # Errors
/// [`Exit::Unreachable`] when it does not start; the message says why.
pub(crate) async fn reach_or_start(home: &Home) -> Result<Client, Failure> {
    let client = client(home)?;
    let health = match client.health().await {
        Ok(health) => health,
        Err(Error::Unreachable { .. }) => start(home, &client).await?,
        Err(error) => return Err(error.into()),
    };
    compare_versions(&health);
    Ok(client)
}

/// Starts the home's daemon unless one runs by then.
async fn start(home: &Home, client: &Client) -> Result<Health, Failure> {
    home.create()?;
    let _starting = home.lock_start()?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match client.health().await {
            Ok(health) => return Ok(health),
            Err(Error::Unreachable { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        match daemon::spawn(home)? {
            daemon::Spawned::Ready => {}
            // Another daemon holds the home: one that was started by hand and does not serve
            // yet, or one that is about to end.
            daemon::Spawned::HomeIsTaken { reason } if Instant::now() > deadline => {
                return Err(Failure::new(Exit::Unreachable, reason));
            }
            daemon::Spawned::HomeIsTaken { .. } => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn compare_versions(health: &Health) {
    let ours = env!("CARGO_PKG_VERSION");
    let theirs = &health.coven_version;
    if theirs != ours {
        output::complain(&format!(
            "coven: this is version {ours} and the daemon is {}; `coven daemon restart` makes \
             them the same, and ends the sessions that run",
            crate::text::one_line(theirs)
        ));
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Unreachable { socket, source } => Self::new(
                Exit::Unreachable,
                format!(
                    "no daemon answers at {} ({source}); start one with `coven daemon start`",
                    socket.display()
                ),
            ),
            Error::Timeout { .. } => Self::new(
                Exit::Unreachable,
                format!("{error}; see `coven daemon logs`"),
            ),
            Error::Stranger { .. } => Self::new(Exit::Unreachable, error.to_string()),
            Error::Broken { .. } => Self::new(
                Exit::Unreachable,
                format!("{error}; see `coven daemon status`"),
            ),
            Error::Answer(answer) => {
                let exit = answer.code.map_or(Exit::Failed, Exit::of_code);
                Self::new(exit, answer.message.clone())
            }
            _ => Self::failed(format!(
                "{error}; compare `coven --version` with `coven daemon status`"
            )),
        }
    }
}
