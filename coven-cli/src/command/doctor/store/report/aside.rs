//! What is told of sessions that are taken for none.

use coven::store::SetAside;
use serde::Serialize;

use super::count;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Aside<'a> {
    session: Option<&'a str>,
    slot: u64,
    events: u64,
}

impl<'a> Aside<'a> {
    pub(super) fn of(aside: &'a SetAside) -> Self {
        Self {
            session: aside.session.as_ref().map(coven::SessionId::as_str),
            slot: aside.slot,
            events: aside.events,
        }
    }
}

/// The same for people.
pub(super) fn told(aside: &SetAside) -> String {
    let name = match &aside.session {
        Some(session) => session.to_string(),
        None => format!("a session without a name (slot {})", aside.slot),
    };
    format!(
        "{} of {name} are in places that other sessions have: it may be an import that came to nothing, and a salvage \
         does not take it.",
        count(aside.events, "event")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_taken_for_none_is_told_by_its_id_or_its_slot() {
        let mut aside = SetAside {
            session: None,
            slot: 7,
            events: 1,
        };
        let said = told(&aside);
        let begins = "1 event of a session without a name (slot 7) are in places";
        assert!(said.starts_with(begins), "{said}");
        aside.session = coven::SessionId::parse("a").ok();
        assert!(told(&aside).starts_with("1 event of a are in"), "{said}");
    }
}
