//! `coven daemon logs`.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use coven_http::HomeWatch;
use serde::Serialize;

use crate::args::whole_number;
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
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 100, value_parser = whole_number::<usize>)]
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
    let mut stdout = Stdout::new();
    if !args.follow {
        let last = shown(args, last_lines(&end, args.lines))?;
        stdout.write(last.as_bytes()).await?;
        return Ok(Exit::Done);
    }
    let (whole, begun) = end.split_at(after_last_line(&end));
    let mut interrupts = Interrupts::listen()?;
    let told = async {
        let last = shown(args, last_lines(whole, args.lines))?;
        stdout.write(last.as_bytes()).await?;
        let mut growing = Growing::from(file, &path, begun).map_err(cannot)?;
        loop {
            let lines = growing.lines().map_err(cannot)?;
            stdout.write(shown(args, &lines)?.as_bytes()).await?;
            growing.watch.changed().await.map_err(cannot)?;
        }
    };
    match interrupts.during(told).await? {
        ControlFlow::Break(_) => Ok(Exit::Done),
        ControlFlow::Continue(never) => never,
    }
}

fn end_of(file: &mut File) -> io::Result<Vec<u8>> {
    let len_bytes = file.metadata()?.len();
    file.seek(SeekFrom::Start(len_bytes.saturating_sub(MOST_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn last_lines(bytes: &[u8], count: usize) -> &[u8] {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let len_bytes: usize = lines.rev().take(count).map(<[u8]>::len).sum();
    &bytes[bytes.len() - len_bytes..]
}

/// Where the line begins that is not written to its end yet.
fn after_last_line(bytes: &[u8]) -> usize {
    let last = bytes.iter().rposition(|byte| *byte == b'\n');
    last.map_or(0, |newline| newline + 1)
}

/// A log that is written to, and now and then put aside for a new one.
struct Growing<'a> {
    path: &'a Path,
    file: File,
    /// Wakes when there is more.
    watch: HomeWatch,
    /// A line's beginning.
    begun: Vec<u8>,
}

impl<'a> Growing<'a> {
    fn from(file: File, path: &'a Path, begun: &[u8]) -> io::Result<Self> {
        let watch = HomeWatch::open(path.parent().unwrap_or(path))?;
        watch.also_writes_to(path)?;
        Ok(Self {
            path,
            file,
            watch,
            begun: begun.to_vec(),
        })
    }

    /// The whole lines that came since the last call.
    fn lines(&mut self) -> io::Result<Vec<u8>> {
        // Asked first, so that all that was written to the old one is read.
        let is_put_aside = self.is_put_aside()?;
        self.file.read_to_end(&mut self.begun)?;
        if is_put_aside {
            self.watch.also_writes_to(self.path)?;
            self.file = open_log(self.path)?;
            self.file.read_to_end(&mut self.begun)?;
        }
        let rest = self.begun.split_off(after_last_line(&self.begun));
        Ok(std::mem::replace(&mut self.begun, rest))
    }

    fn is_put_aside(&self) -> io::Result<bool> {
        let ours = self.file.metadata()?.ino();
        // Between the old one and the new one there is none.
        let current = std::fs::symlink_metadata(self.path);
        Ok(current.is_ok_and(|current| current.ino() != ours))
    }
}

fn shown(args: &Args, lines: &[u8]) -> Result<String, Failure> {
    String::from_utf8_lossy(lines)
        .lines()
        .map(|line| {
            if args.json {
                return output::json_line(&Line { line });
            }
            let mut readable = Readable::new(Colours::Drop);
            Ok(readable.read(line.as_bytes()) + &readable.finish())
        })
        .collect()
}
