//! The process of a session, whoever holds its terminal: this program, or a shim.
//!
//! What happens to it is one stream of [`Happening`]s either way. A shim's come by their numbers,
//! and are acknowledged once they are on record.

mod here;
mod shimmed;

use std::future::pending;
use std::io;
use std::path::Path;

use bytes::Bytes;
use coven_core::{Channel, Exit, InputId, OutputEnd, ProcessFacts, TermSize, Timestamp};
use coven_harness::process::{Child, Input, Terminal};

use super::deliveries::LastWord;
use crate::on_the_way::OnTheWay;

pub(super) use here::Here;
pub(crate) use shimmed::lives;
pub(super) use shimmed::{Reached, Shimmed, Typing, end_shim, known_here, reach};

/// Something that happened to a process.
#[derive(Debug)]
pub(super) struct Happening {
    /// When, where that was written down at the time.
    pub(super) at: Option<Timestamp>,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Wrote(Channel, Bytes),
    OutputEnded(OutputEnd),
    OutputFailed(io::Error),
    Exited(Exit),
    /// Its end cannot be learnt of.
    ExitFailed(io::Error),
    /// Its shim has an input, and writes it once it can.
    Taken(InputId),
    /// Its shim has written so much of an input, and will write no more of it: all, or nobody reads any
    /// more.
    Typed {
        id: InputId,
        written_bytes: u64,
    },
    /// All was told that its shim had when it was reached.
    CaughtUp,
    /// Its shim is dead, and all that it left was told. That says what became of what it was given to
    /// type, as far as this word goes.
    ShimDied(LastWord),
}

/// What is to be told of a process now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wants {
    /// Its end is not known yet.
    pub(super) exit: bool,
    /// Its output has not ended yet.
    pub(super) output: bool,
    /// There is room for what it writes.
    pub(super) room: bool,
}

/// A process.
pub(super) struct Process {
    facts: ProcessFacts,
    held: Held,
}

enum Held {
    Here(Box<Here>),
    Shim(Box<Shimmed>),
    /// Its terminal went with the engine that held it; it, or what came of it, runs on.
    Nobody,
}

/// Where what is typed goes.
#[derive(Debug)]
pub(super) enum Keyboard {
    /// Into its terminal or its pipe.
    Here(Input),
    /// To its shim.
    Shim(Typing),
}

/// Whether what is typed now is a secret.
pub(super) enum SecretEntry {
    Known(io::Result<bool>),
    /// Its shim is to be asked.
    Ask(Typing),
    /// It has no terminal: there is nobody to ask for a password.
    Never,
}

impl Process {
    pub(super) fn here(child: Child) -> (Self, Option<Keyboard>) {
        let facts = child.facts;
        let held = Held::Here(Box::new(Here::new(
            child.output,
            child.exit,
            child.terminal,
        )));
        (Self { facts, held }, child.input.map(Keyboard::Here))
    }

    pub(super) fn in_shim(facts: ProcessFacts, mut shimmed: Shimmed) -> (Self, Option<Keyboard>) {
        shimmed.runs(facts.clone());
        let keyboard = shimmed.keyboard().map(Keyboard::Shim);
        let held = Held::Shim(Box::new(shimmed));
        (Self { facts, held }, keyboard)
    }

    /// One that outlived the engine that held its terminal, or of which what came of it has.
    pub(super) const fn outlived(facts: ProcessFacts) -> Self {
        let held = Held::Nobody;
        Self { facts, held }
    }

    /// Which it is, as far as that is known in this boot.
    pub(super) fn facts(&self) -> &ProcessFacts {
        match &self.held {
            Held::Here(_) | Held::Nobody => &self.facts,
            Held::Shim(shim) => shim.process().unwrap_or(&self.facts),
        }
    }

    /// The folder of its shim, where one holds it.
    pub(super) fn folder(&self) -> Option<&Path> {
        match &self.held {
            Held::Here(_) | Held::Nobody => None,
            Held::Shim(shim) => Some(shim.folder()),
        }
    }

