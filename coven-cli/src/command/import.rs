//! `coven import`.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use coven::{Actor, Arrival, Import, ImportError, Imported, Options, store};
use coven_http::export::{Malformed, Reader};

use crate::answers;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;

/// Bring a session back from an export, into a home that no daemon has open
#[derive(Debug, clap::Args)]
#[command(after_help = "\
All of it is brought in or nothing, whatever happens meanwhile. The home may be a new one; its daemon
must not run (`coven daemon stop`).")]
pub(crate) struct Args {
    /// A file that `coven export` wrote, or - for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// What the last event of a session that was live is asked for by.
const CLIENT_NAME: &str = concat!("coven-cli/", env!("CARGO_PKG_VERSION"), " import");

pub(crate) fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let imported = if args.file.as_os_str() == "-" {
        import(io::stdin().lock(), "stdin", home)?
    } else {
        let name = args.file.display().to_string();
        let file = File::open(&args.file)
            .map_err(|error| Failure::usage(format!("{name} cannot be read: {error}")))?;
        import(BufReader::with_capacity(BUFFER_BYTES, file), &name, home)?
    };
    let id = &imported.record.session.id;
    output::print(&format!("{id}\n"))?;
    if imported.arrival == Arrival::Orphaned {
        output::complain(&format!(
            "coven: session {id} was live when it was exported: it is on record as lost here"
        ));
    }
    Ok(Exit::Done)
}

/// What to do about a home that somebody has open.
const TO_IMPORT: &str = "stop its daemon first (`coven daemon stop`), whose sessions run on; what else has it, as an import, a salvage or \
                         a command with --offline, comes to its end";

/// Bytes of the file that are read at once.
const BUFFER_BYTES: usize = 256 << 10;

fn import(input: impl BufRead, name: &str, home: &Home) -> Result<Imported, Failure> {
    let malformed = |found: Malformed| malformed(&found, name);
    let mut reader = Reader::begin(input).map_err(malformed)?;
    home.check()?;
    let options = Options::at(home.dir());
    let session = reader.heading().session.clone();
    let mut import =
        Import::begin(&options, session).map_err(|error| refused(&error, home.dir()))?;
    while let Some(event) = reader.next_event().map_err(malformed)? {
        let pushed = import.push(&event);
        pushed.map_err(|error| unfit(&error, name, reader.line(), home.dir()))?;
    }
    if let Some(record) = import.record() {
        reader.check(record).map_err(malformed)?;
    }
    import
        .commit(ourselves())
        .map_err(|error| unfit(&error, name, reader.line(), home.dir()))
}

fn ourselves() -> Actor {
    Actor {
        uid: rustix::process::geteuid().as_raw(),
        pid: Some(std::process::id()),
        client: Some(CLIENT_NAME.to_owned()),
    }
}

fn malformed(found: &Malformed, name: &str) -> Failure {
    let exit = Exit::of_code(found.code());
    let message = format!("{name}, {found}; nothing was imported");
    Failure::new(exit, message)
}

/// What kept an event from being taken: it is not one that can be there, or the log failed.
fn unfit(error: &ImportError, name: &str, line: u64, home: &Path) -> Failure {
    match error {
        ImportError::Log(
            store::ImportError::Illegal(_)
            | store::ImportError::TooLarge { .. }
            | store::ImportError::Empty,
        ) => Failure::usage(format!(
            "{name}, line {line}: {error}; nothing was imported"
        )),
        error => refused(error, home),
    }
}

fn refused(error: &ImportError, home: &Path) -> Failure {
    match error {
        ImportError::Open(error) => answers::refused(error, home, TO_IMPORT),
        ImportError::Log(store::ImportError::Exists { session }) => Failure::new(
            Exit::Refused,
            format!(
                "there is a session {session} in {} already; `coven sacrifice` deletes it, if this \
                 one is to take its place",
                home.display()
            ),
        ),
        ImportError::Log(error @ store::ImportError::Unsettled { .. }) => Failure::failed(format!(
            "{error}; see whether it is listed by `coven --home {} sessions --all --offline`: if so, it was \
             imported; if not, import it again",
            home.display()
        )),
        error => Failure::failed(format!("{error}; nothing was imported")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_import_that_may_be_there_it_is_not_said_that_nothing_was_imported() {
        let reason = store::StorageFault::ReadOnly;
        let error = ImportError::Log(store::ImportError::Unsettled { reason });
        let said = refused(&error, Path::new("/home/someone/.coven")).to_string();
        assert!(said.contains("sessions --all --offline"), "{said}");
        assert!(!said.contains("nothing was imported"), "{said}");
        assert!(!said.contains("sacrifice"), "{said}");
    }
}
