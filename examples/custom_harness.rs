//! An agent of one's own: a harness that Coven does not know, given to the engine by the program
//! that embeds it. The agent here is a few lines of shell that ask something and are answered.
//!
//! ```text
//! cargo run --example custom_harness
//! ```

use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use coven::harness::{
    About, CannotRun, CommandLine, ConversationPlan, IdentitySource, Keystroke, Wiring,
};
use coven::{
    Actor, Engine, Event, Harness, HarnessId, Launch, LaunchMode, LaunchRequest, Options, Prompt,
    Refusal, Seq, Source,
};

/// The agent. Its prompt is `$1`.
const AGENT: &str = r#"
    echo "You asked: $1"
    printf 'May I go on? '
    read answer
    echo "You said: $answer"
"#;

/// How Coven runs the agent.
#[derive(Debug)]
struct Scripted {
    about: About,
}

impl Harness for Scripted {
    fn about(&self) -> &About {
        &self.about
    }

    fn command(&self, launch: &Launch, _: &ConversationPlan) -> Result<CommandLine, CannotRun> {
        match launch.mode {
            LaunchMode::Interactive => Ok(CommandLine::new(Wiring::Terminal)
                .args(["-c", AGENT, "agent"])
                .prompt(launch.prompt.as_ref().map_or("", Prompt::as_str))),
            LaunchMode::NonInteractive | LaunchMode::Stream => Err(CannotRun::Unsupported {
                reason: "the scripted agent always asks; launch it interactively".to_owned(),
            }),
        }
    }

    fn submission(&self, text: &str) -> Result<Vec<Keystroke>, Refusal> {
        if text.contains('\n') {
            return Err(Refusal::invalid("text", text, "must be one line"));
        }
        Ok(vec![Keystroke::Type(Bytes::from(format!("{text}\r")))])
    }

    fn identity(&self, _: LaunchMode) -> IdentitySource {
        IdentitySource::Never
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let home = tempfile::tempdir()?;
    let mut options = Options::at(home.path());
    let about = About {
        id: HarnessId::parse("scripted")?,
        label: "Scripted agent".to_owned(),
        executable: "sh".to_owned(),
        install_hint: "Every system has a shell.".to_owned(),
        source: Source::Bundled,
    };
    options.harnesses = vec![Arc::new(Scripted { about })];
    let engine = Engine::open(options).await?;

    let me = Actor {
        uid: rustix::process::getuid().as_raw(),
        pid: Some(std::process::id()),
        client: Some("custom_harness".to_owned()),
    };
    let request = LaunchRequest {
        project_root: Some(home.path().to_str().ok_or("not UTF-8")?.to_owned()),
        harness: Some("scripted".to_owned()),
        prompt: Some("say hello".to_owned()),
        ..LaunchRequest::default()
    };
    let session = engine.launch(request, me.clone()).await?.session.id.clone();

    let mut events = engine.follow(&session, Seq::ZERO);
    let mut said = String::new();
    while let Some(page) = events.next().await? {
        for envelope in page {
            if let Event::Output { data, .. } = envelope.event {
                std::io::stdout().write_all(&data)?;
                said.push_str(&String::from_utf8_lossy(&data));
            }
        }
        if said.ends_with("? ") {
            engine
                .submit(&session, "yes".to_owned(), None, me.clone())
                .await?;
            said.clear();
        }
    }
    println!(
        "The session is {}.",
        engine.get(&session).await?.session.status()
    );
    engine.shutdown().await;
    Ok(())
}
