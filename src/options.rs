//! `Options`: how an engine is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use coven_harness::Harness;
use coven_harness::process::{MAX_GRACE, open_files_limit};
use rustix::process::Rlimit;

use crate::clock::{Clock, SystemClock};
use crate::hosting::Hosting;
use crate::on_the_way::OnTheWay;
use crate::retention::Retention;

/// How to open an engine. [`Options::at`] has what nearly everybody wants.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory that holds all Coven keeps. It is made if it is missing.
    pub home: PathBuf,
    /// How long a killed process may take to end by itself before it is ended: at most
    /// [`MAX_GRACE`](Self::MAX_GRACE), for which a longer one is taken.
    pub grace: Duration,
    /// Who holds the terminals of the sessions that are launched. Default: this program. Sessions of
    /// the home that shims hold are taken over either way.
    pub hosting: Hosting,
    /// Harnesses of the embedding program, beside Coven's own and the home's manifests.
    pub harnesses: Vec<Arc<dyn Harness>>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// How much output is kept. Default: all.
    pub retention: Retention,
    /// How the log is kept.
    pub store: coven_store::Options,
    /// The limit of open files that agents get: this program's, as it was when these options were
    /// made. A program that raises its own makes its options first.
    pub open_files: Rlimit,
    /// Called on a session's way, for tests that change the world there, or end this program.
    #[doc(hidden)]
    pub on_the_way: OnTheWay,
}

impl Options {
    /// The longest grace there is: a day.
    pub const MAX_GRACE: Duration = MAX_GRACE;

    /// The defaults, with this home: five seconds of grace, the system's clocks.
    pub fn at(home: impl Into<PathBuf>) -> Self {
        Self {
            home: home.into(),
            grace: Duration::from_secs(5),
            hosting: Hosting::default(),
            harnesses: Vec::new(),
            clock: Arc::new(SystemClock::new()),
            retention: Retention::default(),
            store: coven_store::Options::default(),
            open_files: open_files_limit(),
            on_the_way: OnTheWay::default(),
        }
    }

    /// Where the home is unless somebody says otherwise: `$COVEN_HOME`, else `$HOME/.coven`;
    /// `None` when neither is set.
    pub fn default_home() -> Option<PathBuf> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        set("COVEN_HOME")
            .map(PathBuf::from)
            .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".coven")))
    }
}
