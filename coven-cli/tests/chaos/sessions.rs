//! Sessions of agents, and whether what is on record of them is what they did.

use std::fs;

use coven_http::wire::Time;
use serde_json::Value;

use crate::agent::{Manner, Told, questions};
use crate::home::{Home, Running, eventually};
use crate::{AGENT, seed};

/// What an agent that asks its terminal where the cursor is is answered, by one without a screen.
const ANSWER: &str = "\x1b[1;1R";

/// A session, and what its agent was told.
pub(crate) struct One {
    pub(crate) id: String,
    pub(crate) told: Told,
}

/// An input that is on record.
pub(crate) struct Input {
    since: Time,
    pub(crate) len_bytes: u64,
    pub(crate) is_undelivered: bool,
}

/// Has a home know of the agent that this program is.
pub(crate) fn declare(home: &Home) {
    let program = std::env::current_exe().expect("this program");
    home.declare(
        "agent",
        &format!("[\"{AGENT}\", \"{{prompt}}\"]"),
        program.to_str().expect("a path"),
    );
}

/// A home that knows of it, and lets each spool take a mebibyte, which is the least.
pub(crate) fn home_with_small_spools() -> Home {
    let home = Home::new();
    declare(&home);
    allow_small_spools(&home);
    home
}

pub(crate) fn allow_small_spools(home: &Home) {
    let config = "[spool]\nsession_bytes = \"1MiB\"\n";
    fs::write(home.dir().join("config.toml"), config).expect("a file");
}

pub(crate) fn launch(home: &Home, number: u64, manner: Manner, len_bytes: u64) -> One {
    let told = Told {
        number,
        seed: seed(),
        manner,
        len_bytes,
        dir: home.project(),
    };
    launch_told(home, told)
}

pub(crate) fn launch_told(home: &Home, told: Told) -> One {
    let prompt = told.prompt();
    let id = home.text(["run", "--mode", "interactive", "--detach", "agent", &prompt]);
    let id = id.trim_end().to_owned();
    // Until then its terminal would echo what it is typed into its output.
    eventually("its terminal set", || told.typed().exists().then_some(()));
    One { id, told }
}

impl One {
    pub(crate) fn record(&self, home: &Home) -> Value {
        home.record(&self.id)
    }

    /// What its agent has put down that it writes.
    pub(crate) fn wrote(&self) -> Vec<u8> {
        fs::read(self.told.wrote()).unwrap_or_default()
    }

    /// What is on record of that.
    pub(crate) fn output(&self, home: &Home) -> Vec<u8> {
        home.output(["log", "--raw", &self.id]).stdout
    }

    /// Types a line for the agent itself.
    pub(crate) fn tell(&self, home: &Home, word: &str) {
        home.text(["input", "--raw", &self.id, &format!("{word}\n")]);
    }

    /// Waits for its end, from its newest event on: to be told all of a flood takes long.
    fn ends(&self, home: &Home) {
        let newest = home.record(&self.id)["last_seq"].as_u64().expect("a place");
        let after = (newest - 1).to_string();
        let follow = ["events", "--follow", "--after", &after, &self.id];
        let (code, said) = Running::start(home.coven(follow)).ends_in_time(&self.id);
        assert_eq!(code, 0, "{}: {said}", self.id);
    }

    /// It has ended as it was to, and what the agent wrote is on record, byte for byte.
    pub(crate) fn is_whole(&self, home: &Home) {
        let Self { id, told } = self;
        self.ends(home);
        let record = home.record(id);
        assert_eq!(
            (&record["status"], &record["exit_code"]),
            (&"completed".into(), &0.into())
        );
        let (wrote, output) = (self.wrote(), self.output(home));
        let differs = wrote.iter().zip(&output).position(|(a, b)| a != b);
        assert!(
            wrote == output,
            "session {}: {} bytes written, {} on record, the first other one at {differs:?}",
            told.number,
            wrote.len(),
            output.len()
        );
    }

    /// Its agent was typed each of so many lines once, in order, and each of its questions was
    /// answered once.
    pub(crate) fn agent_was_typed(&self, lines: u64) {
        let (number, typed) = (self.told.number, self.typed_with_answers());
        assert_eq!(
            typed.matches(ANSWER).count(),
            questions(&self.wrote()),
            "session {number}"
        );
        assert_eq!(self.typed(), numbered(lines), "session {number}");
    }

    /// That, and the lines are on record, none of them as undelivered; gives since when.
    pub(crate) fn was_typed(&self, home: &Home, lines: u64) -> Vec<Time> {
        let number = self.told.number;
        self.agent_was_typed(lines);
        let inputs = self.inputs(home);
        // The last ends it.
        assert_eq!(inputs.len() as u64, lines + 1, "session {number}");
        let undelivered = inputs.iter().filter(|input| input.is_undelivered);
        assert_eq!(undelivered.count(), 0, "session {number}");
        inputs.into_iter().map(|input| input.since).collect()
    }

    /// What is on record of what was typed.
    pub(crate) fn inputs(&self, home: &Home) -> Vec<Input> {
        let events = home.text(["events", "--json", &self.id]);
        let of = |kind: &str| -> Vec<Value> {
            let kind = format!("\"kind\":\"{kind}\"");
            let events = events.lines().filter(|line| line.contains(&kind));
            events
                .map(|event| serde_json::from_str(event).expect("JSON"))
                .collect()
        };
        let undelivered: Vec<Value> = of("undelivered").iter().map(named).collect();
        let inputs = of("input").into_iter().map(|event| Input {
            since: time(&event),
            len_bytes: len_bytes(&event),
            is_undelivered: undelivered.contains(&named(&event)),
        });
        inputs.collect()
    }

    /// What its agent was typed, without the answers of its terminal.
    pub(crate) fn typed(&self) -> String {
        let typed = self.typed_with_answers();
        // Each question was answered once at most: more would have been typed twice.
        assert!(typed.matches(ANSWER).count() <= questions(&self.wrote()));
        typed.replace(ANSWER, "")
    }

    fn typed_with_answers(&self) -> String {
        fs::read_to_string(self.told.typed()).expect("a file")
    }
}

/// The name of the input that an event is about.
fn named(event: &Value) -> Value {
    payload(event)["id"].take()
}

/// How long an input is, hidden or not.
fn len_bytes(event: &Value) -> u64 {
    let payload = payload(event);
    let shown = || payload["data"].as_str().expect("a text").len() as u64;
    payload["bytes"].as_u64().unwrap_or_else(shown)
}

fn payload(event: &Value) -> Value {
    let payload = event["payload_json"].as_str().expect("a text");
    serde_json::from_str(payload).expect("JSON")
}

/// When an event happened.
fn time(event: &Value) -> Time {
    let text = event["created_at"].as_str().expect("a time");
    Time::parse(text).expect("a time")
}

/// So many lines as they are typed.
pub(crate) fn numbered(lines: u64) -> String {
    (0..lines).map(|line| format!("line {line}\n")).collect()
}
