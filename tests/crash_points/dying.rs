//! The engine that dies: this program again.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use coven::environment::Environment;
use coven::shim::Program;
use coven::{
    Engine, Envelope, Error, Event, Hosting, LaunchRequest, OnTheWay, Options, Seq, SessionId,
    Shims, Waypoint,
};
use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::Notify;

use crate::table::Way;
use crate::world::{self, leftovers, me, within};

/// The first argument of the engine that dies.
pub(crate) const WORD: &str = "be-the-engine";

/// That of one that finds what another left, and dies.
pub(crate) const AGAIN: &str = "be-the-next-engine";

/// Runs an engine with one session until it dies at this point, or to its end; gives its world, and
/// the points that it passed.
pub(crate) fn engine(way: Way, point: Option<&str>) -> (tempfile::TempDir, Vec<String>) {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("project")).expect("a project");
    let passed = die(WORD, dir.path(), way, point);
    (dir, passed)
}

/// Runs an engine in the home of one that died, until it dies at this point.
pub(crate) fn next_engine(dir: &Path, way: Way, point: &str) {
    die(AGAIN, dir, way, Some(point));
}

fn die(word: &str, dir: &Path, way: Way, point: Option<&str>) -> Vec<String> {
    let mut engine = Command::new(std::env::current_exe().expect("this program"))
        .arg(word)
        .arg(dir)
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
    passed
}

/// What the engine that dies, and the next one, are opened with.
pub(crate) fn options(dir: &Path, way: Way) -> Options {
    let mut options = world::options(dir);
    options.hosting = match way {
        Way::Here | Way::KilledHere => Hosting::InProcess,
        Way::Shim | Way::ShimByPipes | Way::ShimForOutput | Way::KilledInShim => {
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

/// Launches a session, gives it what it waits for, or kills it, and sees it to its end.
pub(crate) async fn run(dir: &Path, way: Way, point: &str) {
    let is_over = Arc::new(Notify::new());
    let over = Arc::clone(&is_over);
    let dies = dies_at(point);
    let on_the_way = OnTheWay::call(move |waypoint| {
        dies(waypoint);
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
    let mut follow = engine.follow(&id, Seq::ZERO);
    if way.is_killed() {
        let has_begun = |page: &[Envelope]| {
            let mut events = page.iter().map(|envelope| &envelope.event);
            events.any(|event| matches!(event, Event::Output { .. }))
        };
        while let Some(page) = within(follow.next()).await.expect("it is told") {
            if has_begun(&page) {
                break;
            }
        }
        engine.kill(&id, me()).await.expect("it is killed");
    } else {
        go(&engine, dir, way, &id).await.expect("it takes that");
    }
    while within(follow.next()).await.expect("it is told").is_some() {}
    within(is_over.notified()).await;
}

/// Tells each point, and dies at this one.
fn dies_at(point: &str) -> impl Fn(&Waypoint) + Send + Sync + 'static {
    let point = point.to_owned();
    let printing = Mutex::new(());
    move |waypoint| {
        let _turn = printing.lock();
        let here = format!("{waypoint:?}");
        let here = here.split(' ').next().expect("a name");
        println!("{here}");
        if here == point {
            kill_process(getpid(), Signal::KILL).expect("it may do that to itself");
        }
    }
}

/// Opens the home again, to die at this point.
pub(crate) async fn again(dir: &Path, way: Way, point: &str) {
    let options = Options {
        on_the_way: OnTheWay::call(dies_at(point)),
        ..options(dir, way)
    };
    let _engine = Engine::open(options).await.expect("a home");
    within(std::future::pending::<()>()).await;
}

/// Gives a session what it waits for.
pub(crate) async fn go(engine: &Engine, dir: &Path, way: Way, id: &SessionId) -> Result<(), Error> {
    if way == Way::ShimForOutput {
        std::fs::write(dir.join("project/go"), "").expect("a file");
        return Ok(());
    }
    within(engine.input(id, "go\n".into(), None, me())).await?;
    Ok(())
}

pub(crate) fn request(dir: &Path, way: Way) -> LaunchRequest {
    let script = match way {
        Way::Shim | Way::Here => "echo ran >> ran; read -r go; echo \"took $go\"; exit 7",
        Way::KilledInShim | Way::KilledHere => {
            "echo ran >> ran; echo begun; read -r go; echo \"took $go\"; exit 7"
        }
        Way::ShimForOutput => {
            "echo ran >> ran; while [ ! -e go ]; do sleep .02; done; echo took go; exit 7"
        }
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

/// The shims of a session that run: each has its id among its arguments.
pub(crate) fn shims_of(id: &SessionId) -> Vec<i32> {
    let processes = std::fs::read_dir("/proc").expect("processes");
    let is_shim = |process: std::fs::DirEntry| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        let arguments = std::fs::read(process.path().join("cmdline")).ok()?;
        let mut words = arguments.split(|byte| *byte == 0);
        words
            .any(|word| word == id.as_str().as_bytes())
            .then_some(pid)
    };
    processes.filter_map(|one| is_shim(one.ok()?)).collect()
}
