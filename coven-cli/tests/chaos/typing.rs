//! Those who type, launch, kill, archive and delete while daemons die.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coven::Code;
use coven_http::client::Client;

use crate::home::Home;

/// Types numbered lines, each under a key, and each again until somebody says that it was taken; at
/// last the one that ends the agent. Gives how many lines there were.
pub(crate) async fn type_lines(client: Client, session: String, is_over: Arc<AtomicBool>) -> u64 {
    let mut lines = 0;
    while !is_over.load(Ordering::Relaxed) {
        type_one(
            &client,
            &session,
            &format!("line {lines}\n"),
            &format!("k{lines}"),
        )
        .await;
        lines += 1;
        // People pause.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    type_one(&client, &session, "end\n", "the-end").await;
    lines
}

async fn type_one(client: &Client, session: &str, line: &str, key: &str) {
    loop {
        match client.input_once(session, line, key).await {
            Ok(()) => return,
            Err(error) if is_refused(&error) => panic!("{line:?}: {error}"),
            // The daemon died, or begins.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Whether it is refused for good.
fn is_refused(error: &coven_http::client::Error) -> bool {
    let code = error.code();
    code.is_some_and(|code| code != Code::RuntimeUnavailable)
}

/// Does something to a session of a moment; gives its id. The commands find the next daemon
/// themselves.
pub(crate) fn meddle(home: &Home, round: u64, earlier: &[String]) -> Vec<String> {
    let launched = home.output([
        "run",
        "--mode",
        "interactive",
        "--detach",
        "sh",
        "echo moment; cat",
    ]);
    let id = String::from_utf8(launched.stdout).expect("text");
    let id = id.trim_end().to_owned();
    // Its daemon may be dead by now: then the next one was asked, or it is told so.
    home.output(["kill", &id]);
    if let Some(last) = earlier.last() {
        home.output(if round.is_multiple_of(2) {
            vec!["archive", last]
        } else {
            vec!["sacrifice", "--yes", last]
        });
    }
    [id].into_iter().filter(|id| !id.is_empty()).collect()
}
