//! A home for shims, which ends with the test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use coven_core::{Exit, OutputEnd, ProcessFacts, SessionId};
use coven_harness::process::{Spawn, Wiring};
use coven_harness::shim::protocol::PartHead;
use coven_harness::shim::{
    self, Child, Control, Damage, Found, InputError, InputId, Launch, LaunchError, NewFolder,
    Program, Record, Recorded, Records, Remains, Taken,
};
use tempfile::TempDir;
use tokio::net::UnixDatagram;

use crate::process::Process;
use crate::support::{in_terminal, mark, session, shell_in, within};

/// More than any test writes.
pub(crate) const LIMIT_BYTES: u64 = 64 << 20;

/// The example program as a shim. `cargo test` has built it; a run of one file alone does here.
pub(crate) fn program(args: &[&str]) -> Program {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let path = BUILT.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let program = test
            .ancestors()
            .nth(2)
            .unwrap()
            .join("examples/embedded_shim");
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--quiet",
            "-p",
            "coven-harness",
            "--example",
            "embedded_shim",
        ]);
        assert!(program.exists() || build.status().unwrap().success());
        program
    });
    Program {
        path: path.clone(),
        args: args.iter().map(Into::into).collect(),
        environment: [mark()].into_iter().collect(),
    }
}

/// One session, and where its shim keeps it.
pub(crate) struct World {
    pub(crate) session: SessionId,
    pub(crate) folder: PathBuf,
    _home: Option<TempDir>,
}

impl World {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        Self {
            folder: home.path().join("session"),
            session: session(),
            _home: Some(home),
        }
    }

    pub(crate) fn at(place: &Path) -> Self {
        Self {
            folder: place.join("session"),
            session: session(),
            _home: None,
        }
    }

    pub(crate) fn spawn(&self, script: &str, wiring: Wiring) -> Spawn {
        shell_in(&self.session, script, &[], wiring)
    }

    pub(crate) async fn run(&self, script: &str, wiring: Wiring) -> Child {
        self.run_within(LIMIT_BYTES, script, wiring).await
    }

    /// [`World::run`] with a spool that may take so much.
    pub(crate) async fn run_within(&self, limit_bytes: u64, script: &str, wiring: Wiring) -> Child {
        let spawn = self.spawn(script, wiring);
        let launched = self.launch(program(&[]), spawn, limit_bytes);
        launched.await.unwrap()
    }

    /// Runs `script` in a terminal until it has said `ready`.
    pub(crate) async fn ready(&self, script: &str) -> (Child, Told) {
        let mut child = self.run(script, in_terminal()).await;
        let mut told = Told::default();
        told.until(&mut child.records, "ready").await;
        (child, told)
    }

    pub(crate) async fn launch(
        &self,
        mut program: Program,
        spawn: Spawn,
        limit_bytes: u64,
    ) -> Result<Child, LaunchError> {
        // To be found by.
        program.args.push(self.session.as_str().into());
        let launch = Launch {
            program: &program,
            folder: NewFolder::make(&self.folder).unwrap(),
            session: &self.session,
            spawn,
            executable: "/bin/sh".to_owned(),
            argv: vec!["sh".to_owned()],
            limit_bytes,
        };
        within(shim::launch(launch)).await
    }

    pub(crate) async fn adopt(&self) -> Child {
        within(shim::adopt_all(&self.folder, &self.session))
            .await
            .unwrap()
    }

    pub(crate) fn shim(&self, child: &Child) -> Process {
        Process::of(child.facts.as_ref().unwrap().shim_pid.unwrap())
    }

    /// The shim of a launch that is under way, once it has stopped itself.
    pub(crate) async fn stopped_shim(
        &self,
        launched: impl Future<Output = Result<Child, LaunchError>>,
    ) -> Process {
        within(async {
            tokio::select! {
                launched = launched => panic!("{launched:?}"),
                stopped = Process::stopped(self.session.as_str()) => stopped,
            }
        })
        .await
    }

    /// The parts of the spool, oldest first.
    pub(crate) fn parts(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let parts = paths.filter(|path| path.extension().is_some_and(|end| end == "spool"));
        let mut parts: Vec<PathBuf> = parts.collect();
        parts.sort();
        parts
    }

    /// The oldest part of the spool.
    pub(crate) fn part(&self) -> PathBuf {
        self.parts().remove(0)
    }

    /// What is left of a shim that is dead, as soon as it is.
    pub(crate) async fn remains(&self) -> Box<Remains> {
        within(async {
            loop {
                match shim::look(&self.folder).unwrap() {
                    Found::Dead(remains) => return remains,
                    Found::Alive | Found::Starting => tokio::task::yield_now().await,
                }
            }
        })
        .await
    }
}

/// What a dead shim left, as whoever takes its session over reads it.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) head: Option<PartHead>,
    pub(crate) records: Vec<Recorded>,
    pub(crate) damage: Option<Damage>,
}

