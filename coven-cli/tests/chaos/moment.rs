//! Sessions of a moment: launched, killed, archived and deleted while daemons die.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use coven::Code;
use coven_http::client::{Client, Error};
use coven_http::wire::LaunchBody;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::asking::{Asked, Asking};
use crate::home::{Home, PATIENCE};

/// What became of something that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// It was not asked.
    NotAsked,
    /// It was done.
    Done,
    /// It was refused, and not done.
    Refused,
    /// A daemon died of it, and of the next one's refusal it is not known whether that had done it.
    Unheard,
}

impl Answer {
    /// Whether what was asked so may be so.
    fn allows(self, is_done: bool) -> bool {
        match self {
            Self::Done => is_done,
            Self::NotAsked | Self::Refused => !is_done,
            Self::Unheard => true,
        }
    }
}

/// What is done to one that was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is archived.
    Away,
    /// It is deleted.
    Out,
}

/// One of them, and what was done to it.
#[derive(Debug)]
struct Moment {
    id: String,
    killed: Answer,
    archived: Answer,
    deleted: Answer,
}

/// All of them.
pub(crate) struct Moments {
    client: Client,
    runtime: Runtime,
    project: PathBuf,
    all: Vec<Moment>,
    /// What daemons died of: they had been asked this, and had not answered.
    met: Vec<Asked>,
}

/// What daemons said to something that was asked until one answered.
struct Heard<T> {
    answer: Result<T, Error>,
    /// Whether another one died before, which had been asked, too.
    another_died: bool,
}

impl Moments {
    pub(crate) fn of(home: &Home) -> Self {
        Self {
            client: Client::at_home(&home.dir()),
            runtime: Runtime::new().expect("a runtime"),
            project: home.project(),
            all: Vec::new(),
            met: Vec::new(),
        }
    }

    /// How many daemons died of this.
    pub(crate) fn met(&self, asked: Asked) -> usize {
        self.met.iter().filter(|met| **met == asked).count()
    }

    /// Launches and kills one, and archives or deletes the last before it.
    pub(crate) fn meddle(&mut self, asking: &Asking, put: Put) {
        let new = self.launch_and_kill(asking);
        if let Some(mut last) = self.all.pop() {
            match put {
                Put::Away => last.archived = self.archive(asking, &last.id),
                Put::Out => last.deleted = self.delete(asking, &last.id),
            }
            self.all.push(last);
        }
        self.all.push(new);
        asking.is_over();
    }

    fn launch_and_kill(&mut self, asking: &Asking) -> Moment {
        let body = LaunchBody {
            project_root: Some(self.project.display().to_string()),
            harness: Some("sh".to_owned()),
            prompt: Some("echo moment; cat".to_owned()),
            ..LaunchBody::default()
        };
        let key = format!("moment-{}", self.all.len());
        let launch = async |client: &Client| client.launch_once(&body, &key).await;
        let (id, killed) = match self.ask(asking, Asked::Launch, &launch).answer {
            Ok(record) => {
                let killed = self.kill(asking, &record.id);
                (record.id, killed)
            }
            // Its daemon died between the record and the start, which the next one tells.
            Err(error) if error.code() == Some(Code::LaunchFailed) => {
                let details = error.answer().and_then(|answer| answer.details.as_ref());
                let id = details.and_then(|details| details["sessionId"].as_str());
                (id.expect("an id").to_owned(), Answer::NotAsked)
            }
            Err(error) => panic!("a launch: {error}"),
        };
        Moment {
            id,
            killed,
            archived: Answer::NotAsked,
            deleted: Answer::NotAsked,
        }
    }

    fn kill(&mut self, asking: &Asking, id: &str) -> Answer {
        let kill = async |client: &Client| client.kill(id).await;
        let heard = self.ask(asking, Asked::Kill, &kill);
        let Err(error) = heard.answer else {
            return Answer::Done;
        };
        // It was killed, or did not even start.
        assert_eq!(error.code(), Some(Code::SessionNotLive), "{id}: {error}");
        match heard.another_died {
            true => Answer::Unheard,
            false => Answer::Refused,
        }
    }

