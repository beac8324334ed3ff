//! Watching one session through its event stream.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::http::{self, Stream};
use crate::model::PATIENCE;
use crate::plain_text;

/// A session's events, from its first.
pub(crate) struct Follow {
    stream: Stream,
    output: String,
    identified: bool,
    lost: bool,
    exit: Option<Value>,
}

impl Follow {
    pub(crate) fn new(socket: &Path, session: &str) -> Self {
        let stream = http::stream(socket, &format!("/api/v1/sessions/{session}/events/stream"));
        Self {
            stream,
            output: String::new(),
            identified: false,
            lost: false,
            exit: None,
        }
    }

    /// Waits until the output drawn so far contains `text`, white space aside.
    pub(crate) fn until_drawn(&mut self, text: &str) {
        let wanted = plain_text::letters(text);
        self.until(text, |seen| {
            plain_text::letters(&seen.output).contains(&wanted)
        });
    }

    /// Waits until the agent's own id of the conversation is on record. One that is told the id with its
    /// launch has no event for it.
    pub(crate) fn until_identified(&mut self) {
        self.until("the conversation's id", |seen| seen.identified);
    }

    /// Waits until it is on record that nobody knows how the session ended.
    pub(crate) fn until_lost(&mut self) {
        self.until("its loss", |seen| seen.lost);
    }

    /// Waits for the end of the session, and gives the `exit` event's payload.
    pub(crate) fn until_exit(&mut self) -> Value {
        self.until("the exit event", |seen| seen.exit.is_some());
        self.exit.clone().expect("it was just seen")
    }

    fn until(&mut self, what: &str, mut found: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !found(self) {
            let event = self.stream.next_before(deadline);
            let Some(event) = event else {
                panic!(
                    "the stream ended, or {PATIENCE:?} passed, without {what}; the output was\n{:?}",
                    self.output
                );
            };
            self.take(&event);
        }
    }

    fn take(&mut self, event: &Value) {
        let payload = event["payload_json"]
            .as_str()
            .expect("every event has a payload");
        let payload: Value = serde_json::from_str(payload).expect("a payload is JSON");
        match event["kind"].as_str() {
            Some("output") => self
                .output
                .push_str(payload["data"].as_str().expect("output is text")),
            Some("identified") => self.identified = true,
            Some("status") => self.lost |= payload["status"] == "orphaned",
            Some("exit") => self.exit = Some(payload),
            _ => {}
        }
    }

    /// All output so far.
    pub(crate) fn output(&self) -> &str {
        &self.output
    }
}