impl Left {
    pub(crate) fn of(remains: &Remains) -> Self {
        let (mut records, mut damage) = (Vec::new(), None);
        let left = remains.records().unwrap();
        let head = left.peek_head();
        for recorded in left {
            match recorded {
                Ok(recorded) => records.push(recorded),
                Err(found) => assert!(damage.replace(found).is_none(), "nothing is behind it"),
            }
        }
        Self {
            head,
            records,
            damage,
        }
    }

    pub(crate) fn last(&self) -> Option<u64> {
        self.records.last().map(|last| last.number)
    }

    fn find<T>(&self, found: impl Fn(&Record) -> Option<T>) -> Option<T> {
        self.records
            .iter()
            .find_map(|recorded| found(&recorded.record))
    }

    pub(crate) fn started(&self) -> Option<ProcessFacts> {
        self.find(|record| match record {
            Record::Started { process, .. } => Some(process.clone()),
            _ => None,
        })
    }

    pub(crate) fn exit(&self) -> Option<Exit> {
        self.find(|record| match record {
            Record::Exited { exit } => Some(*exit),
            _ => None,
        })
    }

    /// Whether it tells the end of its session.
    pub(crate) fn is_over(&self) -> bool {
        let is_closed =
            |record: &Record| matches!(record, Record::OutputClosed { .. }).then_some(());
        self.exit().is_some() && self.find(is_closed).is_some()
    }
}

/// What was told of a session.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) output: Vec<u8>,
    pub(crate) last: u64,
    pub(crate) exit: Option<Exit>,
    pub(crate) end: Option<OutputEnd>,
    pub(crate) others: Vec<Record>,
}

impl Told {
    /// Takes the next record, which must follow the last, or be one of those that were told already.
    pub(crate) async fn next(&mut self, records: &mut Records) -> Result<(), shim::Lost> {
        let next = records.next().await?;
        self.add(next);
        Ok(())
    }

    pub(crate) fn add(&mut self, next: Recorded) {
        if next.number <= self.last {
            if let Record::Output { offset, bytes, .. } = next.record {
                let offset = usize::try_from(offset).unwrap();
                assert_eq!(self.output[offset..][..bytes.len()], bytes);
            }
            return;
        }
        assert_eq!(next.number, self.last + 1, "{next:?}");
        self.last = next.number;
        match next.record {
            Record::Output { offset, bytes, .. } => {
                assert_eq!(offset, self.output.len() as u64);
                self.output.extend_from_slice(&bytes);
            }
            Record::Exited { exit } => assert_eq!(self.exit.replace(exit), None),
            Record::OutputClosed { end } => assert_eq!(self.end.replace(end), None),
            other => self.others.push(other),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.exit.is_some() && self.end.is_some()
    }

    pub(crate) async fn hear_all(&mut self, records: &mut Records) {
        while !self.is_over() {
            within(self.next(records)).await.unwrap();
        }
    }

    pub(crate) async fn until(&mut self, records: &mut Records, text: &str) {
        while !self.text().contains(text) {
            assert!(!self.is_over(), "no {text:?} in {:?}", self.text());
            within(self.next(records)).await.unwrap();
        }
    }

    pub(crate) fn text_ends(&self, text: &str) -> bool {
        self.output.ends_with(text.as_bytes())
    }

    /// The inputs that are done, and how much of each was typed.
    pub(crate) fn done(&self) -> Vec<(InputId, u64)> {
        let done = self.others.iter().filter_map(|record| match record {
            Record::InputDone {
                id,
                delivered_bytes,
            } => Some((*id, *delivered_bytes)),
            _ => None,
        });
        done.collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }
}

/// Hears a session to its end, and has its shim end.
pub(crate) async fn all(child: &mut Child) -> Told {
    let mut told = Told::default();
    told.hear_all(&mut child.records).await;
    child.control.ack(told.last);
    within(child.control.close()).await.unwrap();
    told
}

/// Types `text`, as the input of this number.
pub(crate) async fn type_in(
    control: &Control,
    number: u8,
    text: impl Into<Bytes>,
) -> Result<Taken, InputError> {
    let typed = control.input(InputId([number; 16]), text.into(), Duration::ZERO);
    within(typed).await
}

/// Types a line end, for a script that waits for one.
pub(crate) async fn enter(child: &Child) {
    assert_eq!(type_in(&child.control, 99, "\n").await, Ok(Taken::Now));
}

/// Where a shim says where it is on its way.
pub(crate) struct Waypoints {
    socket: UnixDatagram,
    _folder: TempDir,
}

impl Waypoints {
    /// And the argument by which a shim knows of it.
    pub(crate) fn new() -> (Self, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("told");
        let argument = format!("tell={}", path.display());
        let socket = UnixDatagram::bind(path).unwrap();
        let told = Self {
            socket,
            _folder: folder,
        };
        (told, argument)
    }

    /// Waits until the shim comes there.
    pub(crate) async fn until(&self, waypoint: &str) {
        let mut told = [0; 64];
        loop {
            let len_bytes = within(self.socket.recv(&mut told)).await.unwrap();
            if &told[..len_bytes] == waypoint.as_bytes() {
                return;
            }
        }
    }
}
