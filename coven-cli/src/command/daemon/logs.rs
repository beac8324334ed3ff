//! `coven daemon logs`.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::time::Duration;

use serde::Serialize;

use crate::daemon::open_log;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::Interrupts;
use crate::home::Home;
use crate::output::{self, Stdout};
use crate::text::{Colours, Readable};

/// Show its log
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many lines, the last ones
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 100)]
    lines: usize,
    /// Go on with what is logged from now on, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// As JSON, one object on a line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    line: &'a str,
}

/// Between two looks at the file.
const PAUSE: Duration = Duration::from_millis(200);

/// The most of the file's end that is looked through for the last lines.
const MOST_BYTES: u64 = 10 << 20;

pub(super) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let path = home.daemon_log();
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Failure::failed(format!(
            "there is no log at {}: no daemon has run in the background for this home",
            path.display()
        )),
        _ => Failure::failed(format!("{} cannot be read: {error}", path.display())),
    };
    let mut file = open_log(&path).map_err(cannot)?;
    let end = end_of(&mut file).map_err(cannot)?;
    let all: Vec<&str> = end.lines().collect();
    let last = shown(
        args,
        all[all.len().saturating_sub(args.lines)..].iter().copied(),
    )?;
    let mut stdout = Stdout::new();
    if !args.follow {
        stdout.write(last.as_bytes()).await?;
        return Ok(Exit::Done);
    }
    let mut interrupts = Interrupts::listen()?;
    let told = async {
        stdout.write(last.as_bytes()).await?;
        let mut rest = String::new();
        loop {
            tokio::time::sleep(PAUSE).await;
            read_more(&mut file, &path, &mut rest).map_err(cannot)?;
            if let Some(whole) = rest.rfind('\n') {
                let lines: String = rest.drain(..=whole).collect();
                stdout.write(shown(args, lines.lines())?.as_bytes()).await?;
            }
        }
    };
    match interrupts.during(told).await? {
        ControlFlow::Break(_) => Ok(Exit::Done),
        ControlFlow::Continue(never) => never,
    }
}

fn end_of(file: &mut File) -> io::Result<String> {
    let len_bytes = file.metadata()?.len();
    file.seek(SeekFrom::Start(len_bytes.saturating_sub(MOST_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads what came, and goes on with the new file when the old one was put aside.
fn read_more(file: &mut File, path: &std::path::Path, rest: &mut String) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let current = std::fs::symlink_metadata(path);
    if let Ok(current) = current
        && current.ino() != file.metadata()?.ino()
    {
        *file = open_log(path)?;
        file.read_to_end(&mut bytes)?;
    }
    rest.push_str(&String::from_utf8_lossy(&bytes));
    Ok(())
}

fn shown<'a>(args: &Args, lines: impl Iterator<Item = &'a str>) -> Result<String, Failure> {
    lines
        .map(|line| {
            if args.json {
                return output::json_line(&Line { line });
            }
            let mut readable = Readable::new(Colours::Drop);
            Ok(readable.read(line.as_bytes()) + &readable.finish())
        })
        .collect()
}
