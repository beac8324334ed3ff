//! A client of the daemon: launches a session over its socket, shows what the agent writes, and
//! says how it ended.
//!
//! ```text
//! coven daemon start
//! cargo run --example http_client -- codex "fix the failing tests"
//! ```

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
        env: Some(std::env::vars().collect()),
        ..LaunchBody::default()
    };
    let session = daemon.launch(&launch).await?;
    // From the start; connects again by itself where the connection breaks.
    let mut events = daemon.follow(&session.id, None);
    while let Some(event) = events.next().await? {
        if let Payload::Output(output) = event.payload() {
            std::io::stdout().write_all(output.data.as_bytes())?;
        }
    }
    println!(
        "{}: {}",
        session.id,
        daemon.session(&session.id).await?.status
    );
    Ok(())
}
