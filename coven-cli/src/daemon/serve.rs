//! What a daemon does, from its first line of log to its last.

use std::io;
use std::sync::{Mutex, Once};
use std::time::Duration;

use coven::{Engine, OpenError, Options, store};
use coven_http::{ServeError, ServeOptions, Server, Stopper};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::fmt::MakeWriter;

use crate::config::Config;
use crate::daemon::detach::{detach, let_go_of_stdout};
use crate::daemon::log_file::{LogFile, Stderr};
use crate::daemon::ready::Report;
use crate::daemon::spawn::spawn_and_leave;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::text::Colours;

/// Whether a daemon belongs to who started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attachment {
    /// It does: it logs to stderr, and ends with its terminal's Ctrl-C. For service managers.
    Foreground,
    /// It is on its own: it logs to the home's file, and tells its start on stdout.
    Detached,
    /// It starts another that is detached, and ends: that one is nobody's child.
    Orphaned,
}

/// Threads that serve: a daemon waits for agents and clients, and computes little.
const MOST_THREADS: usize = 4;

/// Serves a home until TERM, INT or a client's request to stop. HUP is ignored.
///
/// # Errors
/// When the home cannot be opened or its socket cannot be bound.
pub(crate) fn serve(home: &Home, attachment: Attachment) -> Result<Exit, Failure> {
    match attachment {
        Attachment::Foreground => {
            home.make()?;
            let config = Config::load(home)?;
            log_to(&config, io::stderr, Colours::suiting(&io::stderr()));
            run(home, &config, || {}).map_err(Refused::into_failure)?;
        }
        Attachment::Orphaned => {
            if let Err(error) = spawn_and_leave(home) {
                // Where nobody listens, there is no log yet either.
                let _ = Refused::other(&error).report().send(&mut io::stdout());
            }
        }
        Attachment::Detached => {
            if let Err(refused) = run_detached(home) {
                tracing::error!("{}", refused.reason());
                // Where nobody listens any more, the log has it.
                let _ = refused.report().send(&mut io::stdout());
                return Ok(Exit::Unreachable);
            }
        }
    }
    Ok(Exit::Done)
}

fn run_detached(home: &Home) -> Result<(), Refused> {
    detach().map_err(|error| Refused::other(&error))?;
    home.make().map_err(|failure| Refused::other(&failure))?;
    let log = LogFile::open(&home.daemon_log(), Stderr::Joins)
        .map_err(|error| Refused::other(&format!("{}: {error}", home.daemon_log().display())))?;
    let config = Config::load(home).map_err(|failure| Refused::other(&failure))?;
    log_to(&config, Mutex::new(log), Colours::Drop);
    run(home, &config, || {
        let told = Report::Ready.send(&mut io::stdout());
        if let Err(error) = told.and_then(|()| let_go_of_stdout()) {
            tracing::warn!(%error, "whoever started this daemon is gone");
        }
    })
}

/// Runs until the daemon is stopped; calls `ready` once clients can connect.
fn run(home: &Home, config: &Config, ready: impl FnOnce()) -> Result<(), Refused> {
    let mut options = Options::at(home.dir());
    options.grace = Duration::from_millis(config.kill_grace_ms.value);
    options.retention = config.retention();
    options.hosting = config.hosting();
    coven::harness::keep_few_arenas();
    options.store.at_rest = Some(coven::harness::give_back_free_memory);
    // Agents get the limit as it was: some look through all descriptors they may have.
    raise_open_files_limit();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.min(MOST_THREADS))
        .enable_all()
        .build()
        .map_err(|error| Refused::other(&error))?;
    runtime.block_on(async {
        let engine = Engine::open(options).await?;
        let server = Server::bind(engine.clone(), ServeOptions::default())?;
        stop_on_signals(server.stopper()).map_err(|error| Refused::other(&error))?;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            pid = std::process::id(),
            home = %home.dir().display(),
            "the daemon is ready"
        );
        ready();
        let stopped = server.run().await;
        drop(engine);
        // Last: who asked for the stop may start another daemon at once.
        drop(stopped);
        Ok(())
    })
}

/// Why a home is not served.
#[derive(Debug)]
enum Refused {
    /// Another daemon serves it, or is about to.
    Taken { reason: String },
    /// Anything else.
    Other { reason: String },
}

impl Refused {
    fn other(error: &impl ToString) -> Self {
        Self::Other {
            reason: error.to_string(),
        }
    }

    fn reason(&self) -> &str {
        match self {
            Self::Taken { reason } | Self::Other { reason } => reason,
        }
    }

    fn report(&self) -> Report {
        let reason = self.reason().to_owned();
        match self {
            Self::Taken { .. } => Report::HomeIsTaken { reason },
            Self::Other { .. } => Report::Failed { reason },
        }
    }

    fn into_failure(self) -> Failure {
        Failure::new(Exit::Unreachable, self.reason())
    }
}

impl From<OpenError> for Refused {
    fn from(error: OpenError) -> Self {
        let mut reason = error.to_string();
        match error {
            OpenError::InUse { .. } => Self::Taken { reason },
            OpenError::Log(store::OpenError::Damaged { .. } | store::OpenError::Foreign { .. }) => {
                reason.push_str(
                    "; `coven doctor --store` tells what is damaged, and can write what is whole \
                     into a new home",
                );
                Self::Other { reason }
            }
            _ => Self::Other { reason },
        }
    }
}

impl From<ServeError> for Refused {
    fn from(error: ServeError) -> Self {
        Self::other(&error)
    }
}

/// Has what this process does to a home, in the place of its daemon, told in that one's log, if it can be.
/// A process logs to one place: after the first call the others do nothing.
pub(crate) fn log_beside(home: &Home, config: &Config) {
    static FIRST: Once = Once::new();
    FIRST.call_once(|| {
        if let Ok(log) = LogFile::open(&home.daemon_log(), Stderr::Stays) {
            log_to(config, Mutex::new(log), Colours::Drop);
        }
    });
}

fn log_to<W>(config: &Config, writer: W, colours: Colours)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(config.log.value.filter())
        .with_writer(writer)
        .with_ansi(colours == Colours::Keep)
        // They would go to stderr, which as a rule is what cannot be written: then whoever logs panics.
        .log_internal_errors(false)
        .init();
}

/// As many open files as the system allows this user: every session and client takes some.
pub(crate) fn raise_open_files_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

fn stop_on_signals(stopper: Stopper) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Received and forgotten: the terminal that started us may close.
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => stopper.stop(),
                _ = interrupt.recv() => stopper.stop(),
                _ = hangup.recv() => {}
            }
        }
    });
    Ok(())
}
