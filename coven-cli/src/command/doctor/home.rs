//! The home, its daemon and its disk.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use coven::home::Holder;
use coven::{OpenError, repair, store};
use coven_http::client::Error;
use coven_http::wire::{Health, WriterState};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use super::{Finding, State, service, spools};
use crate::answers::NO_FILE;
use crate::config::Config;
use crate::connect::{self, Hangs};
use crate::home::Home;

/// Less free space than this is told: an agent that builds something writes more.
const LITTLE_SPACE_BYTES: u64 = 1 << 30;

/// So little that the log's reserve is in danger.
const NO_SPACE_BYTES: u64 = 64 << 20;

pub(super) async fn look(home: &Home) -> Vec<Finding> {
    let directory = directory(home);
    if directory.state == State::Bad {
        // Nothing in it is ours to look at.
        return vec![directory];
    }
    let mut findings = vec![directory, settings(home)];
    findings.extend(spools::directory(home));
    findings.extend(daemon(home).await);
    findings.extend(service::look(home));
    findings.push(disk(home));
    findings
}

fn directory(home: &Home) -> Finding {
    let path = home.dir();
    let shown = format!("{} ({})", path.display(), home.origin());
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return missing(home, &shown),
        Err(error) => {
            return bad_home(format!("{shown}: {error}"));
        }
    };
    if metadata.is_symlink() {
        bad_home(format!("{shown} is a symlink"))
    } else if !metadata.is_dir() {
        bad_home(format!("{shown} is not a directory"))
    } else if metadata.uid() != rustix::process::geteuid().as_raw() {
        bad_home(format!("{shown} belongs to user {}", metadata.uid()))
    } else if let Err(error) = writable(path) {
        bad_home(format!("{shown} cannot be written to: {error}"))
            .advise("make it writable, or set COVEN_HOME, or --home, to a directory that is")
    } else if metadata.mode() & 0o077 != 0 {
        Finding::new(
            "home",
            State::Note,
            format!("{shown} is open to other users"),
        )
        .advise("the next command that needs the home closes it to them")
    } else {
        Finding::new("home", State::Ok, shown)
    }
}

/// One that is made by the first session, if it can be.
fn missing(home: &Home, shown: &str) -> Finding {
    let parent = nearest(home.dir());
    match writable(parent) {
        Ok(()) => Finding::new(
            "home",
            State::Ok,
            format!("{shown}, made by the first session"),
        ),
        Err(error) => bad_home(format!(
            "{shown} does not exist, and {} cannot be written to: {error}",
            parent.display()
        )),
    }
}

/// Whether files can be made in a directory, as far as it can be told without making one.
fn writable(directory: &Path) -> Result<(), Errno> {
    let access = Access::WRITE_OK | Access::EXEC_OK;
    accessat(CWD, directory, access, AtFlags::EACCESS)
}

/// What there is of a path: a home that does not exist yet will be there.
fn nearest(path: &Path) -> &Path {
    path.ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"))
}

fn bad_home(found: String) -> Finding {
    Finding::new("home", State::Bad, found)
        .advise("set COVEN_HOME, or --home, to a directory of your own")
}

fn settings(home: &Home) -> Finding {
    match Config::load(home) {
        Ok(_) if home.config_file().exists() => Finding::new(
            "settings",
            State::Ok,
            home.config_file().display().to_string(),
        ),
        Ok(_) => Finding::new("settings", State::Ok, "no config.toml: the defaults"),
        Err(failure) => Finding::new("settings", State::Bad, failure.to_string())
            .advise("mend it; `coven config show` lists the settings"),
    }
}

async fn daemon(home: &Home) -> Vec<Finding> {
    let client = match connect::address_to_look(home) {
        Ok(client) => client,
        Err(failure) => {
            return vec![
                Finding::new("socket", State::Bad, failure.to_string())
                    .advise("set COVEN_HOME, or --home, to a shorter path"),
            ];
        }
    };
    let socket = home.socket().display().to_string();
    match client.health().await {
        Ok(health) => {
            let mut findings = vec![
                Finding::new("socket", State::Ok, socket),
                version(&health),
                log(&health),
            ];
            findings.extend(spools::out_of_reach(&client).await);
            findings.extend(spools::of_nobody(home, &client).await);
            findings
        }
        Err(Error::Unreachable { .. }) => {
            let mut findings = vec![unserved(home, &socket)];
            findings.extend(log_at_rest(home));
            findings
        }
        Err(error @ Error::NotASocket { .. }) => vec![
            Finding::new("socket", State::Bad, error.to_string())
                .advise("remove it, and the daemon puts its own there"),
        ],
        Err(Error::Timeout { socket, after, .. }) => {
            let Hangs { found, advice } = Hangs::at(&socket, after);
            vec![Finding::new("daemon", State::Bad, found).advise(advice)]
        }
        Err(error) => vec![
            Finding::new("daemon", State::Bad, error.to_string())
                .advise("see `coven daemon logs`, and try `coven daemon restart`"),
        ],
    }
}

