//! A program with the engine inside: launches a session, prints what the agent writes, and exits
//! as the agent did.
//!
//! ```text
//! cargo run --example embed -- codex "fix the failing tests"
//! ```

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use coven::{Actor, Engine, Event, Exit, LaunchRequest, Options, Seq};

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(harness), Some(prompt)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: embed HARNESS PROMPT");
        return Ok(ExitCode::from(2));
    };
    // One engine at a time has a home; where a daemon runs, be its client instead.
    let home = Options::default_home().ok_or("neither COVEN_HOME nor HOME is set")?;
    let engine = Engine::open(Options::at(home)).await?;
    let launched = engine.launch(request(harness, prompt)?, actor()).await?;
    let mut events = engine.follow(&launched.session.id, Seq::ZERO);
    let mut status = ExitCode::FAILURE;
    while let Some(page) = events.next().await? {
        for envelope in page {
            match envelope.event {
                Event::Output { data, .. } => std::io::stdout().write_all(&data)?,
                Event::Exited { exit, .. } => status = exit.map_or(status, exit_code),
                _ => {}
            }
        }
    }
    engine.shutdown().await;
    Ok(status)
}

fn request(harness: String, prompt: String) -> Result<LaunchRequest, Box<dyn Error>> {
    let here = std::env::current_dir()?;
    Ok(LaunchRequest {
        project_root: Some(
            here.to_str()
                .ok_or("this directory's name is not UTF-8")?
                .to_owned(),
        ),
        harness: Some(harness),
        prompt: Some(prompt),
        launch_mode: Some("nonInteractive".to_owned()),
        ..LaunchRequest::default()
    })
}

/// Who is on record as having asked.
fn actor() -> Actor {
    Actor {
        uid: rustix::process::getuid().as_raw(),
        pid: Some(std::process::id()),
        client: Some("embed".to_owned()),
    }
}

/// What a shell would say: the status, or 128 and the signal.
fn exit_code(exit: Exit) -> ExitCode {
    let code = match exit {
        Exit::Code { code } => code,
        Exit::Signal { signal } => 128 + signal,
    };
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
