//! Whether what is typed is shown: inputs wait until whoever holds the terminal has said it.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use coven_core::Echo;
use tokio::sync::watch;
use tokio::time::timeout;

use super::control::{Control, answer};
use super::live::Live;
use super::process::{SecretEntry, Typing};
use super::typing::MAX_PARTS;
use crate::Unavailable;
use crate::running::{Ask, Request};

/// How long a shim may take to say whether what is typed is shown. One that takes longer is stopped,
/// or cannot be reached.
const SHIM_PATIENCE: Duration = Duration::from_secs(5);

/// Bytes around what is typed, at most: a message's line of JSON, or a paste's brackets.
const AROUND_BYTES: usize = 128;

/// What a shim said of whether what is typed is shown; or why nothing may be typed, where it did not in time.
pub(super) type Look = Result<Echo, Unavailable>;

/// What an engine before had typed is not known, and is waited for.
struct Behind {
    /// Whether that is still so.
    is_behind: watch::Receiver<bool>,
    /// Why nothing may be typed if it stays so.
    why_not: Unavailable,
}

/// Whether what is typed is shown, which holds for so many of the inputs that wait: the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) echo: Echo,
    pub(super) inputs: usize,
}

impl Control {
    /// How many inputs wait.
    pub(super) fn inputs(&self) -> usize {
        self.asked.iter().filter(|ask| is_typed(ask)).count()
    }

    /// How many inputs what waits may become, and how many bytes: at most six times its own, as a line of
    /// JSON, and some around each.
    pub(super) fn wanted(&self) -> (usize, usize) {
        let wanted = self.asked.iter().map(|ask| match &ask.request {
            Request::Input { data, .. } => (1, data.len()),
            Request::Submit { text, .. } => (MAX_PARTS, text.len()),
            Request::Resize { .. }
            | Request::Kill
            | Request::Edit { .. }
            | Request::Trim { .. } => (0, 0),
        });
        wanted.fold((0, 0), |(inputs, bytes), (more, len_bytes)| {
            (inputs + more, bytes + 6 * len_bytes + more * AROUND_BYTES)
        })
    }

    /// Has somebody look whether what is typed now is shown, for the inputs that wait now.
    pub(super) fn look(&mut self, look: impl Future<Output = Look> + Send + 'static) {
        self.looking_for = self.inputs();
        self.looking = Some(Box::pin(look));
    }

    /// Whether what was typed until they looked is shown is known, or why that is not.
    /// Nothing of what waited for it is on record then, and it is refused.
    pub(super) fn looked(&mut self, look: Look) {
        self.looking = None;
        let inputs = std::mem::take(&mut self.looking_for);
        match look {
            Ok(echo) => self.seen = Some(Seen { echo, inputs }),
            Err(reason) => {
                for ask in self.take_due(inputs, |_| false) {
                    answer(ask, Err(reason.clone().into()));
                }
            }
        }
    }

    /// Takes out the oldest so many inputs, and what of the rest `is_due`; in order.
    pub(super) fn take_due(
        &mut self,
        inputs: usize,
        is_due: impl Fn(&Ask) -> bool,
    ) -> VecDeque<Ask> {
        let mut inputs_left = inputs;
        let (due, early) = std::mem::take(&mut self.asked)
            .into_iter()
            .partition(|ask| {
                if !is_typed(ask) {
                    return is_due(ask);
                }
                let is_one_of_them = inputs_left > 0;
                inputs_left = inputs_left.saturating_sub(1);
                is_one_of_them
            });
        self.asked = early;
        due
    }
}

impl Live {
    /// Whether the terminal shows what is typed, for which of the inputs that wait; `None` while
    /// there are none, until whoever holds the terminal has said it, and until it is known what was
    /// typed before, as far as they may find no room or no turn without that.
    pub(super) fn seen_for_what_waits(&mut self) -> Option<Seen> {
        let inputs = self.control.inputs();
        if inputs == 0 || self.hearing_again.is_some() {
            return None;
        }
        if let Some(seen) = self.control.seen.take() {
            return Some(seen);
        }
        let behind = self.behind();
        let shim = match self.process.secret_entry() {
            SecretEntry::Known(secret) => {
                let echo = self.echo(secret);
                return Some(Seen { echo, inputs });
            }
            SecretEntry::Never if behind.is_none() => {
                let echo = Echo::Shown;
                return Some(Seen { echo, inputs });
            }
            SecretEntry::Never => None,
            SecretEntry::Ask(shim) => Some(shim),
        };
        if self.control.looking.is_none() {
            let is_behind = behind.as_ref().map(|behind| behind.is_behind.clone());
            let look = timeout(SHIM_PATIENCE, ask_shim(is_behind, shim));
            self.control
                .look(async { look.await.map_err(|_| why_not(behind)) });
        }
        None
    }

    /// Where what waits may find no room before it is known what an engine before had typed, which a shim tells,
    /// or is to be typed behind what nobody has the bytes of: whether that is still so.
    fn behind(&self) -> Option<Behind> {
        let is_behind = self.deliveries.behind()?;
        let (inputs, bytes) = self.control.wanted();
        let fit = self.deliveries.rooms().have_room_for(inputs, bytes);
        let why_not = match (fit, self.deliveries.may_have_forgotten()) {
            (false, _) => Unavailable::InputQueueFull,
            (true, true) => Unavailable::ShimSilent { why: None },
            (true, false) => return None,
        };
        Some(Behind { is_behind, why_not })
    }

    fn echo(&self, secret: io::Result<bool>) -> Echo {
        match secret {
            Ok(false) => Echo::Shown,
            Ok(true) => Echo::Hidden,
            Err(error) => {
                tracing::warn!(session = %self.id(), %error, "the terminal's modes are unknown");
                Echo::Hidden
            }
        }
    }
}

/// Whether it has something typed.
const fn is_typed(ask: &Ask) -> bool {
    matches!(ask.request, Request::Input { .. } | Request::Submit { .. })
}

/// Why nothing may be typed, where what is waited for does not come.
fn why_not(behind: Option<Behind>) -> Unavailable {
    match behind {
        // The shim may tell, and not be heard to the end, as on a full disk.
        Some(Behind { is_behind, why_not }) if *is_behind.borrow() => why_not,
        Some(_) | None => Unavailable::ShimSilent { why: None },
    }
}

/// Hears what a shim has to tell, where that is waited for, and asks the one that holds a terminal.
async fn ask_shim(behind: Option<watch::Receiver<bool>>, terminal: Option<Typing>) -> Echo {
    if let Some(mut behind) = behind {
        // Where there is nobody to tell, nobody waits.
        let _ = behind.wait_for(|is_behind| !is_behind).await;
    }
    match terminal {
        Some(shim) => ask_for_echo(shim).await,
        None => Echo::Shown,
    }
}

/// Asks the shim that holds the terminal, or the next one that is reached. Where there will be none,
/// nothing will be typed.
async fn ask_for_echo(mut shim: Typing) -> Echo {
    loop {
        let control = match shim.wait_for(Option::is_some).await {
            Ok(control) => control.clone().expect("it was waited for"),
            Err(_) => return Echo::Hidden,
        };
        match control.secret_entry().await {
            Ok(true) => return Echo::Hidden,
            Ok(false) => return Echo::Shown,
            Err(_) if shim.changed().await.is_err() => return Echo::Hidden,
            Err(_) => {}
        }
    }
}
