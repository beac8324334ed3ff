//! Five hundred sessions that do nothing: memory, wake-ups, open files, and a daemon that is killed.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use crate::daemon::Daemon;
use crate::figures::{line, median};

const SESSIONS: usize = 500;
const WINDOW: Duration = Duration::from_secs(10);
/// Longer than a thread without work is kept (10 s).
const SETTLE: Duration = Duration::from_secs(12);

pub(crate) async fn run(daemon: &mut Daemon) {
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        let record = daemon.place.launch(&daemon.client, "exec cat").await;
        sessions.push(record.id);
    }
    // What is measured is a quiet daemon: let the threads that the launches needed come to an end.
    sleep(SETTLE).await;
    let shims = daemon.shims(&sessions);
    assert_eq!(shims.len(), SESSIONS, "one for each");
    let all = [shims.as_slice(), &[daemon.pid()]].concat();
    let before = voluntary_switches(&all);
    sleep(WINDOW).await;
    let switches: u64 = voluntary_switches(&all)
        .iter()
        .map(|(thread, count)| count - before.get(thread).unwrap_or(&0))
        .sum();
    line(
        "500 idle sessions, wake-ups of the daemon and all shims in 10 s",
        &format!("{switches}"),
        "(5)",
    );
    let of_shims: Vec<f64> = shims.iter().map(|pid| private_kib(*pid)).collect();
    let share = private_kib(daemon.pid()) / SESSIONS as f64;
    let mean = of_shims.iter().sum::<f64>() / SESSIONS as f64;
    line(
        "private memory of an idle session, its shim and its share of the daemon",
        &format!(
            "{:.2} MB (a shim {:.2}, p50)",
            mb(mean + share),
            mb(median(&of_shims))
        ),
        "(1.5 MB)",
    );
    line(
        "the same, open files of the daemon",
        &format!("{} for {SESSIONS} sessions", daemon.open_files()),
        "",
    );
    let (serves, adopted) = daemon.kill_and_start(&sessions).await;
    line(
        "kill -9 of the daemon with 500 live sessions",
        &format!("the next answers after {:.2} s", serves.as_secs_f64()),
        &format!(
            "has typed into each of them after {:.2} s (2)",
            adopted.as_secs_f64()
        ),
    );
}

fn mb(kib: f64) -> f64 {
    kib * 1024.0 / 1e6
}

fn private_kib(pid: u32) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("it runs");
    fields(&rollup, "Private_") as f64
}

/// Of each of their threads.
fn voluntary_switches(pids: &[u32]) -> HashMap<PathBuf, u64> {
    let tasks = pids
        .iter()
        .flat_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).expect("it runs"));
    tasks
        .filter_map(|task| {
            let task = task.ok()?.path();
            let status = fs::read_to_string(task.join("status")).ok()?;
            Some((task, fields(&status, "voluntary_ctxt_switches:")))
        })
        .collect()
}

/// The sum of the numbers of the lines that begin so.
fn fields(text: &str, name: &str) -> u64 {
    let lines = text.lines().filter(|line| line.starts_with(name));
    let numbers = lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    numbers.sum()
}
