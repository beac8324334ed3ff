//! A shim that is lost is looked for, until it is reached again or found to be dead.

use std::fmt::Display;
use std::sync::Arc;

use coven_harness::shim::{Child, Control, Damage, Lost};
use tokio::time::sleep;

use super::left::Left;
use super::reach::{Reached, known_here, longer, not_read_back, reach};
use super::{Happening, Shimmed, Stage, What};
use crate::out_of_reach::OutOfReach;
use crate::session_task::deliveries::LastWord;

impl Shimmed {
    /// Whether it is being looked for.
    pub(in crate::session_task::process) const fn is_looked_for(&self) -> bool {
        matches!(self.stage, Stage::Reaching(_))
    }

    pub(super) fn reaching(&self) -> Stage {
        let (pause, process) = (self.pause, self.process.clone());
        let (folder, session) = (self.folder.clone(), self.session.clone());
        let encounter = Arc::clone(&self.encounter);
        Stage::Reaching(Box::pin(async move {
            sleep(pause).await;
            let reached = reach(folder, session.clone(), process.clone(), &encounter).await;
            let process = match (&reached, process) {
                (Reached::Alive(_), Some(process)) => Some(known_here(process, &session).await),
                (_, process) => process,
            };
            (reached, process)
        }))
    }

    /// Reads no further in what a dead shim left, and takes nothing of it away.
    pub(super) fn leave(&mut self, damage: &Damage) {
        let folder = self.folder.display();
        tracing::error!(session = %self.session, %damage, %folder, "a spool is not read to its end; it is left");
        self.stage = Stage::Over(None);
    }

    /// Most often it has died. What else it may be shows once it is reached and is lost again.
    pub(super) fn lose_it(&mut self, lost: Lost) {
        self.lost_after = Some(self.given.max(self.lost_after.unwrap_or(0)));
        let met = not_read_back(lost, &self.folder);
        self.look_for_it_after(met, &lost);
    }

    pub(super) fn look_for_it(&mut self, met: OutOfReach) {
        let why = met.why.clone();
        self.look_for_it_after(met, &why);
    }

    fn look_for_it_after(&mut self, met: OutOfReach, why: &dyn Display) {
        let session = &self.session;
        if self.pause.is_zero() {
            tracing::warn!(%session, %why, "a shim is looked for");
        } else {
            tracing::debug!(%session, why = %met.why, "a shim is looked for again");
        }
        self.encounter.met(met);
        self.typed_by(None);
        self.stage = self.reaching();
        self.pause = longer(self.pause);
    }

    /// Its connection gave this record: it serves, but where one was lost before only with what comes after all
    /// that it had given by then, or with the last of what it has.
    pub(super) fn gave(&mut self, number: u64) {
        self.given = number;
        if self.is_serving {
            return;
        }
        let is_further = self.lost_after.is_none_or(|after| after < number);
        if is_further || self.serves_with.is_some_and(|last| last <= number) {
            self.serves();
        }
    }

    fn serves(&mut self) {
        self.is_serving = true;
        self.lost_after = None;
        self.encounter.is_over();
    }

    pub(super) fn reached(&mut self, reached: Reached) {
        self.behind = None;
        self.serves_with = None;
        self.stage = match reached {
            Reached::Alive(Child {
                records,
                control,
                newest,
                ..
            }) => {
                self.given = 0;
                self.is_serving = false;
                self.behind = Some(newest.unwrap_or(0));
                self.serves_with = newest;
                match (newest, self.lost_after) {
                    (None, _) => self.serves(),
                    (Some(_), None) => self.encounter.reached(),
                    (Some(_), Some(_)) => {}
                }
                self.wanted.say(&control);
                self.typed_by(Some(control.clone()));
                self.is_catching_up = true;
                // It may not have heard that before it was lost.
                if let Some(upto) = self.receipts.acknowledged() {
                    control.ack(upto);
                }
                Stage::Connected { records, control }
            }
            Reached::Dead { left, remains } => {
                self.encounter.shim_died();
                Stage::Dead {
                    left: Left::new(left),
                    remains,
                }
            }
            Reached::Missing => Stage::Over(None),
        };
    }

    fn typed_by(&self, shim: Option<Control>) {
        if let Some(control) = &self.control {
            control.send_replace(shim);
        }
    }

    pub(super) fn died(&mut self) -> Happening {
        self.control = None;
        self.encounter.is_over();
        let stage = std::mem::replace(&mut self.stage, Stage::Over(None));
        let mut last_word = LastWord::Unknown;
        if let Stage::Dead { remains, .. } = stage {
            self.stage = Stage::Over(Some(remains));
            if self.knows_typed {
                last_word = LastWord::Died;
            }
        }
        Happening {
            at: None,
            what: What::ShimDied(last_word),
        }
    }
}
