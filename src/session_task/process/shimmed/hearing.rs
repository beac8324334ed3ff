//! What a shim's records say, each once: a shim that is reached gives all that it still has.

use std::time::Duration;

use bytes::{Buf, Bytes};
use coven_core::InputId;
use coven_harness::shim::{Record, Recorded};

use super::gap::{Gap, Output};
use super::{Happening, Shimmed, What};

impl Shimmed {
    /// What a record says that was not told yet.
    pub(super) fn hear(&mut self, Recorded { number, at, record }: Recorded) -> Option<Happening> {
        if number <= self.newest {
            return None;
        }
        self.newest = number;
        self.pause = Duration::ZERO;
        self.knows_typed |=
            number == 1 || matches!(record, Record::InputTaken { .. } | Record::InputDone { .. });
        let what = match record {
            Record::Output {
                offset,
                channel,
                bytes,
            } if offset > self.heard_bytes => {
                tracing::error!(session = %self.session, from = self.heard_bytes, to = offset,
                    "output is missing: its shim does not have it any more");
                self.gap = Some(Gap::before(Output {
                    number,
                    at,
                    channel,
                    offset,
                    bytes,
                }));
                return self.fill();
            }
            Record::Output {
                offset,
                channel,
                bytes,
            } => self
                .unheard(offset, bytes)
                .map(|new| What::Wrote(channel, new)),
            Record::OutputClosed { end } => {
                self.receipts.ends(number);
                Some(What::OutputEnded(end))
            }
            Record::Exited { exit } => {
                self.receipts.ends(number);
                Some(What::Exited(exit))
            }
            Record::InputTaken { id, .. } => Some(What::Taken(InputId(id.0))),
            Record::InputDone {
                id,
                delivered_bytes,
            } => {
                self.receipts.tells_of_input(number);
                Some(What::Typed {
                    id: InputId(id.0),
                    written_bytes: delivered_bytes,
                })
            }
            // The start is on record, or was noted by who launched it; the others are of no
            // concern to the log, or of a newer shim.
            Record::Started { .. }
            | Record::LaunchFailed { .. }
            | Record::Answered { .. }
            | Record::Resized { .. }
            | Record::Unknown { .. } => None,
        };
        let due = self.receipts.told(number, self.heard_bytes);
        self.acknowledge(due);
        let at = Some(at);
        what.map(|what| Happening { at, what })
    }

    /// More of what stands for output that is missing, and at last the output that comes after it; nothing
    /// where none is.
    pub(super) fn fill(&mut self) -> Option<Happening> {
        let gap = self.gap.as_mut()?;
        let at = Some(gap.at());
        if let Some((channel, piece)) = gap.piece(self.heard_bytes) {
            self.heard_bytes += piece.len() as u64;
            self.is_catching_up = false;
            let what = What::Wrote(channel, piece);
            return Some(Happening { at, what });
        }
        let Output {
            number,
            channel,
            offset,
            bytes,
            ..
        } = self.gap.take()?.into_output();
        let new = self.unheard(offset, bytes);
        let due = self.receipts.told(number, self.heard_bytes);
        self.acknowledge(due);
        let what = What::Wrote(channel, new?);
        Some(Happening { at, what })
    }

    /// What is new of output that begins at `offset`, or before.
    fn unheard(&mut self, offset: u64, mut bytes: Bytes) -> Option<Bytes> {
        let known = self.heard_bytes.saturating_sub(offset);
        bytes.advance(usize::try_from(known).map_or(bytes.len(), |known| known.min(bytes.len())));
        self.heard_bytes += bytes.len() as u64;
        self.is_catching_up &= bytes.is_empty();
        (!bytes.is_empty()).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use coven_core::{Channel, Session, SessionId, Timestamp};

    use super::super::Reached;
    use super::*;
    use crate::out_of_reach::Encounters;
    use crate::session_task::made_up::session;

    /// One of which so much output is on record.
    fn taken_over(output_bytes: u64) -> Shimmed {
        let session = session("one");
        let mut snapshot = (*session).clone();
        snapshot.output_bytes = output_bytes;
        Shimmed::new(
            &Session::restore(snapshot),
            "/none".into(),
            Reached::Missing,
            Arc::new(Encounters::default().of(SessionId::parse("one").unwrap())),
        )
    }

    /// What it is told of these, in pieces as they come.
    fn told(shimmed: &mut Shimmed, outputs: &[(u64, &'static [u8])]) -> Vec<Bytes> {
        let mut told = Vec::new();
        for ((offset, bytes), number) in outputs.iter().zip(1..) {
            let record = Record::Output {
                offset: *offset,
                channel: Channel::Tty,
                bytes: Bytes::from_static(bytes),
            };
            let at = Timestamp::from_nanos(0);
            let mut heard = shimmed.hear(Recorded { number, at, record });
            while let Some(Happening { what, .. }) = heard {
                let What::Wrote(_, bytes) = what else {
                    panic!("{what:?}");
                };
                told.push(bytes);
                heard = shimmed.fill();
            }
        }
        told
    }

    #[test]
    fn output_after_what_is_missing_keeps_its_offset_and_is_told_once_over_engines() {
        let outputs: [(u64, &[u8]); 3] = [(0, b"one"), (200_000, b"two"), (200_003, b"three")];
        let first = told(&mut taken_over(0), &outputs);
        let all = first.concat();
        assert_eq!(all.len(), 200_008);
        assert!(all.ends_with(b"\x7ftwothree"));
        let said = String::from_utf8(all.clone()).unwrap();
        assert!(said.contains("199997 bytes of output are missing"));
        // The next engine goes on wherever the one before died, and says so of what is left.
        let mut on_record = 0;
        for piece in first {
            on_record += piece.len();
            let rest = told(&mut taken_over(on_record as u64), &outputs).concat();
            assert_eq!(on_record + rest.len(), 200_008);
            assert!(all.ends_with(&rest[rest.len().saturating_sub(8)..]));
        }
    }
}
