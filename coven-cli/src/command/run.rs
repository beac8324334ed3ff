//! `coven run`.

mod conversation;
pub(super) mod place;
pub(super) mod prompt;
mod refused;
pub(super) mod shown;
mod which_harness;

use std::cell::OnceCell;
use std::collections::BTreeMap;

use clap::ValueEnum;
use coven_http::client::Client;
use coven_http::wire::{LaunchBody, LaunchMode, SessionRecord};

use super::launching;
use crate::config::{Config, Origin, Setting};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::once;

use conversation::Thread;
use place::Place;
use shown::{Shown, Wanted, both_are_terminals, terminal_size};

/// Launch a session and follow it
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "coven run [OPTIONS] [HARNESS] <PROMPT>",
    after_help = "\
Examples:
  coven run codex \"fix the failing tests\"
  coven run --harness codex --project ~/code/example --title \"fix tests\" \"fix the failing tests\"
  git diff | coven run claude -
  id=$(coven run --detach codex \"write the docs\")

In a terminal the session is live: Ctrl-\\ then d leaves it running, Ctrl-Z suspends the view.
Otherwise its output goes to stdout, and Ctrl-C leaves it running.
The exit status is the harness's own; 120 detached, 121 lost, 122 no daemon, 125 not started."
)]
pub(crate) struct Args {
    /// The harness, and what it is to do; - reads that from stdin
    #[arg(num_args = 1..=2, value_names = ["HARNESS", "PROMPT"])]
    words: Vec<String>,

    /// The harness [env: COVEN_HARNESS] [default: the continued session's, else config, else the only one installed]
    #[arg(long, value_name = "ID")]
    harness: Option<String>,

    /// The project's root [default: the continued session's, else the nearest directory upwards with .git, else this one]
    #[arg(long, value_name = "DIR")]
    project: Option<String>,

    /// Where it runs, within the project [default: here, else the project's root]
    #[arg(long, value_name = "DIR")]
    cwd: Option<String>,

    /// What to call it [default: the prompt's first line]
    #[arg(long)]
    title: Option<String>,

    /// The model, as the harness names it
    #[arg(long)]
    model: Option<String>,

    /// How it is wired [default: interactive if stdin and stdout are terminals, else noninteractive]
    #[arg(long, value_enum)]
    mode: Option<Mode>,

    /// A label; may be repeated
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,

    /// Begin the harness's conversation under this id
    #[arg(long, value_name = "ID", conflicts_with = "continue_with")]
    conversation: Option<String>,

    /// Go on with the conversation of this session, or with the conversation of this id
    #[arg(long = "continue", value_name = "SESSION")]
    continue_with: Option<String>,

    /// Print the session's id and leave it running
    #[arg(long, short)]
    detach: bool,

    /// The terminal's size [default: this terminal's, else 80x24]
    #[arg(long, value_name = "COLSxROWS", value_parser = size, allow_hyphen_values = true)]
    size: Option<(i64, i64)>,

    /// Print its events as JSON, one object on a line; with --detach, its record
    #[arg(long)]
    json: bool,
}

/// How a session is wired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// A terminal to drive it in
    Interactive,
    /// It does its task and ends
    #[value(alias = "nonInteractive", alias = "non-interactive")]
    Noninteractive,
    /// JSON lines over pipes, where the harness has that
    Stream,
}

pub(crate) async fn run(args: Args, home: &Home) -> Result<Exit, Failure> {
    let config = Config::load(home)?;
    let (named, prompt) = words(&args, &config)?;
    if named.value.is_none() {
        prompt::is_no_harness(&prompt)?;
    }
    // Looked at before stdin is read to its end: a terminal there says how to wire it.
    let mode = args.mode.unwrap_or_else(|| mode_for(&args));
    let wanted = Wanted {
        detach: args.detach,
        json: args.json,
    };
    let shown = Shown::of(wanted, mode.on_the_wire());
    let asked = Asked {
        body: OnceCell::new(),
        prompt: prompt::read(&prompt)?,
        place: place::find(args.project.as_deref(), args.cwd.as_deref())?,
        args,
        mode,
        named,
    };
    let new_key = || once::new_key("run");
    let ask = async |client: &Client, key: &str| asked.launch(client, key).await;
    let (client, record) = launching::launch(home, new_key(), |_| new_key(), ask).await?;
    shown
        .show(home, &client, &record, &config.detach_keys.value)
        .await
}

