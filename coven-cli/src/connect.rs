//! Reaching the daemon, and starting one where that was asked for.

mod asking;
mod start;
mod told;

use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use coven::home::Holder;
use coven_http::client::{Client, Error};
use coven_http::wire::Health;
use coven_http::{HomeWatch, MAX_SOCKET_PATH_BYTES};

use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;
use crate::setbacks::Setbacks;

pub(crate) use asking::{ask, ask_if_any, ask_running, ask_serving};
pub(crate) use start::last_words;
use start::start;

/// What the daemon records us as.
const CLIENT_NAME: &str = concat!("coven-cli/", env!("CARGO_PKG_VERSION"));

/// How long a daemon is waited for by who only asks how it is.
const LOOK_PATIENCE: Duration = Duration::from_secs(5);

/// The address of the daemon of a home that can be trusted. Nothing is opened.
///
/// # Errors
/// When the home is not our own, or its path is too long for a socket.
pub(crate) fn client(home: &Home) -> Result<Client, Failure> {
    let client = address(home)?;
    home.check()?;
    Ok(client)
}

/// The address of a home's daemon. Nothing is looked at.
///
/// # Errors
/// When the home's path is too long for a socket.
pub(crate) fn address(home: &Home) -> Result<Client, Failure> {
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

/// The address of a home's daemon, for who only asks how it is: one that hangs keeps them for
/// less long than others.
///
/// # Errors
/// As [`address`].
pub(crate) fn address_to_look(home: &Home) -> Result<Client, Failure> {
    Ok(address(home)?.timeout(LOOK_PATIENCE))
}

/// What is known of a daemon that did not say in time how it is, and what to do about it.
pub(crate) struct Hangs {
    /// In a clause.
    pub(crate) found: String,
    /// What to do.
    pub(crate) advice: String,
}

impl Hangs {
    /// Looks which process it is that serves the socket at `socket`, in its home, and did not
    /// answer within `after`.
    pub(crate) fn at(socket: &Path, after: Duration) -> Self {
        let home = socket.parent().unwrap_or(socket);
        let holder = Holder::of(home).map(|holder| holder.pid().to_string());
        let process = holder.as_deref().unwrap_or("unknown");
        let pid = holder.as_deref().unwrap_or("PID");
        Self {
            found: format!(
                "the daemon (process {process}) hangs: it has not answered within {} s",
                (after.as_secs_f32() * 10.0).round() / 10.0
            ),
            advice: format!(
                "see `coven daemon logs`; `kill -CONT {pid}` wakes it if it was stopped, and \
                 `kill -KILL {pid}` ends it; its sessions run on"
            ),
        }
    }
}

/// The home's daemon, if one serves it now.
///
/// # Errors
/// When something else answers.
pub(crate) async fn serving(home: &Home) -> Result<Option<Client>, Failure> {
    let client = client(home)?;
    match look(&client).await? {
        Found::Serving(health) => {
            met(home, &health).await;
            Ok(Some(client))
        }
        Found::Ending | Found::Nobody => Ok(None),
    }
}

/// The home's daemon; if none runs, one is started, however many ask at once.
///
/// # Errors
/// [`Exit::Unreachable`] when it does not start; the message says why.
pub(crate) async fn reach_or_start(home: &Home) -> Result<Client, Failure> {
    health_or_start(home).await.map(|(client, _)| client)
}

/// The same, and how it is.
///
/// # Errors
/// As [`reach_or_start`].
pub(crate) async fn health_or_start(home: &Home) -> Result<(Client, Health), Failure> {
    let client = client(home)?;
    let health = match look(&client).await? {
        Found::Serving(health) => *health,
        Found::Ending | Found::Nobody => {
            start(home, &client, Setbacks::default(), daemon::spawn).await?
        }
    };
    met(home, &health).await;
    Ok((client, health))
}

/// The home's daemon, started where there is something to read; `None` in a home where nothing
/// ever ran, which is left as it is.
///
/// # Errors
/// As [`reach_or_start`].
async fn reach_if_any(home: &Home) -> Result<Option<Client>, Failure> {
    if !home.had_log() {
        return serving(home).await;
    }
    reach_or_start(home).await.map(Some)
}

/// What a command about a session says in a home where nothing ever ran.
pub(crate) fn nothing_ran(home: &Home) -> Failure {
    Failure::new(
        Exit::NotFound,
        format!(
            "there are no sessions yet in {}; start one with `coven run`",
            home.dir().display()
        ),
    )
}

/// Who answers at a home's socket.
enum Found {
    /// A daemon that takes requests.
    Serving(Box<Health>),
    /// One that is about to end.
    Ending,
    Nobody,
}

async fn look(client: &Client) -> Result<Found, Failure> {
    let health = match client.health().await {
        Ok(health) => health,
        Err(Error::Unreachable { .. }) => return Ok(Found::Nobody),
        Err(error) => return Err(error.into()),
    };
    // Health is told to the end; anything else says that it ends.
    match client.api_version().await {
        Ok(_) => Ok(Found::Serving(Box::new(health))),
        Err(Error::Unreachable { .. } | Error::Broken { .. }) => Ok(Found::Nobody),
        Err(error) if error.is_stopping() => Ok(Found::Ending),
        Err(error) => Err(error.into()),
    }
}

/// Returns once another daemon is to be tried after one that did not serve, as `failure` has it. Where
/// that goes on for long, it is said on stderr, once.
///
/// # Errors
/// Once none is to be tried any more; the message has that of `failure`.
async fn try_another(setbacks: &mut Setbacks, failure: Failure) -> Result<(), Failure> {
    static FIRST: Once = Once::new();
    if let Err(enough) = setbacks.another().await {
        return Err(Failure::new(failure.exit(), format!("{enough}; {failure}")));
    }
    if setbacks.are_long() {
        FIRST.call_once(|| {
            let told = format!("coven: no daemon stays, and another is tried; {failure}");
            output::complain(&crate::text::one_line(&told));
        });
    }
    Ok(())
}

/// Waits until it is worth looking again: the home is free, or something in it came or went.
pub(crate) async fn turn(home: &Home, changes: Option<HomeWatch>) {
    tokio::select! {
        () = home.free() => {}
        () = change(changes) => {}
    }
}

/// Waits until something in a home came or went since it is watched; for ever where it is not.
pub(crate) async fn change(changes: Option<HomeWatch>) {
    if let Some(mut changes) = changes
        && changes.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// What is due when a daemon has told how it is: a word on its version, and a `daemon.json` that
/// says so too.
pub(crate) async fn met(home: &Home, health: &Health) {
    compare_versions(health);
    if coven_http::told(home.dir()).as_ref() != Some(&health.daemon) {
        // The file is only a convenience: without it everything works.
        let _ = coven_http::repair(home.dir()).await;
    }
}

/// A command may meet its daemon several times, and says this once.
fn compare_versions(health: &Health) {
    static FIRST: Once = Once::new();
    let ours = env!("CARGO_PKG_VERSION");
    let theirs = &health.coven_version;
    if theirs != ours {
        FIRST.call_once(|| {
            output::complain(&format!(
                "coven: this is version {ours} and the daemon is {}; `coven daemon restart` makes \
                 them the same; its sessions run on",
                crate::text::one_line(theirs)
            ));
        });
    }
}
