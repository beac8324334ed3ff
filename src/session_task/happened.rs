//! What becomes of what happens to a session's process.

use bytes::Bytes;
use coven_core::{Channel, OrphanReason, OutputEnd, Timestamp};
use coven_harness::process::boot_id;

use super::live::{Goes, Live};
use super::process::{Happening, What};
use crate::on_the_way::Waypoint;

impl Live {
    /// Takes what happened to the process.
    pub(super) fn happened(&mut self, Happening { at, what }: Happening) -> Goes {
        let now = self.shared.clock.elapsed();
        let at = at.unwrap_or_else(|| self.shared.clock.now());
        let session = &self.record.session.id;
        match what {
            What::Wrote(channel, bytes) => self.wrote(channel, &bytes, at),
            What::OutputEnded(end) => {
                self.shared.on_the_way.reached(&Waypoint::OutputEndHeard);
                self.end.output_ended(end);
            }
            What::OutputFailed(error) => {
                tracing::error!(%session, %error, "output cannot be read");
                self.end.output_ended(OutputEnd::Cut);
            }
            What::Exited(exit) => {
                self.shared.on_the_way.reached(&Waypoint::ExitHeard);
                self.observations.ended(at);
                self.end.process_ended(exit, now);
            }
            What::ExitFailed(error) => {
                tracing::error!(%session, %error, "the process's end cannot be learnt of");
                self.lost_sight(OrphanReason::EngineDied);
            }
            What::Delivered(input) => {
                if let Some(writer) = &self.writer {
                    writer.delivered(input);
                }
            }
            // How it ended is known, and what it wrote after that is not.
            What::ShimDied if !self.end.has_process() => self.end.output_ended(OutputEnd::Cut),
            What::ShimDied => {
                let is_this_boot = boot_id().is_ok_and(|boot| boot == self.process.facts().boot_id);
                self.lost_sight(if is_this_boot {
                    OrphanReason::ShimDied
                } else {
                    OrphanReason::Reboot
                });
            }
        }
        Goes::On
    }

    fn wrote(&mut self, channel: Channel, bytes: &Bytes, at: Timestamp) {
        let now = self.shared.clock.elapsed();
        self.end.byte_read(now);
        self.hear(bytes);
        self.identity_heard(bytes);
        self.observations.output(channel, bytes, now, at);
    }

    /// Answers what the process asks its terminal, where no shim does. One that is typed nothing else
    /// is answered only while its terminal would not echo that into the output.
    fn hear(&mut self, bytes: &[u8]) {
        if !self.process.has_terminal() {
            return;
        }
        for reply in self.screen.hear(bytes) {
            match &self.writer {
                _ if !self.process.is_answered_here() => {}
                Some(writer) => writer.answer(reply),
                None => self.process.answer(&reply),
            }
        }
    }

    /// How the process ends will not be known, and nobody would see it run on.
    pub(super) fn lost_sight(&mut self, reason: OrphanReason) {
        self.end.process_lost();
        self.observations.lost(reason);
        if reason != OrphanReason::Reboot && !self.killing.is_under_way() {
            self.terminate();
        }
    }
}