/// A launch as it was asked for.
struct Asked {
    /// It, once that is settled: what is asked for again is the same.
    body: OnceCell<LaunchBody>,
    args: Args,
    mode: Mode,
    /// The harness.
    named: Setting<Option<String>>,
    prompt: String,
    /// Where, unless it goes on with a session that ran elsewhere.
    place: Place,
}

impl Asked {
    async fn launch(&self, client: &Client, key: &str) -> Result<SessionRecord, Failure> {
        let body = match self.body.get() {
            Some(body) => body,
            None => {
                let body = self.choose(client).await?;
                self.body.get_or_init(|| body)
            }
        };
        let launched = client.launch_once(body, key).await;
        launched.map_err(|error| {
            let harness = body.harness.as_deref().unwrap_or_default();
            refused::why(error, harness, &self.named)
        })
    }

    /// What is to be launched.
    async fn choose(&self, client: &Client) -> Result<LaunchBody, Failure> {
        let args = &self.args;
        let (begin, go_on) = (args.conversation.as_deref(), args.continue_with.as_deref());
        let thread = conversation::choose(client, begin, go_on).await?;
        let harness = match &thread {
            Thread::Of(session) => which_harness::of(session, &self.named)?,
            Thread::New | Thread::Named(_) => which_harness::choose(client, &self.named).await?,
        };
        let place = match &thread {
            // Some harnesses know a conversation only where it was begun.
            Thread::Of(session) if args.project.is_none() && args.cwd.is_none() => {
                place::of(session)
            }
            Thread::Of(_) | Thread::New | Thread::Named(_) => self.place.clone(),
        };
        let (conversation, continues) = match thread {
            Thread::New => (None, None),
            Thread::Named(conversation) => (Some(conversation), None),
            Thread::Of(session) => (None, Some(session.id)),
        };
        let size = args.size.or_else(terminal_size);
        Ok(LaunchBody {
            project_root: Some(place.project),
            cwd: Some(place.cwd),
            harness: Some(harness),
            prompt: Some(self.prompt.clone()),
            title: args.title.clone(),
            model: args.model.clone(),
            launch_mode: Some(self.mode.on_the_wire().as_str().to_owned()),
            conversation,
            continues,
            labels: (!args.labels.is_empty()).then(|| args.labels.clone()),
            env: Some(environment()),
            cols: size.map(|size| size.0),
            rows: size.map(|size| size.1),
            ..LaunchBody::default()
        })
    }
}

impl Mode {
    const fn on_the_wire(self) -> LaunchMode {
        match self {
            Self::Interactive => LaunchMode::Interactive,
            Self::Noninteractive => LaunchMode::NonInteractive,
            Self::Stream => LaunchMode::Stream,
        }
    }
}

/// Which words were given: the harness asked for, if any, and the prompt.
fn words(args: &Args, config: &Config) -> Result<(Setting<Option<String>>, String), Failure> {
    let named = |value: &String, flag| Setting {
        value: Some(value.clone()),
        origin: Origin::Flag { flag },
    };
    match (args.words.as_slice(), &args.harness) {
        ([prompt], Some(harness)) => Ok((named(harness, "--harness"), prompt.clone())),
        ([prompt], None) => Ok((config.harness.clone(), prompt.clone())),
        ([harness, prompt], None) => Ok((named(harness, "HARNESS"), prompt.clone())),
        ([first, ..], Some(harness)) => Err(Failure::usage(format!(
            "both {first:?} and --harness {harness} name a harness; give one, and the prompt in quotes"
        ))),
        _ => Err(Failure::usage(
            "the prompt is missing; write: coven run [HARNESS] \"what to do\", or - to read it from stdin",
        )),
    }
}

fn mode_for(args: &Args) -> Mode {
    // JSON is for a program, and a program does not sit at a terminal.
    if both_are_terminals() && !args.json {
        Mode::Interactive
    } else {
        Mode::Noninteractive
    }
}

fn size(text: &str) -> Result<(i64, i64), String> {
    let parse = |number: &str| number.parse().ok();
    text.split_once(['x', 'X', '×'])
        .and_then(|(cols, rows)| Some((parse(cols)?, parse(rows)?)))
        .ok_or_else(|| "write it like 120x40".to_owned())
}

/// The caller's environment, as far as it is text: the agent gets what they have.
pub(super) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_columns_x_rows() {
        assert_eq!(size("120x40"), Ok((120, 40)));
        for text in ["", "120", "x", "120x", "ax40"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
