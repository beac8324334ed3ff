//! The engine that dies: this program again.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use coven::environment::Environment;
use coven::shim::Program;
use coven::{Engine, Hosting, LaunchRequest, OnTheWay, Options, Seq, SessionId, Shims, Waypoint};
use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::Notify;

use crate::table::Way;
use crate::world::{self, leftovers, me, within};

/// The first argument of the engine that dies.
pub(crate) const WORD: &str = "be-the-engine";

/// Runs an engine with one session until it dies at this point, or to its end; gives its world, and
/// the points that it passed.
pub(crate) fn engine(way: Way, point: Option<&str>) -> (tempfile::TempDir, Vec<String>) {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("project")).expect("a project");
    let mut engine = Command::new(std::env::current_exe().expect("this program"))
        .arg(WORD)
        .arg(dir.path())
        .args([way.name().as_str(), point.unwrap_or_default()])
        .envs([leftovers::mark()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let told = BufReader::new(engine.stdout.take().expect("a pipe"));
    let passed = told.lines().map(|line| line.expect("text")).collect();
    let status = engine.wait().expect("its end");
    match point {
        Some(point) => assert_eq!(status.signal(), Some(9), "{way:?}, {point}"),
        None => assert!(status.success(), "{way:?}: {status}"),
    }
    (dir, passed)
}

/// What the engine that dies, and the next one, are opened with.
pub(crate) fn options(dir: &Path, way: Way) -> Options {
    let mut options = world::options(dir);
    options.hosting = match way {
        Way::Here => Hosting::InProcess,
        Way::Shim | Way::ShimByPipes => {
            let mut program = Program::this();
            program.environment = Environment::from_iter(own_mark());
            Hosting::Shims(Shims::of(program))
        }
    };
    options
}

/// The mark that this program was given, which ends with the test what is left.
pub(crate) fn own_mark() -> Option<(String, String)> {
    let name = leftovers::VARIABLE;
    Some((name.to_owned(), std::env::var(name).ok()?))
}

/// Launches a session, types what it waits for, and sees it to its end.
pub(crate) async fn run(dir: &Path, way: Way, point: &str) {
    let point = point.to_owned();
    let is_over = Arc::new(Notify::new());
    let over = Arc::clone(&is_over);
    let printing = Mutex::new(());
    let on_the_way = OnTheWay::call(move |waypoint| {
        let _turn = printing.lock();
        let here = format!("{waypoint:?}");
        let here = here.split(' ').next().expect("a name");
        println!("{here}");
        if here == point {
            kill_process(getpid(), Signal::KILL).expect("it may do that to itself");
        }
        if *waypoint == Waypoint::Dismissed {
            over.notify_one();
        }
    });
    let options = Options {
        on_the_way,
        ..options(dir, way)
    };
    let engine = Engine::open(options).await.expect("a home");
    let launched = engine.launch(request(dir, way), me()).await;
    let id = launched.expect("it runs").session.id.clone();
    engine
        .input(&id, "go\n".into(), None, me())
        .await
        .expect("it takes that");
    let mut follow = engine.follow(&id, Seq::ZERO);
    while within(follow.next()).await.expect("it is told").is_some() {}
    within(is_over.notified()).await;
}

fn request(dir: &Path, way: Way) -> LaunchRequest {
    let script = match way {
        Way::Shim | Way::Here => "echo ran >> ran; read -r go; echo \"took $go\"; exit 7",
        Way::ShimByPipes => "echo ran >> ran; read -r first; read -r go; echo \"took $go\"; exit 7",
    };
    let path = std::env::var("PATH").expect("a PATH");
    let path = ("PATH".to_owned(), path);
    LaunchRequest {
        project_root: Some(dir.join("project").to_str().expect("text").to_owned()),
        harness: Some("shell".to_owned()),
        prompt: Some(script.to_owned()),
        launch_mode: Some(way.mode().as_str().to_owned()),
        env: Some(own_mark().into_iter().chain([path]).collect()),
        ..LaunchRequest::default()
    }
}

/// How many shims of a session run: each has its id among its arguments.
pub(crate) fn shims_of(id: &SessionId) -> usize {
    let processes = std::fs::read_dir("/proc").expect("processes");
    let arguments =
        processes.filter_map(|one| std::fs::read(one.ok()?.path().join("cmdline")).ok());
    arguments
        .filter(|arguments| {
            let mut words = arguments.split(|byte| *byte == 0);
            words.any(|word| word == id.as_str().as_bytes())
        })
        .count()
}
