//! A client of the daemon: launches a session over its socket, shows what the agent writes, and
//! says how it ended.
//!
//! ```text
//! coven daemon start
//! cargo run --example http_client -- codex "fix the failing tests"
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;

use coven::Options;
use coven_http::client::Client;
use coven_http::wire::{LaunchBody, Payload};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(harness), Some(prompt)) = (arguments.next(), arguments.next()) else {
        return Err("usage: http_client HARNESS PROMPT".into());
    };
    let home = Options::default_home().ok_or("neither COVEN_HOME nor HOME is set")?;
    let daemon = Client::at_home(&home).named("http_client");
    let here = std::env::current_dir()?;
    let launch = LaunchBody {
        project_root: Some(
            here.to_str()
                .ok_or("this directory's name is not UTF-8")?
                .to_owned(),
        ),
        harness: Some(harness),
        prompt: Some(prompt),
        launch_mode: Some("nonInteractive".to_owned()),
        // The agent gets the PATH and the keys of whoever runs this, not the daemon's.
        env: Some(environment()),
        ..LaunchBody::default()
    };
    let session = daemon.launch(&launch).await?;
    // From the start; connects again by itself where the connection breaks.
    let mut events = daemon.follow(&session.id, None);
    let mut shown_bytes = 0;
    while let Some(event) = events.next().await? {
        if let Payload::Output(output) = event.payload()
            && output.offset + output.bytes > shown_bytes
        {
            // An event tells it as text, in which what is not UTF-8 is lost.
            let mut written = daemon.output(&session.id, shown_bytes).await?;
            while let Some(bytes) = written.next().await? {
                std::io::stdout().write_all(&bytes)?;
                shown_bytes += bytes.len() as u64;
            }
        }
    }
    println!(
        "{}: {}",
        session.id,
        daemon.session(&session.id).await?.status
    );
    Ok(())
}

/// As far as it is text: JSON holds nothing else.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
