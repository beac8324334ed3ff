//! A session that a shim holds and of which the log takes nothing more: what is stored of it is damaged, or
//! contradicts what it does. It goes on, its shim keeps what it writes, and the next engine may record that. Here it
//! is not driven any more. But it can be killed, and whoever does is told what is not on record.

use std::mem::take;

use tokio::time::timeout;

use super::control::{MAX_ASKED, answer};
use super::killing::{Killed, Report, UNHEARD, Unproved, kill_shim, proved};
use super::live::{Live, arrival};
use super::process::{Process, Wants, What};
use super::writer::Writer;
use crate::Error;
use crate::running::{Ask, Message, Request};

impl Live {
    /// Hears kills until the engine leaves.
    pub(super) async fn go_on_unrecorded(mut self, why: &str) {
        if let Some(launched) = self.launched.take() {
            // Whoever launched it may have left.
            let _ = launched.send(Err(Error::internal(&why)));
        }
        self.settle_control().await;
        // What that waits for is not to come.
        self.writer.iter_mut().for_each(Writer::drop_held);
        let mut kills = Vec::new();
        // What a kill is told, once all of it has ended.
        let mut is_over: Option<String> = None;
        for ask in take(&mut self.control.asked) {
            self.asked_of_unrecorded(ask, &mut kills, why);
        }
        kills.append(&mut self.control.killing_again);
        loop {
            tokio::select! {
                biased;
                message = self.mailbox.recv() => match message {
                    Some(Message::Ask(ask)) => match &is_over {
                        Some(said) if matches!(ask.request, Request::Kill) => self.kill_failed_as(ask, said),
                        _ => self.asked_of_unrecorded(ask, &mut kills, why),
                    },
                    // Nothing was heard of it.
                    Some(Message::View(reply)) if self.hearing_again.is_some() => drop(reply),
                    Some(Message::View(reply)) => {
                        // Whoever asked may have left.
                        let _ = reply.send(self.screen.view(&self.record));
                    }
                    Some(Message::Redraw) => {}
                    Some(Message::Abandon | Message::Leave) | None => return,
                },
                Killed { report, .. } = arrival(&mut self.killing.under_way) => {
                    self.killing.under_way = None;
                    let ended = self.ended_unrecorded(report, why).await;
                    for ask in take(&mut kills) {
                        let (Ok(said) | Err(said)) = &ended;
                        self.kill_failed_as(ask, said);
                    }
                    is_over = ended.ok();
                    if self.shared.is_shutting_down() {
                        return;
                    }
                }
            }
        }
    }

    fn asked_of_unrecorded(&mut self, ask: Ask, kills: &mut Vec<Ask>, why: &str) {
        match ask.request {
            Request::Kill if kills.len() < MAX_ASKED => {
                kills.push(ask);
                if !self.killing.is_under_way() {
                    self.terminate();
                }
            }
            _ => answer(ask, Err(Error::internal(&why))),
        }
    }

    fn kill_failed_as(&self, ask: Ask, said: &str) {
        let (session, message) = (self.id().clone(), said.to_owned());
        answer(ask, Err(Error::KillFailed { session, message }));
    }

    /// What came of a kill, for people: all of it was ended, or not. Where nobody is left, its shim is ended,
    /// once it has written down the end: that and all else that it has stays in its folder.
    async fn ended_unrecorded(&mut self, report: Report, why: &str) -> Result<String, String> {
        if let Err(Unproved { message, .. }) = proved(self.id(), report) {
            return Err(format!(
                "{message}; and nothing of it can be put on record: {why}"
            ));
        }
        // One that tells nothing, as on a full disk, is ended all the same.
        let _ = timeout(UNHEARD, until_over(&mut self.process)).await;
        let (first, session) = (self.process.facts().clone(), self.id().clone());
        let ended = kill_shim(Some(first), session).await;
        let unsaid = format!("and that cannot be put on record: {why}");
        match ended {
            Ok(_) => Ok(format!("all of it was ended, {unsaid}")),
            Err(error) => Err(format!(
                "all of it was ended but for its shim ({error}), {unsaid}"
            )),
        }
    }
}

/// Waits until its end is known, of which nothing is acknowledged.
async fn until_over(process: &mut Process) {
    let mut wants = Wants {
        exit: true,
        output: true,
        room: true,
    };
    while wants.exit || wants.output {
        match process.happens(wants).await.what {
            What::Exited(_) | What::ExitFailed(_) => wants.exit = false,
            What::OutputEnded(_) | What::OutputFailed(_) => wants.output = false,
            What::ShimDied(_) => return,
            What::Wrote(..) | What::Taken(_) | What::Typed { .. } | What::CaughtUp => {}
        }
    }
}
