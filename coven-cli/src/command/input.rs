//! `coven input`.

use std::io::{self, Read};

use coven::limits::MAX_INPUT_BYTES;

use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::select;

/// Type a prompt into a running session and submit it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It is typed the way the session's harness takes a prompt, and then submitted. --raw sends exactly
the bytes given and nothing more: coven input --raw @last $'\\e' presses Escape.")]
pub(crate) struct Args {
    /// Its id, the start of it, or @last
    session: String,
    /// What to type; - reads it from stdin
    #[arg(allow_hyphen_values = true)]
    text: String,
    /// Send the bytes as they are, without submitting
    #[arg(long)]
    raw: bool,
}

pub(crate) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let client = connect::reach(home).await?;
    let id = select::session(&client, &args.session).await?.id;
    let text = if args.text == "-" {
        from_stdin()?
    } else {
        args.text.clone()
    };
    if args.raw {
        client.input(&id, &text).await?;
    } else {
        client.submit(&id, &text).await?;
    }
    Ok(Exit::Done)
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    // One more than may be sent: the daemon then says that it is too long.
    let limit = MAX_INPUT_BYTES as u64 + 1;
    io::stdin()
        .lock()
        .take(limit)
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage(format!("stdin cannot be used as input: {error}")))?;
    Ok(text)
}
