//! Sessions of a moment: launched, killed, archived and deleted while daemons die.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::home::Home;

/// What became of something that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// It was not asked.
    NotAsked,
    /// It was done.
    Done,
    /// It was refused, and not done.
    Refused,
    /// Nobody said. It was done or not.
    Unheard,
}

impl Answer {
    fn of(command: &std::process::Output) -> Self {
        match command.status.code() {
            Some(0) => Self::Done,
            // The session does not allow it; there is none.
            Some(123 | 124) => Self::Refused,
            Some(122) => Self::Unheard,
            _ => panic!("{command:?}"),
        }
    }

    /// Whether what was asked so may be so.
    fn allows(self, is_done: bool) -> bool {
        match self {
            Self::Done => is_done,
            Self::NotAsked | Self::Refused => !is_done,
            Self::Unheard => true,
        }
    }
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
#[derive(Debug, Default)]
pub(crate) struct Moments {
    all: Vec<Moment>,
    /// Launches of which nobody said whether they were made.
    unheard: usize,
}

impl Moments {
    /// Launches and kills one, and archives or deletes the last before it. The commands find the next
    /// daemon themselves.
    pub(crate) fn meddle(&mut self, home: &Home, round: u64) {
        let launch = [
            "run",
            "--mode",
            "interactive",
            "--detach",
            "sh",
            "echo moment; cat",
        ];
        let launched = home.output(launch);
        let earlier = self.all.last_mut();
        let new = match launched.status.code() {
            Some(0) => {
                let id = String::from_utf8(launched.stdout).expect("text");
                let id = id.trim_end().to_owned();
                let killed = Answer::of(&home.output(["kill", &id]));
                Some(Moment {
                    id,
                    killed,
                    archived: Answer::NotAsked,
                    deleted: Answer::NotAsked,
                })
            }
            // Its daemon died of it; or it died between the record and the start, which the next one
            // tells.
            Some(121 | 122 | 125) => {
                self.unheard += 1;
                None
            }
            _ => panic!("{launched:?}"),
        };
        if let Some(last) = earlier {
            if round.is_multiple_of(2) {
                last.archived = Answer::of(&home.output(["archive", &last.id]));
            } else {
                last.deleted = Answer::of(&home.output(["sacrifice", "--yes", &last.id]));
            }
        }
        self.all.extend(new);
    }

    /// Each is what its answers say, and there is none but these and `others`; gives the ids of all,
    /// those that nobody was told of too.
    pub(crate) fn check(&self, home: &Home, others: &BTreeSet<&str>) -> Vec<String> {
        let sessions = home.json(["sessions", "--all", "--json"]);
        let sessions = sessions.as_array().expect("a list");
        let ids: BTreeSet<&str> = sessions.iter().map(id).collect();
        assert_eq!(ids.len(), sessions.len(), "one is listed twice");
        assert!(others.is_subset(&ids), "{ids:?}");
        for moment in &self.all {
            moment.check(home, ids.contains(&*moment.id));
        }
        let is_known = |id: &str| others.contains(id) || self.all.iter().any(|one| one.id == id);
        let unknown: Vec<&str> = ids.into_iter().filter(|id| !is_known(id)).collect();
        assert!(unknown.len() <= self.unheard, "{unknown:?}, {self:?}");
        for id in &unknown {
            // It was not killed by anybody.
            home.output(["kill", id]);
            home.wait_for_end(id);
        }
        let known = self.all.iter().map(|one| one.id.clone());
        known
            .chain(unknown.into_iter().map(str::to_owned))
            .collect()
    }
}

impl Moment {
    fn check(&self, home: &Home, is_there: bool) {
        assert!(self.deleted.allows(!is_there), "{self:?}");
        if !is_there {
            assert_eq!(home.output(["show", &self.id]).status.code(), Some(123));
            return;
        }
        home.wait_for_end(&self.id);
        let record = home.record(&self.id);
        let has_status = |status: &str| record["status"] == status;
        // Its daemon may have died between the launch on record and the shim.
        let is_interrupted = record["orphan_reason"] == "launch_interrupted";
        assert!(has_status("killed") || is_interrupted, "{self:?}: {record}");
        assert!(
            self.killed.allows(has_status("killed")),
            "{self:?}: {record}"
        );
        assert!(
            self.archived.allows(!record["archived_at"].is_null()),
            "{self:?}: {record}"
        );
    }
}

fn id(session: &Value) -> &str {
    session["id"].as_str().expect("an id")
}
