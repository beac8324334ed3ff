//! `Edit`: what people call a session.

use super::not_found;
use crate::{Decision, Event, Labels, Phase, Refusal, Session, Title};

pub(super) fn decide(
    session: &Session,
    title: Option<Title>,
    labels: Option<Labels>,
) -> Result<Decision, Refusal> {
    if session.phase == Phase::Deleted {
        return Err(not_found(session));
    }
    let titled = title
        .filter(|title| *title != session.title)
        .map(|title| Event::Titled { title });
    let labelled = labels
        .filter(|labels| *labels != session.labels)
        .map(|labels| Event::Labelled { labels });
    Ok(Decision {
        events: titled.into_iter().chain(labelled).collect(),
        effects: Vec::new(),
    })
}