    fn archive(&mut self, asking: &Asking, id: &str) -> Answer {
        let archive = async |client: &Client| client.archive(id).await;
        let Err(error) = self.ask(asking, Asked::Archive, &archive).answer else {
            return Answer::Done;
        };
        // Its end is not on record yet.
        assert_eq!(error.code(), Some(Code::SessionLive), "{id}: {error}");
        Answer::Refused
    }

    fn delete(&mut self, asking: &Asking, id: &str) -> Answer {
        let delete = async |client: &Client| client.delete(id).await;
        let heard = self.ask(asking, Asked::Delete, &delete);
        match heard.answer {
            Ok(()) => Answer::Done,
            Err(error) if error.code() == Some(Code::SessionLive) => Answer::Refused,
            // The one that died had deleted it.
            Err(error) if error.code() == Some(Code::SessionNotFound) && heard.another_died => {
                Answer::Done
            }
            Err(error) => panic!("{id}: {error}"),
        }
    }

    /// Asks until a daemon answers.
    fn ask<T>(
        &mut self,
        asking: &Asking,
        asked: Asked,
        ask: &impl AsyncFn(&Client) -> Result<T, Error>,
    ) -> Heard<T> {
        let (begun, mut another_died) = (Instant::now(), false);
        let answer = asking.during(asked, || {
            loop {
                let answer = self.runtime.block_on(ask(&self.client));
                match &answer {
                    Err(Error::Broken { .. }) => {
                        self.met.push(asked);
                        another_died = true;
                    }
                    Err(Error::Unreachable { .. }) => {}
                    Err(error) if error.code() == Some(Code::RuntimeUnavailable) => {}
                    Ok(_) | Err(_) => return answer,
                }
                assert!(begun.elapsed() < PATIENCE, "{asked:?} is not answered");
                thread::sleep(Duration::from_millis(2));
            }
        });
        Heard {
            answer,
            another_died,
        }
    }

    /// Each is what its answers say, and there are none but these and `others`; gives their ids.
    pub(crate) fn check(&self, home: &Home, others: &BTreeSet<&str>) -> Vec<&str> {
        let sessions = home.json(["sessions", "--all", "--json"]);
        let sessions = sessions.as_array().expect("a list");
        let listed: BTreeSet<&str> = sessions.iter().map(id).collect();
        assert_eq!(listed.len(), sessions.len(), "one is listed twice");
        let there = self.all.iter().filter(|one| one.deleted != Answer::Done);
        let mut expected = others.clone();
        expected.extend(there.map(|one| one.id.as_str()));
        let missing: Vec<_> = expected.difference(&listed).collect();
        let unknown: Vec<_> = listed.difference(&expected).collect();
        assert!(
            missing.is_empty() && unknown.is_empty(),
            "not listed: {missing:?}, and nobody's: {unknown:?}"
        );
        for moment in &self.all {
            moment.check(home);
        }
        self.all.iter().map(|one| one.id.as_str()).collect()
    }
}

impl Moment {
    fn check(&self, home: &Home) {
        if self.deleted == Answer::Done {
            assert_eq!(home.output(["show", &self.id]).status.code(), Some(123));
            return;
        }
        home.wait_for_end(&self.id);
        let record = home.record(&self.id);
        let is_killed = record["status"] == "killed";
        // Its daemon may have died between the launch on record and the shim, or before that was told.
        let never_ran = record["status"] == "failed" && record["exit_signal"].is_null();
        let is_interrupted = never_ran || record["orphan_reason"] == "launch_interrupted";
        assert!(is_killed || is_interrupted, "{self:?}: {record}");
        assert!(self.killed.allows(is_killed), "{self:?}: {record}");
        let is_archived = !record["archived_at"].is_null();
        assert!(self.archived.allows(is_archived), "{self:?}: {record}");
    }
}

fn id(session: &Value) -> &str {
    session["id"].as_str().expect("an id")
}
