//! `coven completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Print completions for a shell, on stdout
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Install:
  bash   coven completions bash > ~/.local/share/bash-completion/completions/coven
  zsh    coven completions zsh > \"${fpath[1]}/_coven\"
  fish   coven completions fish > ~/.config/fish/completions/coven.fish")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    let mut command = crate::args::Args::command();
    clap_complete::generate(args.shell, &mut command, "coven", &mut script);
    output::bytes(&script)?;
    Ok(Exit::Done)
}
