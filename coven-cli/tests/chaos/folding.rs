//! Daemons that die while they fold their log, which they tell of in `daemon.log`.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};

use crate::home::{Home, Running, end_at_once, eventually};
use crate::stopped::Stopped;

const BEGINS: &str = "a fold begins";
const IS_MADE: &str = "a fold is made";
const IS_READY: &str = "the daemon is ready";

/// Has a home's daemons tell of folds.
pub(crate) fn have_folds_told(home: &Home) {
    let config = "log = \"info,coven_store=debug\"\n";
    fs::write(home.dir().join("config.toml"), config).expect("a file");
}

/// Starts a daemon, which begins with a fold of what the one before it left, and ends it where it stands
/// after `a_while` of that. Gives whether it did so in the middle of the fold.
pub(crate) fn start_and_kill(home: &Home, a_while: impl FnOnce()) -> bool {
    let before_bytes = fs::metadata(log(home)).map_or(0, |about| about.len());
    let start = Running::start(home.coven(["daemon", "start"]));
    eventually("a fold", || {
        let told = told(home, before_bytes);
        (told.contains(BEGINS) || told.contains(IS_READY)).then_some(())
    });
    a_while();
    // It may not have written down elsewhere yet who it is.
    let lock = fs::read_to_string(home.dir().join("lock")).expect("it holds it");
    let pid = lock.trim().parse().expect("an id");
    // It tells no more, and there is no other yet.
    let daemon = Stopped::process(pid);
    let told = told(home, before_bytes);
    end_at_once(pid);
    drop(daemon);
    // Whether it was ready before it died is all the same.
    start.end();
    told.rfind(BEGINS) > told.rfind(IS_MADE)
}

fn log(home: &Home) -> std::path::PathBuf {
    home.dir().join("daemon.log")
}

/// What was told since the log had so many bytes.
fn told(home: &Home, before_bytes: u64) -> String {
    let mut file = File::open(log(home)).expect("a daemon's log");
    file.seek(SeekFrom::Start(before_bytes)).expect("a file");
    let mut told = String::new();
    file.read_to_string(&mut told).expect("lines of text");
    told
}
