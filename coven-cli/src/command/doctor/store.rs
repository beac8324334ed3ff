//! `coven doctor --store`: everything in the event log, and what is whole of it in a new home.

mod breaking_off;
mod report;

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use coven::repair::{self, RepairError};
use coven::store::{Progress, SalvageError, Salvaged};
use coven::{OpenError, store};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;
use report::Looked;

/// How often it is told how far it is. A log that takes less long is not worth a word.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Which form the answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
}

pub(super) async fn run(home: &Home, into: Option<&Path>, form: Form) -> Result<Exit, Failure> {
    home.check()?;
    if !home.had_log() {
        return Err(Failure::failed(format!(
            "{} has no event log: no session was ever run there",
            home.dir().display()
        )));
    }
    let mut telling = Telling::of("looked at");
    let findings = repair::inspect(home.dir(), &mut |progress| telling.tell(progress))
        .map_err(|error| refused(&error, home.dir()))?;
    // Where all is whole there is nothing that could keep it from being opened.
    let unopened = if findings.is_whole() {
        None
    } else {
        repair::why_unopened(home.dir())
    };
    let unopened = unopened.map(|error| error.to_string());
    let format = repair::foreign_format(home.dir());
    let looked = Looked {
        home: home.dir(),
        findings: &findings,
        unopened: unopened.as_deref(),
        format: format.as_deref(),
    };
    let salvaged = match into {
        Some(into) => match breaking_off::during(salvage(home, into), into).await? {
            ControlFlow::Continue(salvaged) => Some((into, salvaged)),
            ControlFlow::Break(exit) => return Ok(exit),
        },
        None => None,
    };
    let salvaged = salvaged.as_ref().map(|(into, it)| (*into, it));
    match form {
        Form::Json => output::json(&report::of(looked, salvaged))?,
        Form::Text => output::print(&report::for_people(looked, salvaged))?,
    }
    Ok(exit(looked))
}

fn exit(looked: Looked) -> Exit {
    if looked.findings.is_whole() && looked.format.is_none() {
        Exit::Done
    } else {
        Exit::Damaged
    }
}

fn salvage(home: &Home, into: &Path) -> impl FnOnce() -> Result<Salvaged, Failure> + use<> {
    let (home, into) = (home.clone(), into.to_owned());
    move || write(&home, &into)
}

fn write(home: &Home, into: &Path) -> Result<Salvaged, Failure> {
    output::complain("coven: writing everything that is whole into the new home");
    let mut telling = Telling::of("looked again at");
    repair::salvage(home.dir(), into, &mut |progress| telling.tell(progress)).map_err(|error| {
        match error {
            RepairError::Home(error) => refused(&error, home.dir()),
            RepairError::NotEmpty { .. }
            | RepairError::NotADirectory { .. }
            | RepairError::Inside { .. }
            | RepairError::Salvage(SalvageError::Exists { .. }) => Failure::failed(format!(
                "{error}; nothing was written: name a directory that does not exist"
            )),
            error @ RepairError::New(_) => Failure::failed(format!(
                "{error}; nothing was written, and the old home is as it was"
            )),
            error @ RepairError::Salvage(SalvageError::Unsettled { .. }) => Failure::failed(format!(
                "{error}; `coven --home {} doctor --store` looks at it; the old home is as it was: keep it until \
                 you have seen that the new one is still there after a restart of the machine, or salvage into \
                 another directory",
                into.display()
            )),
            error => Failure::failed(format!(
                "{error}; what there is in {} is no log: salvage into it again, or remove it; the old \
                 home is as it was",
                into.display()
            )),
        }
    })
}

/// Why a home's log is not looked at, and what to do.
fn refused(error: &OpenError, home: &Path) -> Failure {
    let home = home.display();
    match error {
        OpenError::InUse { pid, .. } => {
            let who = pid.map_or_else(
                || "another process".to_owned(),
                |pid| format!("process {pid}"),
            );
            Failure::new(
                Exit::Unreachable,
                format!(
                    "{who} has {home} open, and its log cannot be looked at meanwhile: stop its daemon \
                     first (`coven daemon stop`); what else has it, as an import or a salvage, comes to its end"
                ),
            )
        }
        OpenError::Log(store::OpenError::Locked { .. }) => Failure::new(
            Exit::Unreachable,
            format!("{error}; end that process first"),
        ),
        OpenError::LostLog(_) => Failure::failed(error.to_string()),
        error => Failure::failed(format!("{error}; no part of it was changed")),
    }
}

/// Tells on stderr how far it is, now and then.
struct Telling {
    doing: &'static str,
    told: Instant,
}

impl Telling {
    fn of(doing: &'static str) -> Self {
        let told = Instant::now();
        Self { doing, told }
    }

    fn tell(&mut self, progress: Progress) {
        if self.told.elapsed() < TELL_EVERY {
            return;
        }
        self.told = Instant::now();
        let mib = |bytes: u64| bytes >> 20;
        output::complain(&format!(
            "coven: {} {} MiB of a file of {} MiB, which is read one to three times",
            self.doing,
            mib(progress.read_bytes),
            mib(progress.log_bytes),
        ));
    }
}
