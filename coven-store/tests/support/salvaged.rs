//! Salvaging a log, and what of it came out.
#![allow(dead_code, unreachable_pub)] // each test uses its own part of this

use std::collections::BTreeMap;

use coven_core::{Envelope, Seq};
use coven_store::{Salvaged, inspect, salvage};

use super::damage::*;
use super::support::*;

/// A log to salvage into.
pub fn empty() -> Log {
    Log {
        dir: tempfile::tempdir().expect("a temporary folder"),
    }
}

pub fn salvaged(log: &Log) -> (Log, Salvaged) {
    let new = empty();
    let salvaged = salvage(&log.path(), &new.path(), &mut |_| {}).expect("it is salvaged");
    let findings = inspect(&new.path(), &mut |_| {}).expect("it can be looked at");
    assert_eq!(findings.problems, Vec::new());
    (new, salvaged)
}

pub async fn content_of(log: &Log) -> Content {
    let store = log.open();
    let content = content(&store).expect("it is whole");
    store.close().await;
    content
}

pub fn is_stand_in(envelope: &Envelope) -> bool {
    let client = envelope.actor.as_ref().and_then(|it| it.client.as_deref());
    client == Some("coven-salvage")
}

/// Whether it is told of a place that an event was lost there, of whatever session.
pub fn is_untied(salvaged: &Salvaged, seq: Seq) -> bool {
    let mut runs = salvaged.untied.seqs.iter();
    runs.any(|(first, last)| *first <= seq && seq <= *last)
}

/// Everything in the new log was in the old one or says that it stands for something; what is
/// missing is told. Returns how many events are missing.
pub async fn compare(old: &Content, new: &Log, salvaged: &Salvaged, what: &str) -> usize {
    let mut content = content_of(new).await;
    let before: BTreeMap<Seq, &Envelope> = old.events.iter().map(|it| (it.seq, it)).collect();
    // Those whose names are lost, too, have other ones.
    let mut names = BTreeMap::new();
    for envelope in &mut content.events {
        let was = before.get(&envelope.seq).map(|it| &it.session);
        if let Some(was) = was.filter(|_| envelope.session.as_str().starts_with("salvaged-slot-")) {
            names.insert(was.clone(), envelope.session.clone());
            envelope.session = was.clone();
        }
    }
    let content = content;
    let mut kept = 0;
    for envelope in &content.events {
        // A deletion that is lost did not happen, as far as can be told.
        let is_back = salvaged.newest_is_lost && envelope.session == id("session-2");
        let is_here = before.get(&envelope.seq) == Some(&envelope);
        kept += usize::from(is_here);
        assert!(
            is_here || is_stand_in(envelope) || is_back,
            "{what}: {envelope:?}"
        );
    }
    let missing = old.events.len() - kept;
    for record in &old.records {
        let of = |events: &[Envelope]| -> Vec<Envelope> {
            let of = events.iter().filter(|it| it.session == record.session.id);
            of.filter(|it| !is_stand_in(it)).cloned().collect()
        };
        let (was, is) = (of(&old.events), of(&content.events));
        if was == is {
            continue;
        }
        let mut changed = salvaged.changed.iter();
        let name = names.get(&record.session.id);
        let name = name.unwrap_or(&record.session.id);
        let changed = changed.find(|it| it.session == *name);
        let lost: Vec<&Envelope> = was.iter().filter(|it| !is.contains(it)).collect();
        match changed {
            Some(changed) => assert!(
                changed
                    .lost_events
                    .is_none_or(|told| told == lost.len() as u64),
                "{what} {changed:?} {}",
                lost.len()
            ),
            // What it lost last may be known of no session. All else is told, be it by its place alone.
            None => assert!(
                salvaged.newest_is_lost || lost.iter().all(|it| is_untied(salvaged, it.seq)),
                "{what}: {lost:?} {salvaged:?}"
            ),
        }
    }
    missing
}

/// Seqs go on where the old log's ended, or later.
pub async fn goes_on(log: &Log, old: &Content) {
    let store = log.open();
    let last = old.events.last().expect("some").seq;
    let appended = running(&store, "after").await;
    let first = events_of(&store, "after").first().expect("an event").seq;
    assert!(first > last && appended.last >= first, "{first} {last}");
    store.close().await;
}
