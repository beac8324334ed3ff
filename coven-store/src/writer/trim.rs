//! Taking out of the journal what is folded.

use redb::{ReadTransaction, WriteTransaction};

use super::room::cost;
use super::{Chore, Writer};
use crate::database::guarded;
use crate::fault::{Fault, damage};
use crate::file::Claim;
use crate::journal::{self, Removed};
use crate::layout::{META, meta};
use crate::limits::TRIM_PARTS;
use crate::stored::Mark;

impl Writer {
    /// Takes some of what is folded out of the journal. Where that ends is what the cold file says: from the
    /// first of it on all of it may be gone.
    pub(super) fn trim(&self, txn: &WriteTransaction) -> Result<Removed, Fault> {
        let folded = self.tail.look().folded();
        let trimmed = journal::remove(txn, folded.position, TRIM_PARTS)?;
        if trimmed.parts > 0 {
            let mark = folded.seal(meta::TRIMMED);
            txn.open_table(META)?
                .insert(meta::TRIMMED, mark.as_slice())?;
        }
        Ok(trimmed)
    }

    /// The same with nothing to write along.
    pub(super) fn trim_alone(&mut self) {
        if self.state.trimming != Chore::Now || self.state.suspension.is_some() {
            return;
        }
        let claim = match self.lacks_reserve() {
            // It makes room, for what is folded next among others.
            true => Claim::Ending,
            false => Claim::None,
        };
        self.trim_with(claim);
    }

    /// The same while the disk is full: it makes room.
    pub(super) fn trim_while_suspended(&mut self) {
        if self.may_trim() {
            self.trim_with(Claim::Ending);
        }
    }

    pub(super) fn may_trim(&self) -> bool {
        self.state.trimming == Chore::Now && self.journal.is_writable()
    }

    fn trim_with(&mut self, claim: Claim) {
        if self.make_room(cost(0), claim).is_err() {
            self.state.trimming = Chore::Later;
            return;
        }
        let trimmed = guarded(|| {
            let txn = self.journal.database.begin_write()?;
            let trimmed = self.trim(&txn)?;
            if trimmed.parts > 0 {
                txn.commit()?;
            }
            Ok(trimmed)
        });
        match trimmed {
            Ok(trimmed) => {
                self.made_spare();
                if trimmed.is_all {
                    self.state.trimming = Chore::Done;
                    self.give_what_was_taken_out();
                }
            }
            Err(fault) => self.lose(&fault),
        }
    }

    /// Gives back what was taken out, where room is short: what is to be folded next may wait for it.
    fn give_what_was_taken_out(&mut self) {
        if self.state.has_given || !self.lacks_reserve() {
            return;
        }
        match self.give_back() {
            Ok(true) => self.state.has_given = true,
            Ok(false) => self.state.trimming = Chore::Later,
            // The journal is opened again, and it is tried then.
            Err(_) => {}
        }
    }
}

/// How far the journal is. Where its last group cannot be read, one of the marks that are `known` tells it.
pub(crate) fn journal_mark(txn: &ReadTransaction, known: &[Mark]) -> Result<Mark, Fault> {
    if let Some(last) = journal::last(txn, known)? {
        return Ok(last);
    }
    journal_trimmed(txn)
}

/// The position that it is at, whatever is in its last group.
pub(crate) fn journal_position(txn: &ReadTransaction) -> Result<u64, Fault> {
    match journal::last_position(txn)? {
        Some(last) => Ok(last),
        None => Ok(journal_trimmed(txn)?.position),
    }
}

/// How far the journal was emptied.
pub(crate) fn journal_trimmed(txn: &ReadTransaction) -> Result<Mark, Fault> {
    let table = txn.open_table(META)?;
    let row = table.get(meta::TRIMMED)?;
    let row = row.ok_or_else(|| damage("how far it was trimmed is missing"))?;
    Ok(Mark::unseal(row.value(), meta::TRIMMED)?)
}
