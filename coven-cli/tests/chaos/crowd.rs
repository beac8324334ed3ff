//! Very many sessions at once.

use coven_http::client::{Client, Error};
use coven_http::wire::{LaunchBody, SessionRecord};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::home::{Home, eventually};
use crate::left::{Base, open_files};
use crate::number;

/// Requests at once.
const AT_ONCE: usize = 16;

pub(crate) fn of_five_hundred_sessions_the_next_daemon_has_all_and_nothing_is_left_of_them()
-> String {
    let sessions = number("COVEN_CHAOS_SESSIONS").unwrap_or(500);
    let home = Home::new();
    let base = Base::of(&home);
    let idle = open_files(&home);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let client = Client::at_home(&home.dir());
    let launch = LaunchBody {
        project_root: Some(home.project().display().to_string()),
        harness: Some("sh".to_owned()),
        prompt: Some("read -r line; echo \"got $line\"".to_owned()),
        ..LaunchBody::default()
    };
    let launched = stream::iter(0..sessions)
        .map(|_| client.launch(&launch))
        .buffer_unordered(AT_ONCE)
        .map_ok(|record| record.id)
        .try_collect::<Vec<String>>();
    let ids = runtime.block_on(launched).expect("all are launched");
    home.kill_daemon();
    let begun = std::time::Instant::now();
    home.text(["daemon", "start"]);
    // A connection to each shim.
    eventually("all taken over", || {
        (open_files(&home) >= idle + ids.len()).then_some(())
    });
    let took = begun.elapsed().as_millis();
    let typed = stream::iter(&ids)
        .map(|id| client.input_once(id, "one\n", "k"))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>();
    runtime.block_on(typed).expect("all are typed into");
    let ended = stream::iter(&ids)
        .map(|id| end(&client, id))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<_>>();
    for (record, output) in runtime.block_on(ended).expect("all are served") {
        assert_eq!(record.exit_code, Some(0), "{record:?}");
        let output = String::from_utf8_lossy(&output);
        assert_eq!(output, "one\r\ngot one\r\n", "{record:?}");
    }
    base.nothing_is_left(&home, ids.iter().map(String::as_str));
    format!("{sessions} sessions, taken over after {took} ms")
}

/// Waits for a session's end: how that was, and all it wrote.
async fn end(client: &Client, id: &str) -> Result<(SessionRecord, Vec<u8>), Error> {
    let mut record = client.session(id).await?;
    while record.ended_at.is_none() {
        tokio::task::yield_now().await;
        record = client.session(id).await?;
    }
    let (mut output, mut all) = (client.output(id, 0).await?, Vec::new());
    while let Some(bytes) = output.next().await? {
        all.extend_from_slice(&bytes);
    }
    Ok((record, all))
}
