//! `coven input`.

use std::io::{self, Read};

use coven::limits::MAX_INPUT_BYTES;
use coven_http::client::Client;

use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::once;
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
    let look = async |client: &Client| select::session(client, &args.session).await;
    let (_, session) = connect::ask(home, look).await?;
    let id = &session.id;
    let text = if args.text == "-" {
        from_stdin()?
    } else {
        args.text.clone()
    };
    // It is typed once, also where a daemon dies of it.
    let key = once::new_key("input");
    let sending = async |client: &Client| {
        let taken = if args.raw {
            client.input_once(id, &text, &key).await
        } else {
            let text = without_line_end(&text);
            client.submit_once(id, text, &key).await
        };
        taken.map_err(Failure::from)
    };
    let taken = connect::ask_running(home, sending).await;
    let can_go_on = session.ended_at.is_some() && !session.external;
    match taken {
        Ok((_, ())) => Ok(Exit::Done),
        Err(failure) if can_go_on => Err(Failure::new(
            failure.exit(),
            format!(
                "{failure}; `coven run --continue {id}` goes on with its conversation, if it has one"
            ),
        )),
        Err(failure) => Err(failure),
    }
}

fn from_stdin() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let limit = MAX_INPUT_BYTES as u64 + 1;
    io::stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::failed(format!("stdin cannot be read: {error}")))?;
    if bytes.len() > MAX_INPUT_BYTES {
        return Err(Failure::usage(format!(
            "the input on stdin is over {MAX_INPUT_BYTES} bytes; send it in pieces"
        )));
    }
    String::from_utf8(bytes)
        .map_err(|_| Failure::usage("the input on stdin is not UTF-8; give it as text"))
}

/// What `echo` and files end with is no part of a prompt: Enter is pressed anyway.
fn without_line_end(text: &str) -> &str {
    text.strip_suffix('\n')
        .map_or(text, |text| text.strip_suffix('\r').unwrap_or(text))
}
