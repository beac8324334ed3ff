//! `coven harnesses`.

use coven::Registry;
use coven_http::client::Client;
use coven_http::wire::{Harness, Source};

use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::installed;
use crate::output::{self, Table};
use crate::text::one_line;

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
    let ask = async |client: &Client| Ok(client.harnesses().await?);
    let known = connect::ask_serving(home, ask).await?;
    let registry = Registry::load(&home.harnesses());
    // Where no daemon says it: the next one will know these.
    let known = known.unwrap_or_else(|| declared(&registry));
    let harnesses = installed::looked_up_here(known);
    if args.json {
        output::json(&harnesses)?;
    } else {
        output::print(&table(&harnesses))?;
    }
    for bad in registry.bad_manifests() {
        output::complain(&format!(
            "coven: a manifest is passed over until it is mended: {}",
            one_line(&bad.to_string())
        ));
    }
    Ok(Exit::Done)
}

/// Coven's own, and those of the home's manifests.
fn declared(registry: &Registry) -> Vec<Harness> {
    registry
        .iter()
        .map(|harness| harness.about())
        .map(|about| Harness {
            id: about.id.to_string(),
            label: about.label.clone(),
            executable: about.executable.clone(),
            available: false,
            path: None,
            version: None,
            install_hint: about.install_hint.clone(),
            source: match about.source {
                coven::Source::Bundled => Source::Bundled,
                coven::Source::Manifest => Source::Manifest,
            },
        })
        .collect()
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
