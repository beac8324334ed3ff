//! Those who type while daemons die.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use coven::Code;
use coven_http::client::{Client, Error};
use coven_http::wire::Time;
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// All that were tried, and then the one that ends the agent.
    All { lines: u64, met: Vec<Met> },
    /// These, until one was refused for good.
    Refused { lines: u64 },
}

/// A daemon died that had been sent a line and had not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Met {
    /// Which line.
    pub(crate) line: u64,
    /// When that was seen: the daemon was dead by then.
    pub(crate) at: Time,
}

/// How long a line may take to be taken: a daemon that stands still for a minute takes that and a little
/// more.
const PATIENCE: Duration = Duration::from_secs(180);

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
        match self {
            Self::All { lines, .. } => *lines,
            Self::Refused { lines } => panic!("after {lines} lines one was refused"),
        }
    }

    /// The deaths that one of its lines met.
    pub(crate) fn met(&self) -> &[Met] {
        match self {
            Self::All { met, .. } => met,
            Self::Refused { .. } => &[],
        }
    }
}

/// Types lines, each under a key, and each again until somebody says that it was taken.
async fn type_lines(client: Client, session: String, is_over: Arc<AtomicBool>) -> Typed {
    let (mut lines, mut met) = (0, Vec::new());
    while !is_over.load(Ordering::Relaxed) {
        let (line, key) = (format!("line {lines}\n"), format!("k{lines}"));
        match type_one(&client, &session, &line, &key).await {
            Ok(deaths) => met.extend(deaths.into_iter().map(|at| Met { line: lines, at })),
            Err(Refused(_)) => return Typed::Refused { lines },
        }
        lines += 1;
        // People pause.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    match type_one(&client, &session, "end\n", "the-end").await {
        Ok(_) => Typed::All { lines, met },
        Err(Refused(_)) => Typed::Refused { lines },
    }
}

/// The session takes nothing any more, and the input is told not to have reached it.
pub(crate) struct Refused(pub(crate) Code);

/// Types a line under a key until somebody says that it was taken; gives when daemons died that had been
/// sent it.
pub(crate) async fn type_one(
    client: &Client,
    session: &str,
    line: &str,
    key: &str,
) -> Result<Vec<Time>, Refused> {
    let (begun, mut deaths) = (Instant::now(), Vec::new());
    loop {
        let Err(error) = client.input_once(session, line, key).await else {
            return Ok(deaths);
        };
        match error.code() {
            Some(
                code @ (Code::SessionNotLive | Code::SendInputFailed | Code::InputUndelivered),
            ) => return Err(Refused(code)),
            // The daemon died, or begins, or its disk is full.
            None | Some(Code::RuntimeUnavailable) => {}
            Some(_) => panic!("{line:?}: {error}"),
        }
        if let Error::Broken { .. } = error {
            deaths.push(Time::now());
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "session {session} did not take {line:?} within {} s: {error}",
            PATIENCE.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