    /// What happens to it next. Cancelled, nothing is lost.
    pub(super) async fn happens(&mut self, wants: Wants) -> Happening {
        match &mut self.held {
            Held::Here(here) => here.happens(wants).await,
            Held::Shim(shim) => shim.happens(wants.room).await,
            Held::Nobody => pending().await,
        }
    }

    /// Whether it lives on when this program ends, and how long its output may go on after its end is
    /// decided elsewhere.
    pub(super) const fn lives_on(&self) -> bool {
        match self.held {
            Held::Here(_) => false,
            Held::Shim(_) | Held::Nobody => true,
        }
    }

    /// Whether somebody holds its terminal, here or in a shim.
    pub(super) const fn is_held(&self) -> bool {
        match self.held {
            Held::Here(_) | Held::Shim(_) => true,
            Held::Nobody => false,
        }
    }

    /// Whether it is not known what becomes of it, since its shim is being looked for.
    pub(super) const fn is_out_of_sight(&self) -> bool {
        match &self.held {
            Held::Here(_) | Held::Nobody => false,
            Held::Shim(shim) => shim.is_looked_for(),
        }
    }

    /// Whether a shim holds it that is not known to be dead.
    pub(super) const fn may_have_a_shim(&self) -> bool {
        match &self.held {
            Held::Here(_) | Held::Nobody => false,
            Held::Shim(shim) => shim.may_live(),
        }
    }

    pub(super) fn has_terminal(&self) -> bool {
        match &self.held {
            Held::Here(here) => here.terminal().is_some(),
            Held::Shim(shim) => shim.has_terminal(),
            Held::Nobody => false,
        }
    }

    /// Sets its terminal's size; nothing without a terminal.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn resize(&mut self, size: TermSize) -> io::Result<()> {
        match &mut self.held {
            Held::Here(here) => here.terminal().map_or(Ok(()), |own| own.resize(size)),
            Held::Shim(shim) => {
                shim.resize(size);
                Ok(())
            }
            Held::Nobody => Ok(()),
        }
    }

    pub(super) fn secret_entry(&self) -> SecretEntry {
        match &self.held {
            Held::Nobody => SecretEntry::Never,
            _ if !self.has_terminal() => SecretEntry::Never,
            Held::Here(here) => {
                let secret = here.terminal().map_or(Ok(false), Terminal::secret_entry);
                SecretEntry::Known(secret)
            }
            Held::Shim(shim) => shim.typing().map_or(SecretEntry::Never, SecretEntry::Ask),
        }
    }

    /// Whether this program answers what it asks its terminal; a shim does so itself.
    pub(super) fn is_answered_here(&self) -> bool {
        matches!(self.held, Held::Here(_)) && self.has_terminal()
    }

    /// Answers one that is typed nothing else, while its terminal would not echo that.
    pub(super) fn answer(&self, reply: &[u8]) {
        if let Held::Here(here) = &self.held
            && let Some(Err(error)) = here.terminal().map(|own| own.answer(reply))
        {
            tracing::debug!(%error, "a query is not answered");
        }
    }

    /// It is being killed, or is no more: whatever keeps its output open after its end, a shim does
    /// not cut it meanwhile.
    pub(super) fn hold_output(&mut self, holds: bool) {
        if let Held::Shim(shim) = &mut self.held {
            shim.hold_output(holds);
        }
    }

    /// How much its spool may take.
    pub(super) fn set_spool_limit(&mut self, limit_bytes: u64) {
        if let Held::Shim(shim) = &mut self.held {
            shim.set_limit(limit_bytes);
        }
    }

    /// Its start is on record, and so much of its output.
    pub(super) fn recorded(&mut self, output_bytes: u64) {
        if let Held::Shim(shim) = &mut self.held {
            shim.recorded(output_bytes);
        }
    }

    /// All that it said of inputs is on record, as far as that is to be.
    pub(super) fn inputs_recorded(&mut self) {
        if let Held::Shim(shim) = &mut self.held {
            shim.inputs_recorded();
        }
    }

    /// Its session is over and on record: nothing is left of a shim after this.
    pub(super) async fn dismiss(self, on_the_way: &OnTheWay) {
        if let Held::Shim(shim) = self.held {
            shim.dismiss(on_the_way).await;
        }
    }
}
