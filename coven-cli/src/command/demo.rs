//! `coven demo`.

mod stage;
mod voice;

use std::io;

use coven_http::client::Client;
use coven_http::wire::{LaunchBody, Payload, SessionRecord};

use crate::command::run::environment;
use crate::command::sessions;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{self, Interrupts};
use crate::output;
use crate::select;
use crate::text::Colours;
use stage::Stage;
use voice::Voice;

/// Show what Coven does, with a small scripted agent, in a throw-away home
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It needs no agent and no account, and leaves nothing behind. The engine, the socket and the log are
the real ones.")]
pub(crate) struct Args {}

/// What the two sessions are to do, and what they are called meanwhile.
const TASKS: [(&str, &str); 2] = [
    ("anna", "make the tests of the reader pass"),
    ("bert", "make the tests of the writer pass"),
];

const NEXT: &str = "
Both ran at once, in terminals of their own, and all they wrote is in one log. Next:
  coven doctor                        what works here, and what to do about the rest
  coven run codex \"fix the tests\"     a session of your own (or claude, or your own agent)
  coven sessions                      what runs and what ran; then: show, log, events, attach
  coven --help                        everything else
";

pub(crate) async fn run(_: &Args) -> Result<Exit, Failure> {
    let stage = Stage::open().await?;
    let mut interrupts = Interrupts::listen()?;
    let played = tokio::select! {
        played = play(&stage) => played,
        exit = interrupts.next() => Ok(match exit {
            // Here nothing goes on without us.
            Exit::Detached => Exit::Signal { signal: 2 },
            other => other,
        }),
    };
    stage.close().await;
    played
}

async fn play(stage: &Stage) -> Result<Exit, Failure> {
    output::print(&format!(
        "A home for this demo alone, gone when it ends: {}\n\n",
        stage.home().dir().display()
    ))?;
    let client = stage.client();
    let mut sessions = Vec::new();
    for (name, task) in TASKS {
        let session = launch(client, stage, name, task).await?;
        output::print(&format!(
            "$ coven run --detach demo {task:?}\n{}\n",
            session.id
        ))?;
        sessions.push(session);
    }
    output::print("\n")?;
    let [first, second] = sessions.as_slice() else {
        return Err(Failure::failed("the demo did not start both its sessions"));
    };
    tokio::try_join!(watch(client, first), watch(client, second))?;
    let query = coven_http::client::SessionsQuery::default();
    let page = client.sessions_page(&query).await?;
    output::print("\n$ coven sessions\n")?;
    let ids = select::short_ids(client, &page.sessions).await?;
    output::table(&sessions::table(&page.sessions, ids))?;
    output::print(NEXT)?;
    Ok(Exit::Done)
}

async fn launch(
    client: &Client,
    stage: &Stage,
    name: &str,
    task: &str,
) -> Result<SessionRecord, Failure> {
    let launch = LaunchBody {
        project_root: Some(stage.project()?),
        harness: Some(stage::HARNESS.to_owned()),
        prompt: Some(task.to_owned()),
        title: Some(format!("{name}: {task}")),
        launch_mode: Some("interactive".to_owned()),
        env: Some(environment()),
        ..LaunchBody::default()
    };
    Ok(client.launch(&launch).await?)
}

/// Shows one session until it ends, and answers what it asks.
async fn watch(client: &Client, session: &SessionRecord) -> Result<(), Failure> {
    let name = session.title.split(':').next().unwrap_or_default();
    let mut voice = Voice::new(name, Colours::suiting(&io::stdout()));
    let mut events = follow::events(client, &session.id, None);
    while let Some(event) = events.next().await? {
        let Payload::Output(part) = event.payload() else {
            continue;
        };
        let heard = voice.hear(part.data.as_bytes());
        output::print(&heard.text)?;
        for _ in 0..heard.questions {
            client.submit(&session.id, "y").await?;
            output::print(&format!("$ coven input {} y\n", session.id))?;
        }
    }
    let ended = client.session(&session.id).await?;
    output::print(&voice.last(&format!("({})", ended.status)))
}
