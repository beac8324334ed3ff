//! Deciding: a command and a session give events and effects, or a refusal.
//!
//! Pure and total. One file for each command people give, one for what is observed.

mod complete;
mod edit;
mod input;
mod kill;
mod launch;
mod observe;
mod output_cut;
mod resize;
mod rituals;
mod trim;

pub use launch::{Registration, launch, register};
pub use output_cut::{incomplete_char, output_cut};

use crate::{Command, Decision, Phase, Refusal, Session};

/// What follows from `command` for `session`. Every event of the decision folds into the session
/// ([`Session::evolve`]) in order.
///
/// # Errors
/// A [`Refusal`]: nothing may be written or done.
pub fn decide(session: &Session, command: Command) -> Result<Decision, Refusal> {
    match command {
        Command::Input { data, echo, id } => input::decide(session, data, echo, id),
        Command::Resize { size } => resize::decide(session, size),
        Command::Kill => kill::decide(session),
        Command::Archive => rituals::archive(session),
        Command::Summon => rituals::summon(session),
        Command::Delete => rituals::delete(session),
        Command::Edit { title, labels } => edit::decide(session, title, labels),
        Command::Trim {
            offset,
            len_bytes,
            sha256,
        } => trim::decide(session, offset, len_bytes, sha256),
        Command::Complete { exit_code } => complete::decide(session, exit_code),
        Command::RecordStart {
            process,
            executable,
            argv,
        } => observe::start(session, process, executable, argv),
        Command::RecordLaunchFailure { reason, cause } => {
            observe::launch_failure(session, reason, cause)
        }
        Command::RecordIdentity { conversation } => observe::identity(session, conversation),
        Command::RecordOutput { channel, data } => observe::output(session, channel, data),
        Command::RecordUndelivered {
            id,
            len_bytes,
            written_bytes,
        } => observe::undelivered(session, id, len_bytes, written_bytes),
        Command::RecordOutputEnd { end } => observe::output_end(session, end),
        Command::RecordExit { exit } => observe::exit(session, exit),
        Command::RecordDeath => observe::death(session),
        Command::RecordLoss { reason } => observe::loss(session, reason),
    }
}

/// Why a session that does not run takes no command for its process.
fn not_live(session: &Session) -> Refusal {
    match session.phase {
        Phase::Deleted => not_found(session),
        Phase::Created
        | Phase::Cancelled
        | Phase::Running { .. }
        | Phase::Dying { .. }
        | Phase::Ended { .. }
        | Phase::Orphaned { .. }
        | Phase::Elsewhere => Refusal::NotLive {
            session: session.id.clone(),
            status: session.status(),
        },
    }
}

fn not_found(session: &Session) -> Refusal {
    Refusal::NotFound {
        session: session.id.clone(),
    }
}
