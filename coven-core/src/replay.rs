//! `Replay`: folding what the log has left of a session.

use crate::{Envelope, Event, IllegalTransition, Record};

/// Folds the events that are left of one session, oldest first, to the record that all of them
/// made. Output that was trimmed may be among them, be missing, or be missing in part; how far it
/// was trimmed is known from the [`Event::Trimmed`] that come later.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    record: Option<Record>,
    gap: Option<Gap>,
}

/// Output that is missing.
#[derive(Clone, Copy, Debug)]
struct Gap {
    /// The offset where it ends.
    end: u64,
    /// What is wrong, unless it was trimmed.
    illegal: IllegalTransition,
}

impl Replay {
    /// The replay with one more event.
    ///
    /// # Errors
    /// [`IllegalTransition`] if the event cannot follow, whatever was trimmed.
    pub fn fold(self, envelope: &Envelope) -> Result<Self, IllegalTransition> {
        let Some(mut record) = self.record else {
            return Ok(Self {
                record: Some(Record::fold(None, envelope)?),
                gap: None,
            });
        };
        let gap = gap(&record, &envelope.event);
        if let Some(gap) = gap {
            record.session = record.session.with_output_bytes(gap.end);
        }
        Ok(Self {
            record: Some(Record::fold(Some(record), envelope)?),
            // A later one ends at a greater offset.
            gap: gap.or(self.gap),
        })
    }

    /// The record as far as it is known by now: whether what is missing was trimmed is only known
    /// at the end. `None` where there were no events yet.
    pub const fn so_far(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// The record; `None` where there were no events.
    ///
    /// # Errors
    /// [`IllegalTransition`] if output is missing that was not trimmed.
    pub fn finish(self) -> Result<Option<Record>, IllegalTransition> {
        match (&self.record, self.gap) {
            (Some(record), Some(gap)) if gap.end > record.session.trimmed_bytes => Err(gap.illegal),
            _ => Ok(self.record),
        }
    }
}

/// Whether an output event lies before where output was trimmed to, and so is not to be read.
pub const fn is_trimmed(offset: u64, len_bytes: u64, trimmed_bytes: u64) -> bool {
    offset < trimmed_bytes && offset.saturating_add(len_bytes) <= trimmed_bytes
}

/// The output that must have been there before `event` and was not seen.
fn gap(before: &Record, event: &Event) -> Option<Gap> {
    let end = match event {
        Event::Output { offset, .. } => *offset,
        Event::Trimmed {
            offset, len_bytes, ..
        } => offset.saturating_add(*len_bytes),
        Event::Created { .. }
        | Event::Registered { .. }
        | Event::Started { .. }
        | Event::LaunchFailed { .. }
        | Event::Identified { .. }
        | Event::Input { .. }
        | Event::Undelivered { .. }
        | Event::Resized { .. }
        | Event::Titled { .. }
        | Event::Labelled { .. }
        | Event::KillRequested
        | Event::OutputClosed { .. }
        | Event::Exited { .. }
        | Event::Completed { .. }
        | Event::Orphaned { .. }
        | Event::Archived
        | Event::Summoned
        | Event::Deleted => return None,
    };
    (end > before.session.output_bytes).then(|| Gap {
        end,
        illegal: IllegalTransition {
            from: before.session.phase.name(),
            event: event.kind(),
        },
    })
}
