//! Those who type while daemons die.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coven::Code;
use coven_http::client::Client;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::home::Home;
use crate::sessions::One;

/// Somebody for each session, who types numbered lines.
pub(crate) struct Typists {
    runtime: Runtime,
    is_over: Arc<AtomicBool>,
    typing: Vec<JoinHandle<Typed>>,
}

/// How many lines were typed into a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// All that were tried, and then the one that ends the agent.
    All { lines: u64 },
    /// These, until one was refused for good.
    Refused { lines: u64 },
}

impl Typists {
    pub(crate) fn begin(home: &Home, sessions: &[One]) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let is_over = Arc::new(AtomicBool::new(false));
        let begin = |one: &One| {
            let client = Client::at_home(&home.dir());
            runtime.spawn(type_lines(client, one.id.clone(), Arc::clone(&is_over)))
        };
        let typing = sessions.iter().map(begin).collect();
        Self {
            runtime,
            is_over,
            typing,
        }
    }

    /// Has each type the line that ends the agent; what they typed, in the order of the sessions.
    pub(crate) fn end(self) -> Vec<Typed> {
        self.is_over.store(true, Ordering::Relaxed);
        let typing = self.typing.into_iter();
        typing
            .map(|typing| self.runtime.block_on(typing).expect("it ends"))
            .collect()
    }
}

impl Typed {
    /// How many there were of a session that nothing was to happen to.
    pub(crate) fn in_all(&self) -> u64 {
        match *self {
            Self::All { lines } => lines,
            Self::Refused { lines } => panic!("after {lines} lines one was refused"),
        }
    }
}

/// Types lines, each under a key, and each again until somebody says that it was taken.
async fn type_lines(client: Client, session: String, is_over: Arc<AtomicBool>) -> Typed {
    let mut lines = 0;
    while !is_over.load(Ordering::Relaxed) {
        let (line, key) = (format!("line {lines}\n"), format!("k{lines}"));
        if let Err(Refused) = type_one(&client, &session, &line, &key).await {
            return Typed::Refused { lines };
        }
        lines += 1;
        // People pause.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    match type_one(&client, &session, "end\n", "the-end").await {
        Ok(()) => Typed::All { lines },
        Err(Refused) => Typed::Refused { lines },
    }
}

/// The session takes nothing any more, and the input is told not to have reached it.
pub(crate) struct Refused;

pub(crate) async fn type_one(
    client: &Client,
    session: &str,
    line: &str,
    key: &str,
) -> Result<(), Refused> {
    loop {
        match client.input_once(session, line, key).await {
            Ok(()) => return Ok(()),
            Err(error) => match error.code() {
                Some(Code::SessionNotLive | Code::SendInputFailed) => return Err(Refused),
                // The daemon died, or begins, or its disk is full.
                None | Some(Code::RuntimeUnavailable) => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Some(_) => panic!("{line:?}: {error}"),
            },
        }
    }
}
