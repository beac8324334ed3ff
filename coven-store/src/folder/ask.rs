//! Who meets damage asks the folder to look whether it is of what can be made anew, and waits for that a while.

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{Folder, Message};
use crate::limits::{LOOK_SHARE, MEND_PATIENCE};

/// Asks for all who meet damage: what is not cured stays, and is met again and again.
#[derive(Clone)]
pub(crate) struct Mender(Arc<Inner>);

struct Inner {
    folder: Sender<Message>,
    asked_at: Mutex<Option<Instant>>,
}

impl Mender {
    pub(crate) fn new(folder: Sender<Message>) -> Self {
        Self(Arc::new(Inner {
            folder,
            asked_at: Mutex::default(),
        }))
    }

    /// Whether it may be cured since, and is worth another look. Blocks for [`MEND_PATIENCE`] at most, and
    /// not at all where somebody has asked so shortly before.
    pub(crate) fn may_have_mended(&self) -> bool {
        let now = Instant::now();
        {
            let mut asked_at = self
                .0
                .asked_at
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if asked_at.is_some_and(|at| now < at + MEND_PATIENCE) {
                return false;
            }
            *asked_at = Some(now);
        }
        let (reply, answer) = mpsc::channel();
        let asked = self.0.folder.send(Message::Met { reply });
        asked.is_ok() && answer.recv_timeout(MEND_PATIENCE).is_ok()
    }
}

impl Folder {
    /// Somebody has met damage: a bit that turned is put right, and what can be made anew is looked at, and is made anew
    /// if it is that. The look takes as long as there are sessions, so it is not done for more than a share of the time.
    pub(super) fn look_where_it_was_met(&mut self) {
        let right = self.cold.put_right_what_was_refused();
        right.iter().for_each(|at| self.meter.was_put_right(*at));
        if !right.is_empty() {
            return;
        }
        let began = Instant::now();
        if self.state.look_not_before.is_some_and(|at| began < at) || self.state.trouble.is_some() {
            return;
        }
        self.mend_first();
        self.state.look_not_before = Some(Instant::now() + LOOK_SHARE * began.elapsed());
    }
}
