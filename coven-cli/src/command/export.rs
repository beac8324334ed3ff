//! `coven export`.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use coven_http::client::{Client, EventsQuery, Output};
use coven_http::wire::SessionRecord;

use crate::answers;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::Stdout;
use crate::select;

/// Write a session as lines of JSON that anything can read
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The format is told in docs/export-format.md. An exact export holds all that the agent wrote and was
told, secrets among it; `coven import` brings it back identical.")]
pub(crate) struct Args {
    /// Its id, the start of it, or @last
    session: String,
    /// As JSON Lines; there is no other format
    #[arg(long)]
    jsonl: bool,
    /// Into a new file, for its owner alone, rather than to stdout (which is `-`)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// For sharing: secrets hidden as far as they can be told; it cannot be imported
    #[arg(long)]
    redact: bool,
    #[command(flatten)]
    answers: answers::Args,
}

pub(crate) async fn run(args: &Args, home: &Home) -> Result<Exit, Failure> {
    let source = args.answers.source();
    let file = args.output.as_ref().filter(|path| path.as_os_str() != "-");
    match file {
        None => {
            let (answerer, (session, lines)) = source
                .ask(home, async |client| begin(client, args).await)
                .await?;
            source.tell_what_waits(home, &session);
            let mut is_begun = false;
            match to_stdout(lines, &mut is_begun).await {
                Err(failure) if failure.is_unheard() => {
                    let why = why_it_ended(answerer.client(), &session).await;
                    let failure = why.unwrap_or(failure);
                    return Err(if is_begun {
                        failure.and("what was written is not a whole export")
                    } else {
                        failure
                    });
                }
                written => written?,
            }
        }
        Some(path) => {
            // A file is begun anew with the next daemon.
            let write = async |client: &Client| {
                let (session, lines) = begin(client, args).await?;
                source.tell_what_waits(home, &session);
                match to_file(lines, path).await {
                    Err(failure) if failure.is_unheard() => {
                        Err(why(client, &session.id).await.unwrap_or(failure))
                    }
                    written => written,
                }
            };
            source.ask(home, write).await?;
        }
    }
    Ok(Exit::Done)
}

/// The session, and the beginning of its export.
async fn begin(client: &Client, args: &Args) -> Result<(SessionRecord, Output), Failure> {
    let session = select::session(client, &args.session).await?;
    let id = &session.id;
    let lines = if args.redact {
        client.export_redacted(id).await
    } else {
        client.export(id).await
    };
    match lines.map_err(Failure::from) {
        Err(failure) if failure.is_unheard() => Err(why(client, id).await.unwrap_or(failure)),
        lines => Ok((session, lines?)),
    }
}

/// Why an export broke off, if that is because the session cannot be read: an answer that was begun
/// cannot say it.
async fn why(client: &Client, id: &str) -> Option<Failure> {
    let mut query = EventsQuery {
        after_seq: None,
        limit: Some(1000),
    };
    loop {
        match client.events(id, query).await {
            Ok(page) if page.has_more => query.after_seq = Some(page.next_cursor?.after_seq),
            Ok(_) => return None,
            Err(error) => return error.code().map(|_| error.into()),
        }
    }
}

/// The same of one that cannot be begun anew: or because output that it was to have was let go of meanwhile.
async fn why_it_ended(client: &Client, begun: &SessionRecord) -> Option<Failure> {
    let why = why(client, &begun.id).await;
    if why.is_some() {
        return why;
    }
    let now = client.session(&begun.id).await.ok()?;
    (now.trimmed_bytes > begun.trimmed_bytes).then(|| {
        Failure::failed(format!(
            "output of session {} was let go of while it was exported (by `coven prune`, or a budget of \
             retention): export it again, or with -o FILE, which begins anew by itself",
            begun.id
        ))
    })
}

/// `is_begun` tells whether anything was written, whatever comes of it.
async fn to_stdout(mut lines: Output, is_begun: &mut bool) -> Result<(), Failure> {
    let mut stdout = Stdout::new();
    while let Some(bytes) = lines.next().await? {
        *is_begun = true;
        stdout.write(&bytes).await?;
    }
    Ok(())
}

/// A file that could not be written whole is not left there.
async fn to_file(lines: Output, path: &Path) -> Result<(), Failure> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| unwritable(path, &error))?;
    let written = write(lines, file, path).await;
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

async fn write(mut lines: Output, mut file: File, path: &Path) -> Result<(), Failure> {
    while let Some(bytes) = lines.next().await? {
        file.write_all(&bytes)
            .map_err(|error| unwritable(path, &error))?;
    }
    file.sync_all().map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    if error.kind() == std::io::ErrorKind::AlreadyExists {
        return Failure::usage(format!("{path} exists; remove it, or name another file"));
    }
    Failure::failed(format!("{path} cannot be written: {error}"))
}
