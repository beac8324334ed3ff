//! A kill that comes before there is a process: it calls the launch off, and is on its way into the log.

use std::future::{Future, pending};
use std::pin::Pin;

use coven_core::{Command, ProcessFacts, Refusal, Status};
use coven_harness::process;
use coven_store::{AppendError, Appended, Urgency};
use tokio::task::JoinHandle;

use super::Launching;
use crate::commit::Plan;
use crate::running::Ask;
use crate::session_task::beginning::UnrecordedKill;
use crate::session_task::killing::Report;

/// The record of a kill under way, and who is to be told of it.
pub(super) struct Recording {
    append: Pin<Box<dyn Future<Output = Result<Appended, AppendError>> + Send>>,
    ask: Ask,
}

impl Launching {
    pub(in crate::session_task) fn call_off(&self) {
        self.called_off.send_replace(true);
    }

    pub(in crate::session_task) fn is_called_off(&self) -> bool {
        *self.called_off.borrow()
    }

    /// Calls the launch off. That does not wait for the disk.
    pub(super) fn kill(&mut self, ask: Ask) {
        let mut plan = Plan::of(&self.record.session);
        let answer = match plan.add(Command::Kill, self.shared.clock.now(), ask.by.as_ref()) {
            Err(refused) => Err(refused),
            Ok(_) if self.unrecorded_kill.is_some() => Err(Refusal::NotLive {
                session: self.record.session.id.clone(),
                status: Status::Killed,
            }
            .into()),
            Ok(_) => {
                self.call_off();
                let (store, batch) = (
                    self.shared.store.clone(),
                    plan.batch(None, Urgency::Control),
                );
                let append = Box::pin(async move { store.append(batch).await });
                self.recording = Some(Recording { append, ask });
                return;
            }
        };
        // Whoever asked may have left.
        let _ = ask.reply.send(answer);
    }

    /// What became of a kill's record.
    pub(super) fn told_of_kill(&mut self, outcome: Result<Appended, AppendError>) {
        let Some(Recording { ask, .. }) = self.recording.take() else {
            return;
        };
        match outcome {
            Ok(appended) => self.record = appended.record,
            Err(error) => {
                tracing::warn!(session = %self.record.session.id, %error,
                    "a kill is carried out, and not on record yet");
                self.unrecorded_kill = Some(UnrecordedKill { by: ask.by });
            }
        }
        // Whoever asked may have left.
        let _ = ask.reply.send(Ok(self.record.clone()));
    }

    /// Waits for a kill's record, if one is on its way.
    pub(in crate::session_task) async fn settle(&mut self) {
        if self.recording.is_some() {
            let outcome = recorded(&mut self.recording).await;
            self.told_of_kill(outcome);
        }
    }

    /// A process that was made although it was called off, and whose kill is not on record yet, is
    /// signalled meanwhile: the disk may hang.
    pub(in crate::session_task) async fn signal_before_it_is_recorded(
        &mut self,
        facts: &ProcessFacts,
    ) -> Option<JoinHandle<Report>> {
        self.recording.as_ref()?;
        let (facts, grace) = (facts.clone(), self.shared.grace);
        let session = self.record.session.id.clone();
        let kill = tokio::spawn(async move { process::kill(&facts, &session, grace).await });
        self.settle().await;
        Some(kill)
    }
}

/// The outcome of what is on its way; never, where nothing is.
pub(super) async fn recorded(recording: &mut Option<Recording>) -> Result<Appended, AppendError> {
    match recording {
        Some(recording) => recording.append.as_mut().await,
        None => pending().await,
    }
}
