//! `coven attach`.

use std::io::{self, IsTerminal};

use coven_http::client::Client;
use coven_http::wire::LaunchMode;

use crate::config::Config;
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;
use crate::{ending, live, select};

/// Show a session's terminal, live
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Ctrl-\\ then d detaches, Ctrl-Z suspends the view; either leaves the session running. Ctrl-\\ twice
sends one Ctrl-\\, and Ctrl-\\ Ctrl-Z one Ctrl-Z. All other keys go to the agent.
The exit status is the harness's own when it ends meanwhile, and 120 after a detach.")]
pub(crate) struct Args {
    /// Its id, the start of it, or @last
    session: String,
}

pub(crate) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err(Failure::usage(format!(
            "attach needs a terminal on stdin and stdout; use `coven log --follow {}` here",
            args.session
        )));
    }
    let config = Config::load(home)?;
    let look = async |client: &Client| select::session(client, &args.session).await;
    let (client, record) = connect::ask(home, look).await?;
    let keys = &config.detach_keys.value;
    let input = match record.launch_mode {
        Some(LaunchMode::Interactive) | None => "",
        Some(LaunchMode::NonInteractive | LaunchMode::Stream) => " takes no keys",
    };
    output::tell(&format!(
        "coven: session {}{input}; {keys} detaches",
        record.id
    ));
    ending::tell_out_of_reach(&record);
    live::show(home, &client, &record.id, keys).await
}
