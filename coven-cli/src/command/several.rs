//! One thing done to several sessions: where one fails, the rest are done all the same.

use coven_http::client::Client;
use coven_http::wire::SessionRecord;

use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::Stdout;
use crate::select;

/// How it went so far.
#[derive(Debug)]
pub(super) struct Several {
    first_failure: Option<Exit>,
    /// Whether a failure must say whose it is.
    are_many: bool,
}

impl Several {
    /// The sessions that `words` name, all looked up before anything is done to one: `@last` is
    /// the same session twice. A word that names none is told of. And the daemon that knows them.
    ///
    /// # Errors
    /// No daemon can be reached, or none answers.
    pub(super) async fn named(
        home: &Home,
        words: &[String],
    ) -> Result<(Client, Self, Vec<SessionRecord>), Failure> {
        let look = async |client: &Client| {
            let mut found = Vec::new();
            for word in words {
                match select::session(client, word).await {
                    Err(failure) if failure.is_unheard() => return Err(failure),
                    answer => found.push((word, answer)),
                }
            }
            Ok(found)
        };
        let (client, found) = connect::ask(home, look).await?;
        let mut several = Self {
            first_failure: None,
            are_many: words.len() > 1,
        };
        let mut sessions = Vec::new();
        for (word, answer) in found {
            sessions.extend(several.keep(word, answer));
        }
        Ok((client, several, sessions))
    }

    /// Sessions that are known already.
    pub(super) const fn of(sessions: &[SessionRecord]) -> Self {
        Self {
            first_failure: None,
            are_many: sessions.len() > 1,
        }
    }

    /// What was done to the session that `name` names; a failure is told of, and kept.
    pub(super) fn keep<T>(&mut self, name: &str, done: Result<T, Failure>) -> Option<T> {
        let failure = match done {
            Ok(done) => return Some(done),
            Err(failure) => failure,
        };
        self.first_failure.get_or_insert(failure.exit());
        if self.are_many {
            failure.tell_of(name);
        } else {
            failure.tell();
        }
        None
    }

    /// Does `act` to each, one after the other, and prints what it gives.
    pub(super) async fn each(
        mut self,
        sessions: &[SessionRecord],
        act: impl AsyncFn(&SessionRecord) -> Result<String, Failure>,
    ) -> Exit {
        let mut stdout = Stdout::new();
        for session in sessions {
            let done = match act(session).await {
                Ok(line) => stdout.write(format!("{line}\n").as_bytes()).await,
                Err(failure) => Err(failure),
            };
            self.keep(&session.id, done);
        }
        self.exit()
    }

    /// The exit of the first that failed.
    pub(super) fn exit(self) -> Exit {
        self.first_failure.unwrap_or(Exit::Done)
    }
}
