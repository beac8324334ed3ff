//! What becomes of what happens to a session's process.

use bytes::Bytes;
use coven_core::{Channel, InputId, OrphanReason, OutputEnd, Timestamp};
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
            What::Taken(input) => self.deliveries.taken(input),
            What::Typed { id, written_bytes } => self.typed(id, written_bytes, at),
            What::CaughtUp => {
                self.deliveries.caught_up();
                self.pass_over_before_held();
            }
            // How it ended is known, and what it wrote after that is not.
            What::ShimDied(last_word) if !self.end.has_process() => {
                self.deliveries.fell_silent(last_word);
                self.end.output_ended(OutputEnd::Cut);
            }
            What::ShimDied(last_word) => {
                self.deliveries.fell_silent(last_word);
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

    /// No more of an input will be written.
    fn typed(&mut self, id: InputId, written_bytes: u64, at: Timestamp) {
        if let Some(writer) = &self.writer {
            writer.room_may_be_made();
        }
        if let Some(undelivered) = self.deliveries.done(id, written_bytes) {
            self.observations.note(undelivered.command(), at, None);
        }
        self.inputs_may_be_recorded();
    }

    /// Says so to a shim, once that is true.
    pub(super) fn inputs_may_be_recorded(&mut self) {
        if !self.observations.has_facts() {
            self.process.inputs_recorded();
        }
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
