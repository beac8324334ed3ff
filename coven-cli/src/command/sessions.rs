//! `coven sessions`.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use coven_http::client::{Client, SessionsQuery};
use coven_http::wire::{SessionRecord, Status};

use crate::answers;
use crate::args::whole_number;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{self, Table};
use crate::select;
use crate::unrecorded::{self, unrecorded};

/// List sessions, newest first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Archived ones too
    #[arg(short, long)]
    all: bool,
    /// Only those that stand like this
    #[arg(long, value_enum)]
    status: Option<StatusWord>,
    /// Only those of this harness
    #[arg(long, value_name = "ID")]
    harness: Option<String>,
    /// Only those of the project with this root
    #[arg(long, value_name = "DIR")]
    project: Option<std::path::PathBuf>,
    /// At most how many
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = whole_number::<usize>)]
    limit: Option<usize>,
    /// As JSON: an array of records
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    answers: answers::Args,
}

/// A status, as the command line spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StatusWord {
    /// Accepted; nothing runs yet
    Created,
    /// Its process runs
    Running,
    /// It exited with 0 and its conversation can go on
    Idle,
    /// It exited with 0
    Completed,
    /// It exited with another status, or never ran
    Failed,
    /// It was killed
    Killed,
    /// It was lost
    Orphaned,
}

/// Sessions asked for at once.
const PAGE: usize = 500;

pub(crate) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let look = async |client: &Client| {
        let found = matching(client, args).await?;
        let ids = if args.json || found.sessions.is_empty() {
            Vec::new()
        } else {
            select::short_ids(client, &found.sessions).await?
        };
        Ok((found, ids))
    };
    let answered = args.answers.source().ask_if_any(home, look).await?;
    let answerer = answered
        .as_ref()
        .map(|(answerer, _)| answerer.client().clone());
    let is_known = answered.is_some();
    let (found, ids) = answered.map(|(_, answer)| answer).unwrap_or_default();
    let Found { sessions, damaged } = found;
    if let Some(client) = answerer
        && !args.picks_some()
    {
        tell_unrecorded(home, &client, &sessions).await;
    }
    if damaged > 0 {
        let are = if damaged == 1 {
            "session is"
        } else {
            "sessions are"
        };
        output::complain(&format!(
            "coven: {damaged} {are} damaged and left out; `coven doctor --store` tells more"
        ));
    }
    if args.json {
        output::json(&sessions)?;
        return Ok(Exit::Done);
    }
    if !sessions.is_empty() {
        output::table(&table(&sessions, ids))?;
    } else if is_known && damaged == 0 && args.is_choosy() {
        output::complain("coven: no such sessions; `coven sessions --all` lists all there are");
    } else if damaged == 0 {
        output::complain("coven: no sessions yet; start one with `coven run`");
    }
    Ok(Exit::Done)
}

impl Args {
    /// Whether there may be sessions that it leaves out.
    const fn is_choosy(&self) -> bool {
        !self.all || self.picks_some()
    }

    /// Whether it asks for some of those that are not archived.
    const fn picks_some(&self) -> bool {
        self.status.is_some()
            || self.harness.is_some()
            || self.project.is_some()
            || self.limit.is_some()
    }
}

/// Says on stderr who runs and is not in the list, as it is of no session on record.
async fn tell_unrecorded(home: &Home, client: &Client, sessions: &[SessionRecord]) {
    let listed = |id: &str| sessions.iter().any(|session| session.id == id);
    match unrecorded(home, client, listed).await {
        Ok(found) if found.is_empty() => {}
        Ok(found) => output::complain(&format!(
            "coven: agents of no session on record run: {}; `coven doctor` tells what to do",
            unrecorded::named(&found)
        )),
        // `coven doctor` says it.
        Err(_) => {}
    }
}

/// What a look through the list came to.
#[derive(Default)]
struct Found {
    sessions: Vec<SessionRecord>,
    /// How many could not be read.
    damaged: usize,
}

async fn matching(client: &Client, args: &Args) -> Result<Found, Failure> {
    let limit = args.limit.unwrap_or(usize::MAX);
    let project = args.project.as_deref().map(root).transpose()?;
    let fits = |session: &SessionRecord| {
        let status = args
            .status
            .is_none_or(|word| word.status() == session.status);
        let harness = args
            .harness
            .as_ref()
            .is_none_or(|id| *id == session.harness);
        let project = project
            .as_ref()
            .is_none_or(|root| *root == session.project_root);
        status && harness && project
    };
    let mut found = Found::default();
    let mut query = SessionsQuery {
        limit: Some(limit.clamp(1, PAGE)),
        cursor: None,
        include_archived: args.all,
    };
    while found.sessions.len() < limit {
        let page = client.sessions_page(&query).await?;
        found.damaged += page.damaged;
        found
            .sessions
            .extend(page.sessions.into_iter().filter(fits));
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    found.sessions.truncate(limit);
    Ok(found)
}

/// A root as records have it: canonical. A directory that is gone may still have sessions.
fn root(path: &std::path::Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(path)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    let root = absolute.canonicalize().unwrap_or(absolute);
    Ok(root.display().to_string())
}

/// Sessions as a table, each called by its name in `ids`.
pub(super) fn table(sessions: &[SessionRecord], ids: Vec<String>) -> Table<6> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
        });
    let mut table = Table::new(["ID", "STATUS", "HARNESS", "AGE", "PROJECT", "TITLE"]);
    for (session, id) in sessions.iter().zip(ids) {
        let archived = if session.archived_at.is_some() {
            " (archived)"
        } else {
            ""
        };
        let project = std::path::Path::new(&session.project_root);
        let name = project.file_name().unwrap_or(project.as_os_str());
        table.row([
            id,
            format!("{}{archived}", session.status),
            session.harness.clone(),
            output::age(session.created_at.timestamp().as_nanos(), now),
            name.to_string_lossy().into_owned(),
            session.title.clone(),
        ]);
    }
    table
}

impl StatusWord {
    const fn status(self) -> Status {
        match self {
            Self::Created => Status::Created,
            Self::Running => Status::Running,
            Self::Idle => Status::Idle,
            Self::Completed => Status::Completed,
            Self::Failed => Status::Failed,
            Self::Killed => Status::Killed,
            Self::Orphaned => Status::Orphaned,
        }
    }
}
