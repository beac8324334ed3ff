//! `coven prune`.

use std::cell::Cell;
use std::time::Duration;

use coven_http::client::{Client, Error};
use coven_http::wire::{PruneBody, Pruned};

use crate::config::{Age, Size};
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{self, Table};

/// Let the oldest output go that is over a budget
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without budgets, those of [retention] in config.toml hold. Only output goes, the oldest first: what
was typed, and all else that happened, stays. The room is used again by what comes or, where it is much,
given back to the file system within seconds: `du` says how much the log takes, the length of its
file stays.

Sizes are bytes, or like 500MB and 2GiB; ages like 12h and 30d.")]
pub(crate) struct Args {
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    /// How much output a session keeps at most
    #[arg(long, value_name = "SIZE")]
    session_bytes: Option<Size>,
    /// How much output all sessions keep together at most; those that ended longest ago lose theirs first
    #[arg(long, value_name = "SIZE")]
    total_bytes: Option<Size>,
    /// How old output may be
    #[arg(long, value_name = "AGE")]
    max_age: Option<Age>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// All that goes is read once, and that may be all of a disk.
const TIMEOUT: Duration = Duration::from_secs(24 * 3600);

pub(crate) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let body = PruneBody {
        dry_run: args.dry_run,
        session_bytes: args.session_bytes.map(|Size(bytes)| bytes),
        total_bytes: args.total_bytes.map(|Size(bytes)| bytes),
        max_age: args.max_age.map(|Age(seconds)| seconds),
    };
    let was_cut_short = Cell::new(false);
    let ask = async |client: &Client| {
        let pruned = client.clone().timeout(TIMEOUT).prune(&body).await;
        if let Err(Error::Broken { .. }) = &pruned {
            was_cut_short.set(true);
        }
        Ok(pruned?)
    };
    let (_, pruned) = connect::ask(home, ask).await?;
    if args.json {
        output::json(&pruned)?;
    } else {
        tell(&pruned)?;
    }
    if was_cut_short.get() && !args.dry_run {
        output::complain(
            "coven: the daemon ended while it pruned, and the next went on: what the first let go of is gone \
             and not counted here",
        );
    }
    tell_unread(&pruned);
    for session in &pruned.failed {
        output::complain(&format!(
            "coven: {} keeps more than it should: {}",
            session.id,
            crate::text::one_line(&session.message)
        ));
    }
    Ok(if pruned.failed.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// What could not be read goes all the same: who asked is told that the log is damaged.
fn tell_unread(pruned: &Pruned) {
    let word = if pruned.dry_run { "would go" } else { "went" };
    for session in &pruned.sessions {
        let bytes: u64 = session.unread.iter().map(|it| it.bytes).sum();
        if bytes > 0 {
            output::complain(&format!(
                "coven: {}: {bytes} bytes of what {word} cannot be read: the log is damaged there, see \
                 `coven doctor --store`",
                session.id,
            ));
        }
    }
}

fn tell(pruned: &Pruned) -> Result<(), Failure> {
    let Pruned {
        session_bytes: None,
        total_bytes: None,
        max_age: None,
        ..
    } = pruned
    else {
        return tell_sessions(pruned);
    };
    Err(Failure::usage(
        "there is no budget, so all output is kept; give --session-bytes, --total-bytes or --max-age, \
         or set them in [retention] of config.toml and restart the daemon",
    ))
}

fn tell_sessions(pruned: &Pruned) -> Result<(), Failure> {
    let word = if pruned.dry_run { "would go" } else { "went" };
    if !pruned.sessions.is_empty() {
        let mut table = Table::new(["ID", "GOES", "STAYS", "TITLE"]);
        for session in &pruned.sessions {
            table.row([
                session.id.clone(),
                Size(session.bytes).rounded(),
                Size(session.kept_bytes).rounded(),
                session.title.clone(),
            ]);
        }
        output::table(&table)?;
    }
    let sessions = match pruned.sessions.len() {
        1 => "1 session".to_owned(),
        count => format!("{count} sessions"),
    };
    let freed = Size(pruned.freed_bytes).rounded();
    output::print(&format!("{freed} of output of {sessions} {word}\n"))
}
