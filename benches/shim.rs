//! A session through a shim, beside the same one held in this process: floods and launches, each
//! round of one followed by one of the other. `cargo bench -p coven-harness --bench shim`.
//!
//! It is its own shim.

#[path = "support/payload.rs"]
mod payload;

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use coven_core::{Exit, SessionId, TermSize};
use coven_harness::environment::Environment;
use coven_harness::process::{self, Spawn, Wiring, open_files_limit};
use coven_harness::shim::{self, Launch, NewFolder, Program, Record};
use tempfile::TempDir;

const FLOOD_BYTES: usize = 64 << 20;

/// Rounds of each of both.
const ROUNDS: usize = 9;

/// Launches of each of both.
const LAUNCHES: usize = 51;

/// As much as an engine commits at once when much comes.
const ACK_BYTES: usize = 1 << 20;

const LIMIT_BYTES: u64 = 256 << 20;

fn main() -> ExitCode {
    if let Some(code) = shim::run_if_invoked() {
        return code;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(measure());
    ExitCode::SUCCESS
}

async fn measure() {
    let home = tempfile::tempdir().expect("a folder");
    let flood = home.path().join("flood");
    std::fs::write(&flood, payload::agent_output(64, FLOOD_BYTES)).expect("written");
    for (mode, setting) in [("raw", "stty raw -echo; "), ("cooked", "")] {
        let script = format!("{setting}exec cat {}", flood.display());
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (took, bytes) = in_process(&script).await;
            here.push(took);
            let (took, same_bytes) = through_shim(&home, &script).await;
            there.push(took);
            assert_eq!(bytes, same_bytes, "all of it");
        }
        let ratios = here
            .iter()
            .zip(&there)
            .map(|(here, there)| here.as_secs_f64() / there.as_secs_f64());
        let ratio = median(ratios.collect());
        let rate = |took: &[Duration]| {
            median(
                took.iter()
                    .map(|took| FLOOD_BYTES as f64 / 1e6 / took.as_secs_f64())
                    .collect(),
            )
        };
        println!(
            "flood of 64 MiB through a shim, {mode}\t{:.0} MB/s (in process {:.0})\t{ratio:.2} × in process (0.85)",
            rate(&there),
            rate(&here)
        );
    }
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for _ in 0..LAUNCHES {
        here.push(launch_in_process().await.as_secs_f64() * 1e3);
        there.push(launch_shim(&home).await.as_secs_f64() * 1e3);
    }
    let (here, there) = (median(here), median(there));
    println!(
        "launch through a shim, p50\t{there:.2} ms (in process {here:.2})\t+ {:.2} ms (4)",
        there - here
    );
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load\t{}\t", load.trim());
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn spawn(session: &SessionId, script: &str) -> Spawn {
    let environment = Environment::of_this_process();
    Spawn {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        environment: environment.for_session(session, Path::new("/"), []),
        directory: File::open("/").expect("there is one").into(),
        wiring: Wiring::Terminal {
            size: TermSize::DEFAULT,
        },
        open_files: open_files_limit(),
    }
}

fn session() -> SessionId {
    SessionId::parse(&uuid::Uuid::new_v4().to_string()).expect("it is one")
}

async fn in_process(script: &str) -> (Duration, usize) {
    let started = Instant::now();
    let mut child = process::spawn(spawn(&session(), script)).expect("it runs");
    let (output, exit) = (&mut child.output, &mut child.exit);
    let reading = async {
        let mut bytes = 0;
        while let Some((_, more)) = output.read().await.expect("read") {
            bytes += more.len();
        }
        bytes
    };
    let (bytes, exit) = tokio::join!(reading, exit.wait());
    assert_eq!(exit.expect("its end"), Exit::Code { code: 0 });
    (started.elapsed(), bytes)
}

async fn begin(home: &TempDir, script: &str) -> shim::Child {
    let session = session();
    let launch = Launch {
        program: &Program::this(),
        folder: NewFolder::make(&home.path().join(session.as_str())).expect("a folder"),
        session: &session,
        spawn: spawn(&session, script),
        executable: "sh".to_owned(),
        argv: Vec::new(),
        limit_bytes: LIMIT_BYTES,
    };
    shim::launch(launch).await.expect("it runs")
}

/// Hears all, acknowledges it, and ends the shim; how many bytes of output there were.
async fn end(child: &mut shim::Child, mut heard: impl FnMut()) -> usize {
    let (mut bytes_heard, mut unacked) = (0, 0);
    let (mut has_exited, mut is_closed) = (false, false);
    let mut last = 0;
    while !(has_exited && is_closed) {
        let next = child.records.next().await.expect("it is told");
        last = next.number;
        match next.record {
            Record::Output { bytes, .. } => {
                bytes_heard += bytes.len();
                unacked += bytes.len();
            }
            Record::Exited { .. } => has_exited = true,
            Record::OutputClosed { .. } => is_closed = true,
            _ => {}
        }
        if unacked >= ACK_BYTES {
            child.control.ack(last);
            unacked = 0;
        }
    }
    heard();
    child.control.ack(last);
    child.control.close().await.expect("all is acknowledged");
    bytes_heard
}

async fn through_shim(home: &TempDir, script: &str) -> (Duration, usize) {
    let started = Instant::now();
    let mut took = Duration::ZERO;
    let mut child = begin(home, script).await;
    let bytes = end(&mut child, || took = started.elapsed()).await;
    (took, bytes)
}

async fn launch_in_process() -> Duration {
    let started = Instant::now();
    let mut child = process::spawn(spawn(&session(), "true")).expect("it runs");
    let took = started.elapsed();
    child.exit.wait().await.expect("its end");
    took
}

async fn launch_shim(home: &TempDir) -> Duration {
    let started = Instant::now();
    let mut child = begin(home, "true").await;
    let took = started.elapsed();
    end(&mut child, || {}).await;
    took
}
