//! `coven harnesses`.

use coven_http::wire::{Harness, Source};

use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::installed;
use crate::output::{self, Table};

/// List the harnesses there are, and whether they are installed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Installed means found on your PATH, which a launch from here brings along. Harnesses of your own
are declared in the home's harnesses/*.toml: docs/harnesses.md.")]
pub(crate) struct Args {
    /// As JSON: an array
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let client = connect::reach(home).await?;
    let harnesses = installed::looked_up_here(client.harnesses().await?);
    if args.json {
        output::json(&harnesses)?;
    } else {
        output::print(&table(&harnesses))?;
    }
    Ok(Exit::Done)
}

fn table(harnesses: &[Harness]) -> String {
    let mut table = Table::new(["ID", "NAME", "FROM", "PROGRAM"]);
    for harness in harnesses {
        let source = match harness.source {
            Source::Bundled => "coven",
            Source::Manifest => "manifest",
        };
        let program = harness.path.clone().unwrap_or_else(|| {
            format!(
                "{} is missing: {}",
                harness.executable, harness.install_hint
            )
        });
        table.row([
            harness.id.clone(),
            harness.label.clone(),
            source.to_owned(),
            program,
        ]);
    }
    table.to_string()
}
