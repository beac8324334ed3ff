//! Events, and pages of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Payload, Time};

/// Something that happened to a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its place: one counter over all sessions, never reused and never renumbered. Gaps within
    /// one session are normal.
    pub seq: u64,
    /// Its id, made from its place.
    pub id: String,
    /// Its session.
    pub session_id: String,
    /// What kind of event it is: `status`, `output`, `input`, `resize`, `title`, `labels`,
    /// `archived`, `summoned`, `identified`, `kill`, `exit`, `trimmed`, `deleted`, or one of a
    /// newer daemon.
    pub kind: String,
    /// What it carries: a string that holds JSON, at most 60,000 bytes.
    pub payload_json: String,
    /// When it happened.
    pub created_at: Time,
}

impl Event {
    /// What it carries, typed. A kind or a payload of a newer daemon is
    /// [`Payload::Other`], never an error.
    pub fn payload(&self) -> Payload {
        Payload::parse(&self.kind, &self.payload_json)
    }
}

/// A page of events in the order of their places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventsPage {
    /// The events.
    pub events: Vec<Event>,
    /// Where the next page begins; null when this one is empty.
    pub next_cursor: Option<EventCursor>,
    /// Whether there are more now.
    pub has_more: bool,
    /// The session's output that is gone from the log, where that may lie after the place that was
    /// asked for: it is not among the events. Absent where all is there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trimmed: Option<TrimmedOutput>,
}

/// Output that is gone from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrimmedOutput {
    /// Where it began in the session's output.
    pub offset: u64,
    /// How many bytes it was: what is left begins at `offset + bytes`.
    pub bytes: u64,
}

/// Events that cannot be read because the log is damaged, as the stream of all sessions tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DamagedEvents {
    /// Whose; null where that cannot be told, and all events between the places may be.
    pub session_id: Option<String>,
    /// The first place that is concerned.
    pub first_seq: u64,
    /// The last place that may be.
    pub last_seq: u64,
    /// What is wrong, for people.
    pub problem: String,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventCursor {
    /// After this place.
    pub after_seq: u64,
}

/// The id of the event in place `seq`.
pub(crate) fn id(seq: coven::Seq) -> String {
    format!("ev-{seq}")
}

/// The place that an id was made from, if it is an id of ours.
pub(crate) fn seq(id: &str) -> Option<coven::Seq> {
    let digits = id.strip_prefix("ev-")?;
    let canonical = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    canonical
        .then(|| digits.parse().ok())
        .flatten()
        .map(coven::Seq::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_place_and_nothing_else_does() {
        for number in [1, 9, 10, u64::MAX] {
            let place = coven::Seq::new(number);
            assert_eq!(seq(&id(place)), Some(place));
        }
        for stranger in [
            "",
            "ev-",
            "ev-0",
            "ev-01",
            "ev-+1",
            "ev-1x",
            "7",
            "ev-99999999999999999999",
        ] {
            assert_eq!(seq(stranger), None, "{stranger}");
        }
    }
}
