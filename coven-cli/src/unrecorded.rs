//! Agents that run in a home and are of no session on record there: the log that has them is elsewhere, or what
//! it had of them was lost.

use std::io;

use coven::Code;
use coven::home::{Held, held};
use coven_http::client::Client;

use crate::home::Home;

/// The sessions that shims of `home` hold and the log that `client` reads has not, but for those that are `known`
/// to be there. One that cannot be read is there.
///
/// # Errors
/// Those of listing the folders and the processes.
pub(crate) async fn unrecorded(
    home: &Home,
    client: &Client,
    known: impl Fn(&str) -> bool,
) -> io::Result<Vec<Held>> {
    let mut found = Vec::new();
    // A launch is on record before its shim is there, so who is there is asked for after that.
    for held in held(home.dir(), |session| known(session.as_str()))? {
        let asked = client.session(held.session.as_str()).await;
        if asked.is_err_and(|error| error.code() == Some(Code::SessionNotFound)) {
            found.push(held);
        }
    }
    if !found.is_empty() {
        // The shim of one that was just deleted is about to end.
        let still = held(home.dir(), |_| false)?;
        found.retain(|held| still.contains(held));
    }
    Ok(found)
}

/// Them, for people.
pub(crate) fn named(held: &[Held]) -> String {
    let named = held
        .iter()
        .map(|held| format!("{} (process {})", held.session, held.shim_pid));
    named.collect::<Vec<_>>().join(", ")
}

/// What ends them.
pub(crate) fn end(held: &[Held]) -> String {
    let pids: Vec<String> = held.iter().map(|held| held.shim_pid.to_string()).collect();
    format!("`kill -KILL {}`", pids.join(" "))
}
