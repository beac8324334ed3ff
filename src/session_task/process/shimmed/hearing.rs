//! What a shim's records say, each once: a shim that is reached gives all that it still has.

use std::time::Duration;

use bytes::{Buf, Bytes};
use coven_core::InputId;
use coven_harness::shim::{Record, Recorded};

use super::{Happening, Shimmed, What};

impl Shimmed {
    /// What a record says that was not told yet.
    pub(super) fn hear(&mut self, Recorded { number, at, record }: Recorded) -> Option<Happening> {
        if number <= self.newest {
            return None;
        }
        self.newest = number;
        self.pause = Duration::ZERO;
        let what = match record {
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
            Record::InputDone { id, .. } => Some(What::Delivered(InputId(id.0))),
            // The start is on record, or was noted by who launched it; the others are of no
            // concern to the log, or of a newer shim.
            Record::Started { .. }
            | Record::LaunchFailed { .. }
            | Record::InputTaken { .. }
            | Record::Answered { .. }
            | Record::Resized { .. }
            | Record::Unknown { .. } => None,
        };
        let due = self.receipts.told(number, self.heard_bytes);
        self.acknowledge(due);
        let at = Some(at);
        what.map(|what| Happening { at, what })
    }

    /// What is new of output that begins at `offset`.
    fn unheard(&mut self, offset: u64, mut bytes: Bytes) -> Option<Bytes> {
        let known = self.heard_bytes.saturating_sub(offset);
        bytes.advance(usize::try_from(known).map_or(bytes.len(), |known| known.min(bytes.len())));
        if offset > self.heard_bytes {
            tracing::error!(session = %self.session, from = self.heard_bytes, to = offset,
                "output is missing: its shim does not have it any more");
        }
        self.heard_bytes += bytes.len() as u64;
        self.is_catching_up &= bytes.is_empty();
        (!bytes.is_empty()).then_some(bytes)
    }
}
