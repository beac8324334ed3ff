//! What is wrong with a log that nobody has open, and what that costs: what cannot be read as it
//! is, and what is lost whatever is done.

use std::path::Path;

use crate::error::OpenError;
use crate::file::{self, OsDisk};
use crate::inspect::{self, Findings, Progress};
use crate::salvage::{self, Expected, SalvageError};

/// Looks at everything in the log at `path`, which nobody may have open, and tells all that is
/// wrong with it. Nothing is written. Blocks for reading it up to three times, and as often again
/// where something is wrong, to find out what a salvage would bring back; `progress` is told how far
/// that is. Takes some MiB of memory, and at most 20 for its sessions, however many there are; where
/// something is wrong as much as [`salvage`](crate::salvage()).
///
/// # Errors
/// [`OpenError::Locked`]: somebody has it open. [`OpenError::Foreign`], [`OpenError::Newer`]: it is
/// not a log that this version could read if it were whole. [`OpenError::Io`]: there is none, or a
/// file of it cannot be opened at all. [`OpenError::Unfinished`]: there is the beginning of one.
pub fn inspect(path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Findings, OpenError> {
    let mut findings = inspect::closed(&OsDisk, path, progress)?;
    if findings.is_whole() {
        return Ok(findings);
    }
    let expected = salvage::expect(&OsDisk, path, |seq| findings.has_seen(seq));
    take(
        &mut findings,
        expected.map_err(|error| reason(path, error))?,
    );
    Ok(findings)
}

/// Whether the log at `path`, which nobody should have open, can be opened, as far as that can be told
/// without looking at all of it. Others are not kept from opening it meanwhile: what they write may
/// be taken for damage. Blocks for reading a few pages, and what was not folded yet. Where it seems to be damaged,
/// it is opened to be read, which keeps others away for a moment and blocks for as long as that takes: what is
/// told is what whoever opens it is told.
///
/// # Errors
/// As [`Store::open_to_read`](crate::Store::open_to_read); none where there is no log.
pub fn glance(path: &Path) -> Result<(), OpenError> {
    inspect::glance(&OsDisk, path)
}

/// Whether a log was to be salvaged to `path` and is not there, since that did not come to its end. Blocks for a
/// few system calls.
pub fn is_unfinished(path: &Path) -> bool {
    file::refuse_unfinished(path).is_err()
}

fn take(findings: &mut Findings, expected: Expected) {
    let Expected {
        salvaged,
        unseen,
        refused,
    } = expected;
    findings.newest_is_lost = salvaged.newest_is_lost;
    findings.untied = salvaged.untied;
    findings.set_aside = salvaged.set_aside;
    for changed in salvaged.changed {
        if changed.lost_events != Some(0) || !changed.stand_ins.is_empty() {
            // Several that were deleted may have had one id.
            let lost = findings.lost.entry(changed.session).or_insert(Some(0));
            let more = changed.lost_events;
            *lost = lost.and_then(|lost| Some(lost + more?));
        }
    }
    for (session, count) in unseen {
        let known = findings.unreadable.entry(session).or_insert(Some(0));
        *known = known.map(|known| known + count);
    }
    for session in refused {
        findings.lose(&session);
    }
}

fn reason(path: &Path, error: SalvageError) -> OpenError {
    match error {
        SalvageError::Open(error) => error,
        // Nothing is written, so nothing else can be wrong.
        error => file::open_error(path, std::io::Error::other(error)),
    }
}
