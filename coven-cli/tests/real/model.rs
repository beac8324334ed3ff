//! A scripted model on loopback, in the test's own process.
//!
//! It speaks as much of OpenAI's Responses API and of Anthropic's Messages API as the CLIs need. A test says
//! beforehand what the model will answer, turn by turn, and afterwards reads what it was asked, byte for byte.

mod anthropic;
mod openai;
mod pace;
mod server;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use tokio::net::TcpListener;

pub(crate) use pace::Pace;

/// How long anything in these tests may take before it counts as never coming.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// What the model does when its turn comes.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Says `text` and ends the turn.
    Say { text: String },
    /// Asks for a shell command; what it printed comes back as the next turn.
    Run {
        command: String,
        permission: Permission,
    },
    /// Says `saying` and then asks for `call`, whose result comes back as the next turn.
    Work { saying: String, call: Call },
    /// Refuses the request with this HTTP status.
    Fail { status: StatusCode },
    /// Begins to answer and never goes on.
    Hang,
}

/// What the model asks the CLI to do, by the tool that this CLI has for it.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// A shell command, and what it is for.
    Run {
        command: String,
        purpose: String,
        permission: Permission,
    },
    /// Shows a file, named by its whole path.
    Read { file: String },
    /// Puts `new`, whole lines, in the place of `old`, which is in the file once and was shown before.
    Edit {
        file: String,
        old: String,
        new: String,
    },
}

/// What the model says of a command it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    /// It needs no more than what is allowed already.
    Given,
    /// It must leave the sandbox, so that somebody has to be asked.
    Needed,
}

/// What the model was asked.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// Everything the user has said in this conversation, as the CLI sent it.
    pub(crate) prompts: Vec<String>,
    /// Which model the CLI asked for.
    pub(crate) model: String,
    /// What the command printed, when this turn brings the result of one.
    pub(crate) command_output: Option<String>,
}

impl Turn {
    /// What the user said last.
    pub(crate) fn prompt(&self) -> &str {
        self.prompts.last().map_or("", String::as_str)
    }
}

/// The server, until it is dropped.
pub(crate) struct Model {
    port: u16,
    script: Arc<Script>,
    _runtime: tokio::runtime::Runtime,
}

struct Script {
    pace: Pace,
    progress: Mutex<Progress>,
    advanced: Condvar,
}

#[derive(Default)]
struct Progress {
    to_answer: VecDeque<Answer>,
    asked: Vec<Turn>,
    /// How many turns were answered to the end.
    answered: usize,
}

impl Model {
    pub(crate) fn start(pace: Pace) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a thread can be started");
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .expect("loopback is up");
        let port = listener.local_addr().expect("it is bound").port();
        let script = Arc::new(Script {
            pace,
            progress: Mutex::default(),
            advanced: Condvar::new(),
        });
        runtime.spawn(server::accept(listener, Arc::clone(&script)));
        Self {
            port,
            script,
            _runtime: runtime,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Puts `answers` behind those that are still to be given.
    pub(crate) fn will(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script.progress().to_answer.extend(answers);
    }

    /// The model will say `text`, when what comes before is done.
    pub(crate) fn will_say(&self, text: &str) {
        let text = text.to_owned();
        self.will([Answer::Say { text }]);
    }

    /// Waits for turn `number`, counted from 1.
    pub(crate) fn turn(&self, number: usize) -> Turn {
        self.turn_within(number, PATIENCE).unwrap_or_else(|| {
            panic!(
                "the model was not asked a turn {number}; it was asked {:#?}",
                self.script.progress().asked
            )
        })
    }

    /// Waits for turn `number`, counted from 1, but no longer than `patience`.
    pub(crate) fn turn_within(&self, number: usize, patience: Duration) -> Option<Turn> {
        let deadline = Instant::now() + patience;
        let mut progress = self.script.progress();
        while progress.asked.len() < number {
            let left = deadline.checked_duration_since(Instant::now())?;
            progress = self
                .script
                .advanced
                .wait_timeout(progress, left)
                .expect("no holder panics")
                .0;
        }
        Some(progress.asked[number - 1].clone())
    }

    /// How many turns it has answered to the end.
    pub(crate) fn answered(&self) -> usize {
        self.script.progress().answered
    }
}

impl Script {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("no holder panics")
    }

    /// What is answered to `turn`, and its number, counted from 1.
    fn next(&self, turn: Turn) -> (Answer, usize) {
        let mut progress = self.progress();
        progress.asked.push(turn);
        self.advanced.notify_all();
        let answer = progress.to_answer.pop_front().unwrap_or(Answer::Fail {
            status: StatusCode::BAD_REQUEST,
        });
        (answer, progress.asked.len())
    }
}
