//! Writing an export, a line at a time.

use coven::{Envelope, Record};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::line::{End, EventLine, Header, Line};
use super::redacted::Redacted;
use super::what::What;
use super::{FORMAT, VERSION};
use crate::wire::Time;

/// What an export leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redaction {
    /// Nothing: it can be imported.
    Exact,
    /// Secrets: it is for sharing.
    Redacted,
}

/// Writes the lines of one session's export.
pub(crate) struct Writer {
    session: String,
    events: u64,
    hash: Sha256,
    redacted: Option<Redacted>,
}

impl Writer {
    /// The writer, and the first line.
    pub(crate) fn begin(
        record: &Record,
        events: u64,
        redaction: Redaction,
        now: Time,
    ) -> (Self, Vec<u8>) {
        let session = record.session.id.as_str().to_owned();
        let header = Line::Header(Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            session: session.clone(),
            coven_version: env!("CARGO_PKG_VERSION").to_owned(),
            exported_at: now,
            redacted: redaction == Redaction::Redacted,
            events,
            output_bytes: record.session.output_bytes,
            trimmed_bytes: record.session.trimmed_bytes,
            status: record.session.status().as_str().to_owned(),
        });
        let writer = Self {
            hash: hash_of(&session),
            session,
            events: 0,
            redacted: (redaction == Redaction::Redacted).then(Redacted::default),
        };
        (writer, header.to_bytes())
    }

    /// The lines of the next event.
    pub(crate) fn event(&mut self, envelope: &Envelope) -> Vec<u8> {
        debug_assert_eq!(envelope.session.as_str(), self.session);
        let Some(what) = What::of(&envelope.event) else {
            return Vec::new();
        };
        let whats = match &mut self.redacted {
            Some(redacted) => redacted.take(what, &envelope.event),
            None => vec![what],
        };
        let actor = envelope.actor.as_ref();
        let lines = whats.into_iter().map(|what| {
            let line = Line::Event(Box::new(EventLine {
                index: self.events,
                at: envelope.at.into(),
                actor: actor.map(Into::into),
                what,
            }));
            self.events += 1;
            line.to_bytes()
        });
        let bytes: Vec<u8> = lines.flatten().collect();
        self.hash.update(&bytes);
        bytes
    }

    /// How many lines of events there are so far.
    pub(crate) const fn events(&self) -> u64 {
        self.events
    }

    /// The last line.
    pub(crate) fn end(self) -> Vec<u8> {
        let end = Line::End(End {
            events: self.events,
            sha256: HEXLOWER.encode(&self.hash.finalize()),
        });
        end.to_bytes()
    }
}

/// What the hash begins with: the session's id, so that it is covered too.
pub(super) fn hash_of(session: &str) -> Sha256 {
    Sha256::new().chain_update(session).chain_update("\n")
}
