//! Where the answers about sessions come from: the home's daemon, or the home itself.

mod waiting;
mod warnings;

use std::path::Path;

use coven::{Engine, OpenError, Options, store};
use coven_http::client::Client;
use coven_http::wire::SessionRecord;

use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;

/// The choice, on the command line of every command that only reads.
#[derive(Clone, Copy, Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// Read the home itself, which no daemon may have open; nothing is started or changed
    #[arg(long)]
    offline: bool,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The home's daemon; if none runs, one is started.
    Daemon,
    /// The home itself, in this process.
    Offline,
}

impl Args {
    /// Who answers.
    pub(crate) const fn source(self) -> Source {
        if self.offline {
            Source::Offline
        } else {
            Source::Daemon
        }
    }
}

/// Who has answered, to be asked on.
pub(crate) struct Answerer {
    source: Source,
    home: Home,
    client: Client,
}

impl Source {
    /// What is answered for `home`, and by whom; `None` in a home where nothing ever ran, which is left
    /// as it is. `ask` only reads: where a daemon ends before it has answered, the next one is asked.
    ///
    /// # Errors
    /// What `ask` says; when no daemon can be reached or started; offline, when the home cannot be read.
    pub(crate) async fn ask_if_any<T>(
        self,
        home: &Home,
        ask: impl AsyncFn(&Client) -> Result<T, Failure>,
    ) -> Result<Option<(Answerer, T)>, Failure> {
        let answered = match self {
            Self::Daemon => connect::ask_if_any(home, ask).await?,
            Self::Offline => match open(home).await? {
                Some(client) => {
                    let answer = ask(&client).await?;
                    Some((client, answer))
                }
                None => None,
            },
        };
        let answerer = |client| Answerer {
            source: self,
            home: home.clone(),
            client,
        };
        Ok(answered.map(|(client, answer)| (answerer(client), answer)))
    }

    /// The same, for a command about a session.
    ///
    /// # Errors
    /// [`Exit::NotFound`] in a home where nothing ever ran; as [`Source::ask_if_any`] in others.
    pub(crate) async fn ask<T>(
        self,
        home: &Home,
        ask: impl AsyncFn(&Client) -> Result<T, Failure>,
    ) -> Result<(Answerer, T), Failure> {
        let answered = self.ask_if_any(home, ask).await?;
        answered.ok_or_else(|| connect::nothing_ran(home))
    }

    /// Says on stderr what of a session is not in the answer because it waits beside the log for a daemon.
    /// Where a daemon answers, it has taken that.
    pub(crate) fn tell_what_waits(self, home: &Home, record: &SessionRecord) {
        match self {
            Self::Daemon => {}
            Self::Offline => waiting::tell(home, record),
        }
    }
}

impl Answerer {
    /// The client that was answered last.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// What is answered to the next question, which only reads: where this daemon ends before it has
    /// answered, the next one is asked.
    ///
    /// # Errors
    /// What `ask` says; when no daemon can be reached or started.
    pub(crate) async fn ask<T>(
        &mut self,
        ask: impl AsyncFn(&Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match (ask(&self.client).await, self.source) {
            (Err(failure), Source::Daemon) if failure.is_unheard() => {
                let (client, answer) = connect::ask(&self.home, ask).await?;
                self.client = client;
                Ok(answer)
            }
            (answer, Source::Daemon | Source::Offline) => answer,
        }
    }
}

/// The home itself. It is kept from daemons as long as the client is there.
async fn open(home: &Home) -> Result<Option<Client>, Failure> {
    home.check()?;
    if !home.had_log() {
        return Ok(None);
    }
    warnings::are_told();
    let opened = Engine::open_to_read(Options::at(home.dir())).await;
    match opened {
        Ok(engine) => Ok(Some(Client::of_engine(engine))),
        Err(error) if is_not_made_yet(&error) => Ok(None),
        Err(error) => {
            let then = match connect::serving(home).await {
                Ok(None) => TO_WAIT,
                Ok(Some(_)) | Err(_) => TO_READ,
            };
            Err(refused(&error, home.dir(), then))
        }
    }
}

/// Whether there is no log: whoever was making it did not come to the end.
fn is_not_made_yet(error: &OpenError) -> bool {
    matches!(error, OpenError::Log(store::OpenError::Io { source, .. })
        if source.kind() == std::io::ErrorKind::NotFound)
}

/// What to do about a home that cannot be read because somebody has it open.
const TO_READ: &str = "ask its daemon, without --offline, or stop it first (`coven daemon stop`); what else has it, as an import or a \
                       salvage, comes to its end";

/// What is wrong with a directory or a FIFO that has the name of a file of the log.
pub(crate) const NO_FILE: &str = "it is not a regular file";

/// The same, where no daemon answers.
const TO_WAIT: &str = "no daemon answers there, so that it reads with --offline, too, or is a daemon that begins \
                       or hangs: try again once it has ended (`coven daemon status` tells of a daemon)";

/// Why a home cannot be used by this process itself, and what to do; of one that somebody has
/// open, `then`.
pub(crate) fn refused(error: &OpenError, home: &Path, then: &str) -> Failure {
    let home = home.display();
    let advice = match error {
        OpenError::InUse { pid, .. } => {
            let who = pid.map_or_else(
                || "another process".to_owned(),
                |pid| format!("process {pid}"),
            );
            return Failure::new(
                Exit::Unreachable,
                format!("{who} has {home} open, and one at a time can: {then}"),
            );
        }
        OpenError::LostLog(_) => return Failure::failed(error.to_string()),
        OpenError::Home { .. } | OpenError::Format { .. } => {
            "set COVEN_HOME, or --home, to a directory of your own"
        }
        OpenError::Log(store::OpenError::Foreign { problem, .. }) if problem == NO_FILE => {
            "move it away, and put the log's own file there from a copy"
        }
        OpenError::Log(store::OpenError::Damaged { .. } | store::OpenError::Foreign { .. }) => {
            "`coven doctor --store` tells what is damaged, and can write the rest into a new home"
        }
        OpenError::Log(store::OpenError::Locked { .. }) => "end that process first",
        _ => "no part of it was changed",
    };
    Failure::failed(format!("{error}; {advice}"))
}
