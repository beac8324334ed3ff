//! Asking a daemon that may end meanwhile: where its answer was not heard, the next one is asked.
//!
//! What is asked may be asked twice. It only reads; it has a key, under which it is done once; or it
//! comes to the same however often it is done.

use coven_http::client::Client;

use super::{nothing_ran, reach_if_any, reach_or_start, serving, try_another};
use crate::failure::Failure;
use crate::home::Home;
use crate::setbacks::Setbacks;

/// What the home's daemon answers, one being started if none runs, and which one it was.
///
/// # Errors
/// As [`reach_or_start`] and `ask`.
pub(crate) async fn ask_running<T>(
    home: &Home,
    ask: impl AsyncFn(&Client) -> Result<T, Failure>,
) -> Result<(Client, T), Failure> {
    until_heard(async || {
        let client = reach_or_start(home).await?;
        Ok(ask(&client).await.map(|answer| (client, answer)))
    })
    .await
}

/// The same, but in a home where nothing ever ran: that is left as it is, and nobody is asked.
///
/// # Errors
/// As [`reach_if_any`] and `ask`.
pub(crate) async fn ask_if_any<T>(
    home: &Home,
    ask: impl AsyncFn(&Client) -> Result<T, Failure>,
) -> Result<Option<(Client, T)>, Failure> {
    until_heard(async || {
        let Some(client) = reach_if_any(home).await? else {
            return Ok(Ok(None));
        };
        Ok(ask(&client).await.map(|answer| Some((client, answer))))
    })
    .await
}

/// The same for a command about a session.
///
/// # Errors
/// [`Exit::NotFound`](crate::exit::Exit::NotFound) in a home where nothing ever ran; as [`ask_if_any`] in others.
pub(crate) async fn ask<T>(
    home: &Home,
    ask: impl AsyncFn(&Client) -> Result<T, Failure>,
) -> Result<(Client, T), Failure> {
    let answered = ask_if_any(home, ask).await?;
    answered.ok_or_else(|| nothing_ran(home))
}

/// What the home's daemon answers, if one serves it. None is started.
///
/// # Errors
/// As [`serving`] and `ask`.
pub(crate) async fn ask_serving<T>(
    home: &Home,
    ask: impl AsyncFn(&Client) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    until_heard(async || match serving(home).await? {
        Some(client) => Ok(ask(&client).await.map(Some)),
        None => Ok(Ok(None)),
    })
    .await
}

/// What `ask` is answered; its outer failure is that nobody was reached, and final.
async fn until_heard<T>(
    ask: impl AsyncFn() -> Result<Result<T, Failure>, Failure>,
) -> Result<T, Failure> {
    let mut setbacks = Setbacks::default();
    loop {
        match ask().await? {
            Err(failure) if failure.is_unheard() => try_another(&mut setbacks, failure).await?,
            answer => return answer,
        }
    }
}