fn unserved(home: &Home, socket: &str) -> Finding {
    match holder(home) {
        None => Finding::new(
            "daemon",
            State::Ok,
            format!("does not run; the first session starts it, at {socket}"),
        ),
        Some(holder) => Finding::new(
            "daemon",
            State::Bad,
            format!(
                "process {} has the home open, and nobody answers at {socket}",
                holder.pid()
            ),
        )
        .advise("see `coven daemon status`"),
    }
}

/// Who has the home open, be its lock there or not.
fn holder(home: &Home) -> Option<Holder> {
    Holder::of(home.dir()).or_else(|| Holder::without_lock(home.dir()))
}

/// A log that no daemon could open, where none has it open.
fn log_at_rest(home: &Home) -> Option<Finding> {
    let error = repair::glance(home.dir()).err()?;
    // Where somebody has opened it since, what was seen may be what they were just writing.
    if holder(home).is_some() {
        return None;
    }
    let finding = Finding::new("event log", State::Bad, error.to_string());
    // Both say themselves what to do.
    if let OpenError::LostLog(_) | OpenError::Log(store::OpenError::Unfinished { .. }) = error {
        return Some(finding);
    }
    if let OpenError::Log(store::OpenError::Foreign { problem, .. }) = &error
        && problem == NO_FILE
    {
        return Some(finding.advise("move it away, and put the log's own file there from a copy"));
    }
    let advice =
        "`coven doctor --store` tells what is damaged, and can write the rest into a new home";
    Some(finding.advise(advice))
}

fn version(health: &Health) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    let theirs = &health.coven_version;
    let found = format!("runs as process {}, version {theirs}", health.daemon.pid);
    if theirs == ours {
        return Finding::new("daemon", State::Ok, found);
    }
    Finding::new("daemon", State::Note, format!("{found}; this is {ours}"))
        .advise("`coven daemon restart` makes them the same; its sessions run on")
}

fn log(health: &Health) -> Finding {
    let writer = &health.event_writer;
    let error = writer.last_error.as_deref().unwrap_or("no reason is known");
    match writer.state {
        WriterState::Healthy if writer.damage_met().is_some() => {
            Finding::new("event log", State::Bad, error).advise(
                "all else is written and read; `coven daemon stop` and `coven doctor --store` tell what is \
                 damaged, and can write the rest into a new home",
            )
        }
        WriterState::Healthy => Finding::new(
            "event log",
            State::Ok,
            format!(
                "healthy, {} written",
                match writer.committed_events {
                    1 => "1 event".to_owned(),
                    count => format!("{count} events"),
                }
            ),
        ),
        WriterState::Pressured if writer.why_stuck().is_some() => {
            Finding::new("event log", State::Bad, error).advise(
                "where it is damaged, `coven daemon stop` and `coven doctor --store` tell what is, and can \
                 write the rest into a new home; else make room, and the daemon goes on by itself",
            )
        }
        WriterState::Pressured => Finding::new(
            "event log",
            State::Note,
            "pressured: agents write faster than the disk",
        ),
        WriterState::Failed => Finding::new(
            "event log",
            State::Bad,
            format!("cannot be written: {error}"),
        )
        .advise(
            "once that is mended the daemon goes on by itself: make room, make the home writable, or put the \
             file back (before the daemon ends, where it was removed: docs/repair.md)",
        ),
    }
}

fn disk(home: &Home) -> Finding {
    let existing = nearest(home.dir());
    let space = match rustix::fs::statvfs(existing) {
        Ok(space) => space,
        Err(error) => {
            return Finding::new(
                "disk",
                State::Note,
                format!("{}: {error}", existing.display()),
            );
        }
    };
    let free_bytes = space.f_bavail.saturating_mul(space.f_frsize);
    let found = format!("{} MiB are free", free_bytes >> 20);
    if free_bytes < NO_SPACE_BYTES {
        Finding::new("disk", State::Bad, found).advise("make room where the home is")
    } else if free_bytes < LITTLE_SPACE_BYTES {
        Finding::new("disk", State::Note, found).advise("make room where the home is")
    } else {
        Finding::new("disk", State::Ok, found)
    }
}
