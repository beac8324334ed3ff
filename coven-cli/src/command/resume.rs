//! `coven resume`.

mod key;
mod launch;
mod lost;
mod pick;
mod refused;

use coven_http::client::Client;
use coven_http::wire::SessionRecord;

use super::run::prompt;
use super::run::shown::{Shown, Wanted, both_are_terminals};
use super::several::Several;
use crate::config::{Age, Config};
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;
use crate::select;

use key::Continuations;
use lost::Lost;

/// Go on with the conversation of a session that has ended
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "coven resume [OPTIONS] <SESSION> [PROMPT]\n       \
                      coven resume --all [--since <AGE>] [--yes] [PROMPT]",
    after_help = "\
Examples:
  coven resume @last                      # its conversation, open again in a terminal
  coven resume 0199c0de \"now the tests\"    # and what to do next
  coven resume --all --since 1d           # what was lost since yesterday: choose

It is a new session, in the old one's project, with its harness, model, mode, title and labels, and
linked to it. Without a prompt one that was interactive is opened and waits for you; any other is
told \"continue\". - reads the prompt from stdin.
With --all, those that a later session has gone on with are left out; in a terminal it asks which,
elsewhere it only lists them unless --yes is given, and all that it resumes is left running.
The exit status is the harness's own; 124 when the session cannot be gone on with."
)]
pub(crate) struct Args {
    /// The session: its id, the start of it, or @last; and what its agent is to do next
    #[arg(num_args = 0..=2, value_names = ["SESSION", "PROMPT"])]
    words: Vec<String>,

    /// Those that were lost, as with a restart of the machine
    #[arg(long, conflicts_with = "detach")]
    all: bool,

    /// With --all: only those lost within this time, like 12h or 30d
    #[arg(long, value_name = "AGE", requires = "all")]
    since: Option<Age>,

    /// With --all: resume all of them, unasked
    #[arg(long, requires = "all")]
    yes: bool,

    /// Print the new session's id and leave it running
    #[arg(long, short)]
    detach: bool,

    /// Print its events as JSON, one object on a line; with --detach, its record; with --all, the list
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    match (args.all, args.words.as_slice()) {
        (false, [session]) => one(args, home, session, None).await,
        (false, [session, prompt]) => one(args, home, session, Some(prompt)).await,
        (true, []) => all(args, home, None).await,
        (true, [session]) if session == select::LAST => Err(Failure::usage(format!(
            "--all names the sessions, and {session} is no prompt; leave out one of the two"
        ))),
        (true, [prompt]) => all(args, home, Some(prompt)).await,
        (false, _) => Err(Failure::usage(
            "the session is missing; write: coven resume SESSION [\"what to do\"], or --all",
        )),
        (true, _) => Err(Failure::usage(
            "--all names the sessions; give it the prompt and no session",
        )),
    }
}

async fn one(
    args: &Args,
    home: &Home,
    word: &str,
    prompt: Option<&String>,
) -> Result<Exit, Failure> {
    let config = Config::load(home)?;
    let prompt = prompt.map(|word| prompt::read(word)).transpose()?;
    let look = async |client: &Client| {
        let session = select::session(client, word).await?;
        launch::check(&session)?;
        let key = Continuations::find(client).await?.key(&session);
        Ok((session, key))
    };
    let (_, (session, key)) = connect::ask(home, look).await?;
    let wanted = Wanted {
        detach: args.detach,
        json: args.json,
    };
    let shown = Shown::of(wanted, launch::mode(&session));
    let (client, record) = launch::resume(home, &session, prompt, shown, key).await?;
    shown
        .show(home, &client, &record, &config.detach_keys.value)
        .await
}

async fn all(args: &Args, home: &Home, prompt: Option<&String>) -> Result<Exit, Failure> {
    let prompt = prompt.map(|word| prompt::read(word)).transpose()?;
    let look = async |client: &Client| lost::find(client, args.since).await;
    let Some((_, mut lost)) = connect::ask_if_any(home, look).await? else {
        return nothing_to_resume(args, &[]);
    };
    tell_unknown(&lost.unknown);
    if lost.offered.is_empty() {
        return nothing_to_resume(args, &lost.unknown);
    }
    match (args.yes, args.json) {
        (true, _) => {}
        (false, true) => {
            output::json(&lost.offered)?;
            return Ok(Exit::Done);
        }
        (false, false) => {
            let name = async |client: &Client| select::short_ids(client, &lost.offered).await;
            let (_, ids) = connect::ask(home, name).await?;
            output::table(&lost::table(&lost.offered, ids))?;
            if !both_are_terminals() {
                output::complain(
                    "coven: nothing was resumed; --yes resumes all of them, `coven resume ID` one",
                );
                return Ok(Exit::Done);
            }
            lost.offered = pick::ask(lost.offered)?;
        }
    }
    Ok(resume_each(args, home, &lost, prompt).await)
}

async fn resume_each(args: &Args, home: &Home, lost: &Lost, prompt: Option<String>) -> Exit {
    let act = async |session: &SessionRecord| {
        // Whole: a list leaves out what the session was allowed to do.
        let look = async |client: &Client| Ok(client.session(&session.id).await?);
        let (_, session) = connect::ask(home, look).await?;
        launch::check(&session)?;
        let (prompt, key) = (prompt.clone(), lost.continuations.key(&session));
        let (_, record) = launch::resume(home, &session, prompt, Shown::Id, key).await?;
        if args.json {
            return Ok(output::json_line(&record)?.trim_end().to_owned());
        }
        Ok(format!("{} continues {}", record.id, session.id))
    };
    Several::of(&lost.offered).each(&lost.offered, act).await
}

/// Tells that there is none, but for those that cannot be resumed, which were told.
fn nothing_to_resume(args: &Args, unknown: &[SessionRecord]) -> Result<Exit, Failure> {
    if args.json && !args.yes {
        output::print("[]\n")?;
    } else if unknown.is_empty() {
        output::complain("coven: there is no lost session to go on with");
    } else {
        output::complain("coven: there is no other lost session, so none was resumed");
    }
    Ok(Exit::Done)
}

fn tell_unknown(sessions: &[SessionRecord]) {
    for session in sessions {
        output::complain(&format!(
            "coven: session {} was lost and cannot be resumed: what {} calls its conversation is not known",
            session.id, session.harness
        ));
    }
}
